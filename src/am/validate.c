/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  amvalidate and amproperty
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "am/am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

/* Complain about an operator class; amvalidate goes on after that. */
static bool
complain(const char *opclass, const char *what, const char *object)
{
	ereport(INFO,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("operator class \"%s\" of access method %s %s: %s",
					opclass, "vecam", what, object)));
	return false;
}

/* Each support function must be number 1, (internal) returns internal. */
static bool
validate_functions(const char *opclass, Oid family, Oid type)
{
	CatCList   *list = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(family));
	bool		result = true;
	bool		found = false;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_amproc form = (Form_pg_amproc)
			GETSTRUCT(&list->members[i]->tuple);

		if (form->amprocnum != VECAM_SUPPORT_PROC)
			result = complain(opclass, "has a support function of invalid number",
							  format_procedure(form->amproc));
		else if (!check_amproc_signature(form->amproc, INTERNALOID, true,
										 1, 1, INTERNALOID))
			result = complain(opclass, "has a support function of wrong signature",
							  format_procedure(form->amproc));
		if (form->amproclefttype == type && form->amprocrighttype == type)
			found = true;
	}
	ReleaseCatCacheList(list);
	if (!found)
		result = complain(opclass, "lacks support function 1 for type",
						  format_type_be(type));
	return result;
}

/* Each operator must be number 1, for ordering by a float8. */
static bool
validate_operators(const char *opclass, Oid family, Oid type)
{
	CatCList   *list = SearchSysCacheList1(AMOPSTRATEGY,
										   ObjectIdGetDatum(family));
	bool		result = true;
	bool		found = false;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_amop form = (Form_pg_amop)
			GETSTRUCT(&list->members[i]->tuple);
		const char *name = format_operator(form->amopopr);

		if (form->amopstrategy != VECAM_STRATEGY_DISTANCE)
			result = complain(opclass, "has an operator of invalid strategy", name);
		else if (form->amoppurpose != AMOP_ORDER)
			result = complain(opclass, "has an operator that is not for ordering",
							  name);
		else if (get_op_rettype(form->amopopr) != FLOAT8OID ||
				 !opfamily_can_sort_type(form->amopsortfamily, FLOAT8OID))
			result = complain(opclass, "has an operator that does not order by double precision",
							  name);
		else if (!check_amop_signature(form->amopopr, FLOAT8OID,
									   form->amoplefttype,
									   form->amoprighttype))
			result = complain(opclass, "has an operator of wrong signature", name);
		if (form->amoplefttype == type && form->amoprighttype == type)
			found = true;
	}
	ReleaseCatCacheList(list);
	if (!found)
		result = complain(opclass, "lacks an ordering operator for type",
						  format_type_be(type));
	return result;
}

/*
 * amvalidate: is the operator class what the access method needs?
 */
bool
vecam_validate(Oid opclassoid)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclassoid));
	Form_pg_opclass form;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclassoid);
	form = (Form_pg_opclass) GETSTRUCT(tuple);

	result = validate_functions(NameStr(form->opcname), form->opcfamily,
								form->opcintype);
	if (!validate_operators(NameStr(form->opcname), form->opcfamily,
							form->opcintype))
		result = false;

	ReleaseSysCache(tuple);
	return result;
}

/*
 * amproperty: the column can be ordered by distance; the rest follows from the
 * flags of the handler.
 */
bool
vecam_property(Oid index_oid, int attno, IndexAMProperty prop,
			   const char *propname, bool *res, bool *isnull)
{
	if (prop != AMPROP_DISTANCE_ORDERABLE || attno == 0)
		return false;
	*res = true;
	return true;
}
