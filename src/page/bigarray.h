/*-------------------------------------------------------------------------
 *
 * bigarray.h
 *	  Arrays that may be larger than the memory they may take.
 *
 * Maintenance notes something about each page or node of an index.  As long as
 * such an array fits it is one piece of memory; else only the parts used last
 * are, and the others are in a temporary file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_BIGARRAY_H
#define VECAM_BIGARRAY_H

#include "postgres.h"

typedef struct VecamBigArray VecamBigArray;

struct VecamBigArray
{
	char	   *whole;			/* all of it, or NULL */
	Size		element_size;
	struct VecamBigArrayParts *parts;	/* if there is no `whole` */
};

/* bigarray.c */
extern Size vecam_maintenance_memory(void);
extern VecamBigArray *vecam_bigarray_create(Size n, Size element_size,
											Size memory);
extern void *vecam_bigarray_load(VecamBigArray *array, Size i);
extern void vecam_bigarray_free(VecamBigArray *array);

/*
 * Element i, which may be changed.  The pointer is good until another element of
 * the array is asked for.
 */
static inline void *
vecam_bigarray_at(VecamBigArray *array, Size i)
{
	if (likely(array->whole))
		return array->whole + i * array->element_size;
	return vecam_bigarray_load(array, i);
}

#endif							/* VECAM_BIGARRAY_H */
