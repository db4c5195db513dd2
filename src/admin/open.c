/*-------------------------------------------------------------------------
 *
 * open.c
 *	  Opening an index for the SQL functions that look at it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "admin/admin.h"
#include "am/am.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static void
check_is_vecam(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_INDEX ||
		rel->rd_indam->ambuild != vecam_build)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a vecam index",
						RelationGetRelationName(rel)),
				 rel->rd_rel->relkind == RELKIND_PARTITIONED_INDEX ?
				 errhint("Name the index of a partition.") : 0));
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
}

/*
 * Open an index of this access method for reading, under an access share lock,
 * on behalf of somebody who may read its table.
 */
Relation
vecam_admin_open(Oid index_oid)
{
	Relation	rel = relation_open(index_oid, AccessShareLock);
	Oid			table;

	check_is_vecam(rel);
	table = rel->rd_index->indrelid;
	if (pg_class_aclcheck(table, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(table));
	return rel;
}

void
vecam_admin_close(Relation index)
{
	relation_close(index, AccessShareLock);
}
