/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between PostgreSQL versions; PG_VERSION_NUM stands nowhere
 *	  else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_COMPAT_H
#define VECAM_COMPAT_H

#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/relscan.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/rel.h"

#if PG_VERSION_NUM >= 150000
#include "access/xlogrecovery.h"
#else
#include "access/xlog.h"
#endif

#if PG_VERSION_NUM >= 140000
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 130000
#error "vecam needs PostgreSQL 13 or later"
#endif

/*
 * Extend the relation by one page; returns it exclusively locked.  The lock
 * is taken before anybody else can see the page: VACUUM would otherwise take
 * it for a page that a crash has left, and offer it to other inserters.
 */
static inline Buffer
vecam_extend_relation(Relation index)
{
#if PG_VERSION_NUM >= 160000
	return ExtendBufferedRel(BMR_REL(index), MAIN_FORKNUM, NULL, EB_LOCK_FIRST);
#else
	bool		need_lock = !RELATION_IS_LOCAL(index);
	Buffer		buf;

	if (need_lock)
		LockRelationForExtension(index, ExclusiveLock);
	buf = ReadBufferExtended(index, MAIN_FORKNUM, P_NEW, RBM_ZERO_AND_LOCK,
							 NULL);
	if (need_lock)
		UnlockRelationForExtension(index, ExclusiveLock);
	return buf;
#endif
}

/*
 * Add the first page to the init fork of an unlogged index; returns it
 * exclusively locked.
 */
static inline Buffer
vecam_extend_init_fork(Relation index)
{
#if PG_VERSION_NUM >= 160000
	return ExtendBufferedRel(BMR_REL(index), INIT_FORKNUM, NULL,
							 EB_LOCK_FIRST | EB_SKIP_EXTENSION_LOCK);
#else
	Buffer		buf = ReadBufferExtended(index, INIT_FORKNUM, P_NEW,
										 RBM_NORMAL, NULL);

	LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
	return buf;
#endif
}

/* Lock a tuple if that is free. */
static inline bool
vecam_conditional_lock_tuple(Relation rel, ItemPointer tid, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 180000
	return ConditionalLockTuple(rel, tid, mode, false);
#else
	return ConditionalLockTuple(rel, tid, mode);
#endif
}

static inline void
vecam_vacuum_delay_point(void)
{
#if PG_VERSION_NUM >= 180000
	vacuum_delay_point(false);
#else
	vacuum_delay_point();
#endif
}

/* What names a relation's file. */
#if PG_VERSION_NUM >= 160000
typedef RelFileLocator VecamFileLocator;
#define vecam_file_locator(rel) ((rel)->rd_locator)
#else
typedef RelFileNode VecamFileLocator;
#define vecam_file_locator(rel) ((rel)->rd_node)
#endif

/* Has this transaction made the relation, or its present file? */
static inline bool
vecam_is_new_file(Relation rel)
{
#if PG_VERSION_NUM >= 160000
	return rel->rd_createSubid != InvalidSubTransactionId ||
		rel->rd_newRelfilelocatorSubid != InvalidSubTransactionId;
#else
	return rel->rd_createSubid != InvalidSubTransactionId ||
		rel->rd_newRelfilenodeSubid != InvalidSubTransactionId;
#endif
}

/*
 * Pin a page of the main fork if it is in this buffer, as far as the release
 * can tell without a search.  Counts as a hit.
 */
static inline bool
vecam_read_recent_buffer(Relation rel, BlockNumber blkno, Buffer buf)
{
	bool		found = false;

#if PG_VERSION_NUM >= 140000
	found = ReadRecentBuffer(vecam_file_locator(rel), MAIN_FORKNUM, blkno, buf);
#endif
	if (found)
	{
		pgstat_count_buffer_read(rel);
		pgstat_count_buffer_hit(rel);
	}
	return found;
}

/* A named place where a test can hold a session up, if the server has them. */
#if PG_VERSION_NUM >= 180000 && defined(USE_INJECTION_POINTS)
#include "utils/injection_point.h"
#define vecam_injection_point(name) INJECTION_POINT(name, NULL)
#elif PG_VERSION_NUM >= 170000 && defined(USE_INJECTION_POINTS)
#include "utils/injection_point.h"
#define vecam_injection_point(name) INJECTION_POINT(name)
#else
#define vecam_injection_point(name) ((void) 0)
#endif

/* Ask the CPU to load the cache line of an address. */
#if defined(__GNUC__)
#define vecam_prefetch_memory(p) __builtin_prefetch(p)
#else
#define vecam_prefetch_memory(p) ((void) (p))
#endif

/* IndexBulkDeleteResult's counter of pages freed by this VACUUM. */
static inline void
vecam_count_deleted_page(IndexBulkDeleteResult *stats)
{
#if PG_VERSION_NUM >= 140000
	stats->pages_newly_deleted++;
#endif
	stats->pages_deleted++;
}

/* aminsert's argument "the UPDATE did not change the indexed columns" */
#if PG_VERSION_NUM >= 140000
#define VECAM_INSERT_UNCHANGED_ARG bool index_unchanged,
#else
#define VECAM_INSERT_UNCHANGED_ARG
#endif

/* One more descent of the index, for EXPLAIN. */
static inline void
vecam_count_search(IndexScanDesc scan)
{
	pgstat_count_index_scan(scan->indexRelation);
#if PG_VERSION_NUM >= 180000
	if (scan->instrument)
		scan->instrument->nsearches++;
#endif
}

/* REINDEX INDEX, with its progress reported. */
static inline void
vecam_reindex(Oid index, char persistence)
{
#if PG_VERSION_NUM >= 140000
	ReindexParams params = {.options = REINDEXOPT_REPORT_PROGRESS};
#endif

#if PG_VERSION_NUM >= 170000
	reindex_index(NULL, index, false, persistence, &params);
#elif PG_VERSION_NUM >= 140000
	reindex_index(index, false, persistence, &params);
#else
	reindex_index(index, false, persistence, REINDEXOPT_REPORT_PROGRESS);
#endif
}

/* Does the current user own the relation? */
static inline bool
vecam_is_owner(Oid relation)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relation, GetUserId());
#else
	return pg_class_ownercheck(relation, GetUserId());
#endif
}

/* Let what runs as another user see the system's schemas only. */
static inline void
vecam_restrict_search_path(void)
{
#if PG_VERSION_NUM >= 170000
	RestrictSearchPath();
#endif
}

/* Memory for what a setting's check hook hands to its assign hook. */
static inline void *
vecam_guc_alloc(Size size)
{
#if PG_VERSION_NUM >= 160000
	return guc_malloc(LOG, size);
#else
	return malloc(size);
#endif
}

#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* Before 16 an input function has no soft errors: each is a hard one. */
#ifndef ereturn
#define ereturn(escontext, dummy_value, ...) \
	do { \
		(void) (escontext); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

#endif							/* VECAM_COMPAT_H */
