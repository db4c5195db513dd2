/*-------------------------------------------------------------------------
 *
 * unit.h
 *	  A small checker for programs that test src/math without a server.
 *
 * A program runs named cases; a case passes if none of its checks failed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_UNIT_H
#define VECAM_UNIT_H

#include "c.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* c.h turns these into the server's own, which are not linked here */
#undef printf
#undef fprintf
#undef snprintf
#undef vprintf
#undef vsnprintf

#include "math/kernels.h"

/* Begin a case; prints nothing unless it fails. */
extern void unit_case(const char *format,...)
			__attribute__((format(printf, 1, 2)));

/* One check of the current case; the message is printed for the first few. */
extern void unit_check(bool ok, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/* Print "N passed, N failed"; returns the exit code. */
extern int	unit_finish(void);

/* Deterministic random numbers. */
extern void unit_seed(uint64 seed);
extern uint64 unit_random(void);
extern double unit_uniform(void);	/* [0, 1) */
extern double unit_normal(void);
extern int	unit_range(int first, int last);

extern void unit_normal_vector(int n, float *x, double scale);

/*
 * size bytes that end where an unreadable page begins, so that reading past
 * them crashes.  The memory holds garbage.  Freed all together.
 */
extern void *unit_guarded(size_t size);
extern void unit_free_guarded(void);

/* Stops the program if there is no memory. */
extern void *unit_alloc(size_t size);

/* The levels this CPU can run, scalar first; says which are left out. */
extern int	unit_levels(VecamSimdLevel *levels);

/* FNV-1a, for results that must be the same on every machine */
extern uint64 unit_hash(uint64 hash, const void *data, size_t size);
#define UNIT_HASH_START UINT64CONST(0xCBF29CE484222325)

/*
 * A file of the test data in u8bin format as n rows of dims floats; NULL, with
 * a message, if it is not there.
 */
extern float *unit_load_u8bin(const char *folder, const char *name,
							  int *n, int *dims);

#endif							/* VECAM_UNIT_H */
