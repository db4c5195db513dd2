/*-------------------------------------------------------------------------
 *
 * input.c
 *	  What the fuzzers of the type's input functions share, and as much of a
 *	  server as these functions need.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "input.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/float.h"

/* Call an input function. */
Vector *
input_vector(PGFunction function, Datum value, int32 typmod)
{
	return (Vector *) DatumGetPointer(DirectFunctionCall3Coll(function, 0, value,
															  ObjectIdGetDatum(0),
															  Int32GetDatum(typmod)));
}

/* A vector must be one. */
void
input_check(const Vector *v, int32 typmod)
{
	if (v->dim < 1 || v->dim > VECTOR_MAX_DIM || v->unused != 0 ||
		VARSIZE(v) != VECTOR_SIZE(v->dim) || (typmod > 0 && v->dim != typmod))
		server_finding("%d dimensions in %d bytes", v->dim, (int) VARSIZE(v));
	for (int i = 0; i < v->dim; i++)
	{
		if (!isfinite(v->x[i]))
			server_finding("component %d is not finite", i);
	}
}

/* An error must tell of the input. */
void
input_check_error(void)
{
	switch (server_errcode)
	{
		case ERRCODE_INVALID_TEXT_REPRESENTATION:
		case ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_PROTOCOL_VIOLATION:
			break;
		default:
			server_finding("error: %s", server_message);
	}
}

Datum
DirectFunctionCall1Coll(PGFunction function, Oid collation, Datum arg)
{
	LOCAL_FCINFO(fcinfo, 1);

	InitFunctionCallInfoData(*fcinfo, NULL, 1, collation, NULL, NULL);
	fcinfo->args[0].value = arg;
	fcinfo->args[0].isnull = false;
	return function(fcinfo);
}

Datum
DirectFunctionCall3Coll(PGFunction function, Oid collation, Datum arg1,
						Datum arg2, Datum arg3)
{
	LOCAL_FCINFO(fcinfo, 3);

	InitFunctionCallInfoData(*fcinfo, NULL, 3, collation, NULL, NULL);
	fcinfo->args[0].value = arg1;
	fcinfo->args[1].value = arg2;
	fcinfo->args[2].value = arg3;
	for (int i = 0; i < 3; i++)
		fcinfo->args[i].isnull = false;
	return function(fcinfo);
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	return datum;
}

void
float_overflow_error(void)
{
	server_finding("arithmetic in an input function");
}

void
float_underflow_error(void)
{
	server_finding("arithmetic in an input function");
}

int32 *
ArrayGetIntegerTypmods(ArrayType *array, int *n)
{
	server_finding("type modifiers in an input function");
}

int
pg_mbcliplen(const char *s, int len, int limit)
{
	return Min(len, limit);
}

/* A message ends where it ends. */
static void
read_message(StringInfo message, void *data, int n)
{
	if (message->len - message->cursor < n)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("insufficient data left in message")));
	memcpy(data, message->data + message->cursor, n);
	message->cursor += n;
}

unsigned int
pq_getmsgint(StringInfo message, int n)
{
	uint16		value;

	Assert(n == sizeof(value));
	read_message(message, &value, n);
	return pg_ntoh16(value);
}

float4
pq_getmsgfloat4(StringInfo message)
{
	uint32		bits;
	float4		value;

	read_message(message, &bits, sizeof(bits));
	bits = pg_ntoh32(bits);
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Output goes into a buffer that is large enough for any vector. */
void
pq_begintypsend(StringInfo buf)
{
	buf->maxlen = VECTOR_SIZE(VECTOR_MAX_DIM) + VARHDRSZ;
	buf->data = palloc(buf->maxlen);
	buf->len = VARHDRSZ;
	buf->cursor = 0;
}

void
enlargeStringInfo(StringInfo buf, int needed)
{
	if (buf->len + needed > buf->maxlen)
		server_finding("output of %d bytes", buf->len + needed);
}

void
pq_sendfloat4(StringInfo buf, float4 value)
{
	uint32		bits;

	memcpy(&bits, &value, sizeof(bits));
	pq_sendint32(buf, bits);
}

bytea *
pq_endtypsend(StringInfo buf)
{
	SET_VARSIZE(buf->data, buf->len);
	return (bytea *) buf->data;
}
