/*-------------------------------------------------------------------------
 *
 * vector.h
 *	  The vector type: a varlena of float4 components, in pgvector's format.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_VECTOR_H
#define VECAM_VECTOR_H

#include "fmgr.h"

#define VECTOR_MAX_DIM 16000

typedef struct Vector
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int16		dim;			/* number of components, 1 .. VECTOR_MAX_DIM */
	int16		unused;			/* always zero */
	float		x[FLEXIBLE_ARRAY_MEMBER];
} Vector;

StaticAssertDecl(sizeof(Vector) == 8, "Vector is on disk");

#define VECTOR_SIZE(dim) (offsetof(Vector, x) + sizeof(float) * (Size) (dim))

#define DatumGetVector(d)		((Vector *) PG_DETOAST_DATUM(d))
#define PG_GETARG_VECTOR_P(n)	DatumGetVector(PG_GETARG_DATUM(n))
#define PG_RETURN_VECTOR_P(v)	PG_RETURN_POINTER(v)

/* vector.c */
extern Vector *vecam_vector_alloc(int dim);
extern void vecam_check_dim(int dim);
extern void vecam_check_expected_dim(int32 typmod, int dim);
extern void vecam_check_same_dims(const Vector *a, const Vector *b);
extern void vecam_check_element(float value);

/* the same with soft errors: false when escontext took one */
extern bool vecam_dim_is_valid(int dim, struct Node *escontext);
extern bool vecam_dim_is_expected(int32 typmod, int dim,
								  struct Node *escontext);
extern bool vecam_element_is_valid(float value, struct Node *escontext);

#endif							/* VECAM_VECTOR_H */
