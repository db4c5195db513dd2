/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  What a backend keeps of an index between operations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_CACHE_H
#define VECAM_CACHE_H

#include "compat.h"
#include "lib/ilist.h"
#include "storage/buf_internals.h"

struct VecamEntrySet;
struct VecamIndex;

/*
 * One index.  All of it is a cache: `ix` of what never changes after the
 * build, `entries` of a list whose changes the meta page counts, the rest of
 * hints that are verified at each use.
 */
typedef struct VecamIndexCache
{
	VecamFileLocator key;
	Oid			relid;
	dlist_node	lru;
	int			nusers;			/* operations that point to it */
	bool		listed;			/* a lookup finds it */
	MemoryContext context;		/* holds all of it, this struct too */
	struct VecamIndex *ix;		/* meta page, layout, codec */
	struct VecamEntrySet *entries;	/* NULL: not loaded */
	MemoryContext entry_context;
	uint32		entry_changes;	/* of the meta page, when they were loaded */
	BlockNumber nblocks;		/* of the relation at least; 0: ask */
	Buffer	   *recent;			/* buffer that held a block, by low bits */
	uint32		recent_mask;
	uint32		reads;
} VecamIndexCache;

/* cache.c */
extern VecamIndexCache *vecam_cache_find(Relation index);
extern VecamIndexCache *vecam_cache_create(Relation index);
extern void vecam_cache_use(VecamIndexCache *cache);
extern void vecam_cache_forget(Relation index);
extern BlockNumber vecam_cache_nblocks(VecamIndexCache *cache,
									   Relation index);
extern Buffer vecam_cache_read(VecamIndexCache *cache, Relation index,
							   BlockNumber blkno);

/*
 * The page of a block if its buffer is known, to prefetch from it into the
 * CPU's cache; no pin, so it may be any page by now.  Loads the buffer's
 * header as well.
 */
static inline char *
vecam_cache_peek(VecamIndexCache *cache, BlockNumber blkno)
{
	Buffer		buf;

	if (cache->recent == NULL)
		return NULL;
	buf = cache->recent[blkno & cache->recent_mask];
	if (buf <= 0)
		return NULL;
	vecam_prefetch_memory(GetBufferDescriptor(buf - 1));
	return (char *) BufferGetBlock(buf);
}

#endif							/* VECAM_CACHE_H */
