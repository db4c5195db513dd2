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
#include "access/table.h"
#include "access/xlog.h"
#include "admin/admin.h"
#include "am/am.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "compat.h"
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

/*
 * Open an index for maintenance: the owner's right, not during recovery.  The
 * table and the index are locked as VACUUM locks them.
 */
Relation
vecam_admin_open_for_maintenance(Oid index_oid, Relation *table)
{
	Oid			table_oid = IndexGetRelation(index_oid, true);
	Relation	index;

	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recovery is in progress"),
				 errhint("Index maintenance cannot be done during recovery.")));

	*table = OidIsValid(table_oid) ?
		table_open(table_oid, ShareUpdateExclusiveLock) : NULL;
	index = relation_open(index_oid, RowExclusiveLock);
	check_is_vecam(index);
	if (!vecam_is_owner(index_oid))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX,
					   RelationGetRelationName(index));
	if (*table == NULL || (*table)->rd_id != IndexGetRelation(index_oid, false))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("could not open parent table of index \"%s\"",
						RelationGetRelationName(index))));
	return index;
}

void
vecam_admin_close_after_maintenance(Relation index, Relation table)
{
	relation_close(index, RowExclusiveLock);
	table_close(table, ShareUpdateExclusiveLock);
}
