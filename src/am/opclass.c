/*-------------------------------------------------------------------------
 *
 * opclass.c
 *	  What the operator classes tell the access method.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "fmgr.h"
#include "types/vector.h"

StaticAssertDecl(VECAM_MAX_DIMS == VECTOR_MAX_DIM,
				 "every vector can be indexed");

static const float *
vector_components(Datum value, int *dims)
{
	Vector	   *v = DatumGetVector(value);

	*dims = v->dim;
	return v->x;
}

static const VecamOpclass vector_l2_opclass = {
	VECAM_METRIC_L2, vector_components
};
static const VecamOpclass vector_ip_opclass = {
	VECAM_METRIC_IP, vector_components
};
static const VecamOpclass vector_cosine_opclass = {
	VECAM_METRIC_COSINE, vector_components
};

PG_FUNCTION_INFO_V1(vecam_vector_l2_support);
PG_FUNCTION_INFO_V1(vecam_vector_ip_support);
PG_FUNCTION_INFO_V1(vecam_vector_cosine_support);

Datum
vecam_vector_l2_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_l2_opclass);
}

Datum
vecam_vector_ip_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_ip_opclass);
}

Datum
vecam_vector_cosine_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_cosine_opclass);
}

/*
 * The operator class of an index.
 */
const VecamOpclass *
vecam_opclass(Relation index)
{
	FmgrInfo   *proc = index_getprocinfo(index, 1, VECAM_SUPPORT_PROC);

	return (const VecamOpclass *)
		DatumGetPointer(FunctionCall1(proc, PointerGetDatum(NULL)));
}

/*
 * The components of a row's value, which must have the index's dimensions.
 * May allocate in the current memory context.
 */
const float *
vecam_checked_components(const VecamOpclass *opclass, Datum value, int dims)
{
	int			value_dims;
	const float *x = opclass->components(value, &value_dims);

	if (value_dims != dims)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", dims, value_dims)));
	return x;
}

/*
 * Open the index, which must have been built for this operator class's metric.
 */
VecamIndex *
vecam_checked_index(Relation index, const VecamOpclass *opclass)
{
	VecamIndex *ix = vecam_index_open(index);

	if (ix->meta.metric != opclass->metric)
		vecam_corrupt(index, VECAM_META_BLKNO, "metric %u, not %d",
					  ix->meta.metric, opclass->metric);
	return ix;
}
