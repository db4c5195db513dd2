/*-------------------------------------------------------------------------
 *
 * result.c
 *	  Results of the SQL functions: one row, or a set of rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "admin/admin.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

/* The function's row type, which must have so many columns. */
static TupleDesc
result_desc(FunctionCallInfo fcinfo, int ncolumns)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (desc->natts != ncolumns)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function \"%s\" has %d columns, but this library returns %d",
						get_func_name(fcinfo->flinfo->fn_oid), desc->natts,
						ncolumns),
				 errhint("Run ALTER EXTENSION vecam UPDATE.")));
	return desc;
}

/*
 * The values, of which none is null, as the function's result row.
 */
Datum
vecam_admin_make_row(FunctionCallInfo fcinfo, Datum *values, int nvalues)
{
	TupleDesc	desc = BlessTupleDesc(result_desc(fcinfo, nvalues));
	bool	   *nulls = palloc0(sizeof(bool) * nvalues);

	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/*
 * Let the function's result be what is put into the tuplestore, rows of the
 * given description.
 */
Tuplestorestate *
vecam_admin_start_rows(FunctionCallInfo fcinfo, int ncolumns, TupleDesc *desc)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (info == NULL || !IsA(info, ReturnSetInfo) ||
		(info->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));

	old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	info->setDesc = CreateTupleDescCopy(result_desc(fcinfo, ncolumns));
	info->setResult = tuplestore_begin_heap((info->allowedModes &
											 SFRM_Materialize_Random) != 0,
											false, work_mem);
	info->returnMode = SFRM_Materialize;
	MemoryContextSwitchTo(old);
	*desc = info->setDesc;
	return info->setResult;
}
