/*-------------------------------------------------------------------------
 *
 * parse_float.h
 *	  Decimal text to float4, faster than strtof and with its results.
 *
 * Depends on c.h alone, so that it can be timed and fuzzed outside a server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_PARSE_FLOAT_H
#define VECAM_PARSE_FLOAT_H

#include "c.h"

/* parse_float.c */
extern float vecam_parse_float(const char *s, const char **end,
							   bool *overflow);

#endif							/* VECAM_PARSE_FLOAT_H */
