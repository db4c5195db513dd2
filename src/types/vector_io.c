/*-------------------------------------------------------------------------
 *
 * vector_io.c
 *	  Text and binary input and output of the vector type.
 *
 * Text is "[1,2,3]", white space allowed around brackets and components.
 * Binary is int16 dim, int16 zero, dim float4, all in network byte order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "compat.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "types/parse_float.h"
#include "types/vector.h"
#include "utils/array.h"

/* components to make room for when the type modifier tells nothing */
#define INITIAL_CAPACITY 256

/*
 * Bytes of a malformed literal that an error message repeats: all of a short
 * one, but not the 200 kB of a long one into every log.
 */
#define MAX_ECHO 256

PG_FUNCTION_INFO_V1(vector_in);
PG_FUNCTION_INFO_V1(vector_out);
PG_FUNCTION_INFO_V1(vector_typmod_in);
PG_FUNCTION_INFO_V1(vector_recv);
PG_FUNCTION_INFO_V1(vector_send);

/* White space as array_in and float4in see it, whatever the locale. */
static inline const char *
skip_space(const char *s)
{
	while (*s == ' ' || (*s >= '\t' && *s <= '\r'))
		s++;
	return s;
}

/* The first len bytes of s for a message, cut between two characters. */
static const char *
echo(const char *s, size_t len)
{
	if (len <= MAX_ECHO)
		return pnstrdup(s, len);
	return psprintf("%.*s...", pg_mbcliplen(s, (int) len, MAX_ECHO), s);
}

/* Reports a malformed literal; detail may be NULL.  Returns NULL. */
static void *
syntax_error(const char *literal, const char *detail, struct Node *escontext)
{
	ereturn(escontext, NULL,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type vector: \"%s\"",
					echo(literal, strlen(literal))),
			 detail ? errdetail_internal("%s", detail) : 0));
}

/*
 * Reads one component at s.  Returns its end, or NULL after a soft error.
 */
static const char *
parse_element(const char *literal, const char *s, float *value,
			  struct Node *escontext)
{
	const char *end;
	bool		overflow;

	*value = vecam_parse_float(s, &end, &overflow);
	if (end == s)
		return syntax_error(literal, NULL, escontext);
	if (overflow)
		ereturn(escontext, NULL,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for type vector",
						echo(s, (size_t) (end - s)))));
	if (!vecam_element_is_valid(*value, escontext))
		return NULL;
	return end;
}

/*
 * Reads the components after the opening bracket into *vector, which is
 * allocated for capacity components and grows.  Returns what follows the last
 * component and sets the vector's dim, or returns NULL after a soft error.
 */
static const char *
parse_elements(const char *literal, const char *s, Vector **vector,
			   int capacity, struct Node *escontext)
{
	int			dim = 0;

	for (;;)
	{
		if (dim == VECTOR_MAX_DIM)
		{
			(void) vecam_dim_is_valid(dim + 1, escontext);
			return NULL;
		}
		if (dim == capacity)
		{
			capacity = Min(capacity * 2, VECTOR_MAX_DIM);
			*vector = (Vector *) repalloc(*vector, VECTOR_SIZE(capacity));
		}

		s = parse_element(literal, skip_space(s), &(*vector)->x[dim],
						  escontext);
		if (s == NULL)
			return NULL;
		dim++;
		s = skip_space(s);
		if (*s != ',')
			break;
		s++;
	}

	(*vector)->dim = (int16) dim;
	return s;
}

/*
 * Reads a vector literal.  Returns NULL after a soft error.
 */
static Vector *
parse_vector(const char *literal, int32 typmod, struct Node *escontext)
{
	const char *s = skip_space(literal);
	int			capacity = typmod > 0 ? typmod : INITIAL_CAPACITY;
	Vector	   *result;

	if (*s != '[')
		return syntax_error(literal,
							"Vector contents must start with \"[\".",
							escontext);
	s = skip_space(s + 1);
	if (*s == ']')
	{
		(void) vecam_dim_is_valid(0, escontext);
		return NULL;
	}

	result = vecam_vector_alloc(capacity);
	s = parse_elements(literal, s, &result, capacity, escontext);
	if (s == NULL)
		return NULL;
	if (*s != ']')
		return syntax_error(literal, NULL, escontext);
	if (*skip_space(s + 1) != '\0')
		return syntax_error(literal, "Junk after closing right brace.",
							escontext);

	SET_VARSIZE(result, VECTOR_SIZE(result->dim));
	return result;
}

Datum
vector_in(PG_FUNCTION_ARGS)
{
	char	   *literal = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	Vector	   *result = parse_vector(literal, typmod, fcinfo->context);

	if (result == NULL ||
		!vecam_dim_is_expected(typmod, result->dim, fcinfo->context))
		PG_RETURN_NULL();

	PG_RETURN_VECTOR_P(result);
}

/*
 * Prints each component with the fewest digits that give it back.
 */
Datum
vector_out(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);
	char	   *result;
	char	   *s;

	/* a component's terminating zero makes room for its separator */
	result = (char *) palloc(FLOAT_SHORTEST_DECIMAL_LEN * (Size) v->dim + 2);
	s = result;

	for (int i = 0; i < v->dim; i++)
	{
		*s++ = (i == 0) ? '[' : ',';
		s += float_to_shortest_decimal_bufn(v->x[i], s);
	}
	*s++ = ']';
	*s = '\0';

	PG_FREE_IF_COPY(v, 0);
	PG_RETURN_CSTRING(result);
}

/*
 * vector(n): the type modifier is n.
 */
Datum
vector_typmod_in(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			n;
	int32	   *typmods = ArrayGetIntegerTypmods(array, &n);

	if (n != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier")));
	if (typmods[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type vector must be at least 1")));
	if (typmods[0] > VECTOR_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type vector cannot exceed %d",
						VECTOR_MAX_DIM)));

	PG_RETURN_INT32(typmods[0]);
}

Datum
vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int16		dim = (int16) pq_getmsgint(buf, sizeof(int16));
	int16		unused = (int16) pq_getmsgint(buf, sizeof(int16));
	Vector	   *result;

	vecam_check_dim(dim);
	vecam_check_expected_dim(typmod, dim);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused)));

	/* before allocating what a short message only claims to hold */
	if (buf->len - buf->cursor < dim * (int) sizeof(float4))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("insufficient data left in message")));

	result = vecam_vector_alloc(dim);
	for (int i = 0; i < dim; i++)
	{
		result->x[i] = pq_getmsgfloat4(buf);
		vecam_check_element(result->x[i]);
	}

	PG_RETURN_VECTOR_P(result);
}

Datum
vector_send(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	enlargeStringInfo(&buf, (int) VECTOR_SIZE(v->dim));
	pq_sendint16(&buf, (uint16) v->dim);
	pq_sendint16(&buf, (uint16) v->unused);
	for (int i = 0; i < v->dim; i++)
		pq_sendfloat4(&buf, v->x[i]);

	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
