/*-------------------------------------------------------------------------
 *
 * input.h
 *	  What the fuzzers of the type's input functions share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_FUZZ_INPUT_H
#define VECAM_FUZZ_INPUT_H

#include <math.h>

#include "fmgr.h"
#include "types/vector.h"

extern Datum vector_in(PG_FUNCTION_ARGS);
extern Datum vector_out(PG_FUNCTION_ARGS);
extern Datum vector_recv(PG_FUNCTION_ARGS);
extern Datum vector_send(PG_FUNCTION_ARGS);

extern Vector *input_vector(PGFunction function, Datum value, int32 typmod);
extern void input_check(const Vector *v, int32 typmod);
extern void input_check_error(void);

#endif							/* VECAM_FUZZ_INPUT_H */
