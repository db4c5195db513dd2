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
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/guc.h"
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
	if (RecoveryInProgress() &&
		rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access unlogged index \"%s\" during recovery",
						RelationGetRelationName(rel))));
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

/* Lock a table; an error if that takes waiting. */
static void
lock_nowait(Oid table_oid, LOCKMODE lockmode)
{
	if (!ConditionalLockRelationOid(table_oid, lockmode))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("table \"%s\" is in use by VACUUM or other maintenance",
						get_rel_name(table_oid))));
}

/* Open an index and its table for their owner. */
static Relation
open_owned(Oid index_oid, LOCKMODE index_lock, Relation *table,
		   LOCKMODE table_lock, bool nowait)
{
	Oid			table_oid = IndexGetRelation(index_oid, true);
	Relation	index;

	if (nowait && OidIsValid(table_oid))
		lock_nowait(table_oid, table_lock);
	*table = OidIsValid(table_oid) ? table_open(table_oid, table_lock) : NULL;
	index = relation_open(index_oid, index_lock);
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

/*
 * Open an index for maintenance: the owner's right, not during recovery.  The
 * table and the index are locked as VACUUM locks them; with `nowait` it is an
 * error if that is not possible at once.
 */
Relation
vecam_admin_open_for_maintenance(Oid index_oid, Relation *table, bool nowait)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recovery is in progress"),
				 errhint("Index maintenance cannot be done during recovery.")));

	return open_owned(index_oid, RowExclusiveLock, table,
					  ShareUpdateExclusiveLock, nowait);
}

void
vecam_admin_close_after_maintenance(Relation index, Relation table)
{
	relation_close(index, RowExclusiveLock);
	table_close(table, ShareUpdateExclusiveLock);
}

static LOCKMODE
check_lock(bool recovery)
{
	return recovery ? AccessShareLock : ShareUpdateExclusiveLock;
}

/*
 * Open an index for a check: the owner's right.  VACUUM is kept out, except
 * during recovery, where such a lock cannot be had.
 */
Relation
vecam_admin_open_for_check(Oid index_oid, bool recovery, Relation *table)
{
	return open_owned(index_oid, AccessShareLock, table, check_lock(recovery), false);
}

void
vecam_admin_close_after_check(Relation index, bool recovery, Relation table)
{
	relation_close(index, AccessShareLock);
	table_close(table, check_lock(recovery));
}

/*
 * Open an index for its owner to build it anew, under the locks of REINDEX,
 * which stay to the end of the transaction.
 */
Relation
vecam_admin_open_for_rebuild(Oid index_oid, Relation *table)
{
	return open_owned(index_oid, AccessExclusiveLock, table, ShareLock, false);
}

/*
 * Become the table's owner in a security-restricted context, as VACUUM does,
 * since the index may have functions of others.
 */
void
vecam_admin_become_owner(VecamUserContext *saved, Relation table)
{
	GetUserIdAndSecContext(&saved->user, &saved->flags);
	SetUserIdAndSecContext(table->rd_rel->relowner,
						   saved->flags | SECURITY_RESTRICTED_OPERATION);
	saved->nest_level = NewGUCNestLevel();
	vecam_restrict_search_path();
}

void
vecam_admin_restore_user(VecamUserContext *saved)
{
	AtEOXact_GUC(false, saved->nest_level);
	SetUserIdAndSecContext(saved->user, saved->flags);
}
