/*-------------------------------------------------------------------------
 *
 * fuzz_binary.c
 *	  Binary input of the vector type.
 *
 * What is accepted must be a vector, and its output the bytes that were read.
 * The first byte of an input chooses the type modifier.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "input.h"
#include "lib/stringinfo.h"

typedef struct Call
{
	StringInfoData message;
	int32		typmod;
} Call;

static void
call_input(void *arg)
{
	Call	   *call = arg;
	Vector	   *v = input_vector(vector_recv, PointerGetDatum(&call->message),
								 call->typmod);
	bytea	   *out = DatumGetByteaP(DirectFunctionCall1(vector_send,
														 PointerGetDatum(v)));

	input_check(v, call->typmod);
	if (VARSIZE_ANY_EXHDR(out) != call->message.cursor ||
		memcmp(VARDATA_ANY(out), call->message.data, call->message.cursor) != 0)
		server_finding("other bytes come back");
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static const int32 typmods[] = {-1, -1, 1, 3, 300};
	Call		call;

	if (size < 1)
		return -1;
	call.typmod = typmods[data[0] % lengthof(typmods)];
	call.message.data = malloc(size - 1);
	memcpy(call.message.data, data + 1, size - 1);
	call.message.len = size - 1;
	call.message.maxlen = size - 1;
	call.message.cursor = 0;
	if (!server_try(call_input, &call))
		input_check_error();
	free(call.message.data);
	return 0;
}
