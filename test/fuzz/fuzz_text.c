/*-------------------------------------------------------------------------
 *
 * fuzz_text.c
 *	  Text input of the vector type.
 *
 * What is accepted must be a vector, and must come back from its own output.
 * The first byte of an input chooses the type modifier.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "input.h"
#include "types/parse_float.h"

typedef struct Call
{
	char	   *text;
	int32		typmod;
} Call;

static void
call_input(void *arg)
{
	Call	   *call = arg;
	Vector	   *v = input_vector(vector_in, CStringGetDatum(call->text),
								 call->typmod);
	char	   *out = DatumGetCString(DirectFunctionCall1(vector_out,
														  PointerGetDatum(v)));
	Vector	   *again = input_vector(vector_in, CStringGetDatum(out), -1);

	input_check(v, call->typmod);
	if (VARSIZE(v) != VARSIZE(again) || memcmp(v, again, VARSIZE(v)) != 0)
		server_finding("another vector comes back from %s", out);
}

/* The fast path must agree with strtof. */
static void
check_number(const char *s)
{
	const char *end;
	char	   *want_end;
	bool		overflow;
	float		got = vecam_parse_float(s, &end, &overflow);
	float		want = strtof(s, &want_end);

	if (end != want_end ||
		(memcmp(&got, &want, sizeof(float)) != 0 && !isnan(want)))
		server_finding("%s is %.9g, not %.9g", s, got, want);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static const int32 typmods[] = {-1, -1, 1, 3, 300};
	Call		call;

	if (size < 1)
		return -1;
	call.typmod = typmods[data[0] % lengthof(typmods)];
	call.text = malloc(size);
	memcpy(call.text, data + 1, size - 1);
	call.text[size - 1] = '\0';
	check_number(call.text);
	if (!server_try(call_input, &call))
		input_check_error();
	free(call.text);
	return 0;
}
