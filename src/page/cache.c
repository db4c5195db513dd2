/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  What a backend keeps of an index between operations.
 *
 * The relation cache's rd_amcache is one chunk that may be freed whenever an
 * invalidation is processed, so that every operation would have to copy it.
 * This cache is the extension's own: an operation that points to an entry
 * counts as its user until the memory context it runs in goes away, whether
 * that is by success or by error.
 *
 * An entry is found by the relation's file, so REINDEX and TRUNCATE begin a
 * new one, and old ones fall out as the least recently used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "page/cache.h"
#include "storage/bufmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Entries and bytes that a backend may keep. */
#define MAX_ENTRIES 64
#define MAX_BYTES (16 * 1024 * 1024)

/* Blocks whose buffers are remembered: a megabyte, for 2 GB of an index. */
#define MAX_RECENT (256 * 1024)
#define MIN_RECENT 256

/*
 * Every so many reads go through the buffer table, because a pin by buffer
 * number does not count as a use there before PostgreSQL 17, and pages in
 * constant use must not look unused.
 */
#define COUNTED_READ 8

typedef struct KeyEntry
{
	VecamFileLocator key;
	VecamIndexCache *cache;
} KeyEntry;

static HTAB *table = NULL;
static dlist_head lru_list = DLIST_STATIC_INIT(lru_list);

/* Truncation invalidates the relation: ask for its length again. */
static void
invalidate(Datum arg, Oid relid)
{
	dlist_iter	iter;

	dlist_foreach(iter, &lru_list)
	{
		VecamIndexCache *cache = dlist_container(VecamIndexCache, lru,
												 iter.cur);

		if (relid == InvalidOid || cache->relid == relid)
			cache->nblocks = 0;
	}
}

static void
create_table(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(VecamFileLocator);
	ctl.entrysize = sizeof(KeyEntry);
	ctl.hcxt = TopMemoryContext;
	table = hash_create("vecam indexes", MAX_ENTRIES, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
}

/* Take the entry out; its memory goes with its last user. */
static void
unlist(VecamIndexCache *cache)
{
	hash_search(table, &cache->key, HASH_REMOVE, NULL);
	dlist_delete(&cache->lru);
	cache->listed = false;
	if (cache->nusers == 0)
		MemoryContextDelete(cache->context);
}

/*
 * The entry of the index's present file, or NULL.
 */
VecamIndexCache *
vecam_cache_find(Relation index)
{
	VecamFileLocator key = vecam_file_locator(index);
	KeyEntry   *entry;

	if (table == NULL)
		return NULL;
	entry = hash_search(table, &key, HASH_FIND, NULL);
	if (entry == NULL)
		return NULL;
	dlist_move_head(&lru_list, &entry->cache->lru);
	return entry->cache;
}

/* Let the least recently used ones go while there are too many. */
static void
make_room(void)
{
	Size		bytes = 0;
	int			n = 0;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &lru_list)
	{
		VecamIndexCache *cache = dlist_container(VecamIndexCache, lru,
												 iter.cur);

		bytes += MemoryContextMemAllocated(cache->context, true);
		if (++n > 1 && (n > MAX_ENTRIES || bytes > MAX_BYTES))
			unlist(cache);
	}
}

/*
 * A new, empty entry for the index, in place of the one it may have.
 */
VecamIndexCache *
vecam_cache_create(Relation index)
{
	MemoryContext context;
	VecamIndexCache *cache;
	KeyEntry   *entry;

	vecam_cache_forget(index);
	if (table == NULL)
		create_table();
	make_room();
	context = AllocSetContextCreate(TopMemoryContext, "vecam index",
									ALLOCSET_SMALL_SIZES);
	cache = MemoryContextAllocZero(context, sizeof(VecamIndexCache));
	cache->key = vecam_file_locator(index);
	cache->relid = RelationGetRelid(index);
	cache->context = context;
	cache->entry_context = AllocSetContextCreate(context, "vecam entry points",
												 ALLOCSET_SMALL_SIZES);
	entry = hash_search(table, &cache->key, HASH_ENTER, NULL);
	entry->cache = cache;
	dlist_push_head(&lru_list, &cache->lru);
	cache->listed = true;
	return cache;
}

static void
release_user(void *arg)
{
	VecamIndexCache *cache = arg;

	if (--cache->nusers == 0 && !cache->listed)
		MemoryContextDelete(cache->context);
}

/*
 * Keep the entry as long as the current memory context is not reset.
 */
void
vecam_cache_use(VecamIndexCache *cache)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	callback->func = release_user;
	callback->arg = cache;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	cache->nusers++;
}

/*
 * Drop the entry of the index's file, if there is one.
 */
void
vecam_cache_forget(Relation index)
{
	VecamIndexCache *cache = vecam_cache_find(index);

	if (cache)
		unlist(cache);
}

/* Remember as many buffers as the relation has blocks, within limits. */
static void
size_recent(VecamIndexCache *cache)
{
	uint32		size = MIN_RECENT;

	while (size < cache->nblocks && size < MAX_RECENT)
		size *= 2;
	if (cache->recent && size <= cache->recent_mask + 1)
		return;
	if (cache->recent)
		pfree(cache->recent);
	cache->recent = NULL;
	cache->recent = MemoryContextAllocZero(cache->context,
										   sizeof(Buffer) * size);
	cache->recent_mask = size - 1;
}

/*
 * The length of the relation in blocks, as it is now.
 */
BlockNumber
vecam_cache_nblocks(VecamIndexCache *cache, Relation index)
{
	cache->nblocks = RelationGetNumberOfBlocks(index);
	if (!RelationUsesLocalBuffers(index))
		size_recent(cache);
	return cache->nblocks;
}

/*
 * Read and pin a block of the main fork.  The buffer that held it last is
 * tried first, which saves the lookup in the buffer table and its lock.
 */
Buffer
vecam_cache_read(VecamIndexCache *cache, Relation index, BlockNumber blkno)
{
	Buffer	   *recent;

	if (cache->recent == NULL)
		return ReadBuffer(index, blkno);

	recent = &cache->recent[blkno & cache->recent_mask];
	if (BufferIsValid(*recent) && ++cache->reads % COUNTED_READ != 0 &&
		vecam_read_recent_buffer(index, blkno, *recent))
		return *recent;
	return *recent = ReadBuffer(index, blkno);
}
