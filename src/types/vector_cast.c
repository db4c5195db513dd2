/*-------------------------------------------------------------------------
 *
 * vector_cast.c
 *	  Casts between vector and arrays, and to vector(n).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "types/vector.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(vector);
PG_FUNCTION_INFO_V1(array_to_vector);
PG_FUNCTION_INFO_V1(vector_to_float4);

/*
 * Checks the type modifier; the value stays as it is.
 */
Datum
vector(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);

	vecam_check_expected_dim(PG_GETARG_INT32(1), v->dim);

	PG_RETURN_VECTOR_P(v);
}

/* Converts the dim numeric elements of an array without nulls. */
static void
convert_numerics(ArrayType *array, int dim, float *x)
{
	Datum	   *elems;
	int			nelems;

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT,
					  &elems, NULL, &nelems);
	Assert(nelems == dim);
	for (int i = 0; i < nelems; i++)
		x[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4, elems[i]));
	pfree(elems);
}

/*
 * Converts the dim elements of an array without nulls, whose fixed-size
 * elements therefore lie side by side.  What is not a float4 is rounded to
 * the nearest one, infinite when it is out of range.
 */
static void
convert_elements(ArrayType *array, int dim, float *x)
{
	const char *data = (const char *) array +
		(ARR_HASNULL(array) ? (Size) array->dataoffset :
		 ARR_OVERHEAD_NONULLS(ARR_NDIM(array)));

	switch (ARR_ELEMTYPE(array))
	{
		case INT4OID:
			for (int i = 0; i < dim; i++)
				x[i] = (float) ((const int32 *) data)[i];
			break;
		case FLOAT4OID:
			memcpy(x, data, sizeof(float4) * (Size) dim);
			break;
		case FLOAT8OID:
			for (int i = 0; i < dim; i++)
				x[i] = (float) ((const float8 *) data)[i];
			break;
		case NUMERICOID:
			convert_numerics(array, dim, x);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("unsupported array type")));
	}
}

Datum
array_to_vector(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int32		typmod = PG_GETARG_INT32(1);
	int			dim;
	Vector	   *result;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D")));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));

	dim = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	vecam_check_dim(dim);
	vecam_check_expected_dim(typmod, dim);

	result = vecam_vector_alloc(dim);
	convert_elements(array, dim, result->x);
	for (int i = 0; i < dim; i++)
		vecam_check_element(result->x[i]);

	PG_RETURN_VECTOR_P(result);
}

Datum
vector_to_float4(PG_FUNCTION_ARGS)
{
	Vector	   *v = PG_GETARG_VECTOR_P(0);
	Size		overhead = ARR_OVERHEAD_NONULLS(1);
	Size		size = overhead + sizeof(float4) * (Size) v->dim;
	ArrayType  *result = (ArrayType *) palloc0(size);

	SET_VARSIZE(result, size);
	result->ndim = 1;
	result->dataoffset = 0;		/* no nulls */
	result->elemtype = FLOAT4OID;
	ARR_DIMS(result)[0] = v->dim;
	ARR_LBOUND(result)[0] = 1;
	memcpy((char *) result + overhead, v->x,
		   sizeof(float4) * (Size) v->dim);

	PG_RETURN_ARRAYTYPE_P(result);
}
