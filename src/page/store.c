/*-------------------------------------------------------------------------
 *
 * store.c
 *	  Where graph code gets its pages from.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "miscadmin.h"
#include "page/store.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

/* Pages of one chunk of images. */
#define CHUNK_PAGES 128

/*
 * Set up a store.  In memory, it holds the relation's pages from block 0 on,
 * `memory` bytes at most, in the current memory context; the relation must be
 * empty.
 */
void
vecam_store_init(VecamStore *store, Relation index, VecamStoreMode mode,
				 Size memory)
{
	memset(store, 0, sizeof(*store));
	store->index = index;
	store->mode = mode;
	store->context = CurrentMemoryContext;
	store->max_blocks = Min(memory / BLCKSZ, (Size) MaxBlockNumber);
}

/*
 * Leave so many bytes of a store's memory to its user, whose pages then go to
 * shared buffers the sooner.
 */
void
vecam_store_leave_memory(VecamStore *store, Size bytes)
{
	store->max_blocks -= Min(bytes / BLCKSZ, (Size) store->max_blocks);
}

static Page
memory_page(VecamStore *store, BlockNumber blkno)
{
	return (Page) (store->chunks[blkno / CHUNK_PAGES] +
				   (Size) (blkno % CHUNK_PAGES) * BLCKSZ);
}

/* Add an all-zero page in memory. */
static BlockNumber
add_memory_page(VecamStore *store)
{
	BlockNumber blkno = store->nblocks++;
	int			chunk = blkno / CHUNK_PAGES;

	if (chunk == store->nchunks)
	{
		MemoryContext old = MemoryContextSwitchTo(store->context);
		Size		size = sizeof(char *) * (chunk + 1);

		store->chunks = store->chunks ? repalloc(store->chunks, size) :
			palloc(size);
		store->chunks[store->nchunks++] = palloc0((Size) CHUNK_PAGES * BLCKSZ);
		MemoryContextSwitchTo(old);
	}
	return blkno;
}

/*
 * Write the pages in memory to the relation and go on in shared buffers.  No
 * page may be in hand.
 */
void
vecam_store_spill(VecamStore *store)
{
	if (store->mode != VECAM_STORE_MEMORY)
		return;

	store->mode = VECAM_STORE_UNLOGGED;
	for (BlockNumber blkno = 0; blkno < store->nblocks; blkno++)
	{
		Buffer		buf = vecam_extend_relation(store->index);

		CHECK_FOR_INTERRUPTS();
		if (BufferGetBlockNumber(buf) != blkno)
			elog(ERROR, "index \"%s\" already contains data",
				 RelationGetRelationName(store->index));
		memcpy(BufferGetPage(buf), memory_page(store, blkno), BLCKSZ);
		MarkBufferDirty(buf);
		UnlockReleaseBuffer(buf);
		if (blkno % CHUNK_PAGES == CHUNK_PAGES - 1)
			pfree(store->chunks[blkno / CHUNK_PAGES]);
	}
	if (store->nblocks % CHUNK_PAGES != 0)
		pfree(store->chunks[store->nchunks - 1]);
	store->nchunks = 0;
}

BlockNumber
vecam_store_nblocks(VecamStore *store)
{
	return store->mode == VECAM_STORE_MEMORY ? store->nblocks :
		RelationGetNumberOfBlocks(store->index);
}

/*
 * Take a page in hand, under a content lock unless it is in memory.
 */
void
vecam_store_pin(VecamStore *store, BlockNumber blkno, int lockmode,
				VecamPin *pin)
{
	pin->blkno = blkno;
	if (store->mode == VECAM_STORE_MEMORY)
	{
		pin->buf = InvalidBuffer;
		pin->page = memory_page(store, blkno);
		return;
	}
	pin->buf = store->cache ?
		vecam_cache_read(store->cache, store->index, blkno) :
		ReadBuffer(store->index, blkno);
	LockBuffer(pin->buf, lockmode);
	pin->page = BufferGetPage(pin->buf);
}

/*
 * The page of a block if it is known where in memory that is, to prefetch from
 * it into the CPU's cache; it may be any page by now.
 */
char *
vecam_store_peek(VecamStore *store, BlockNumber blkno)
{
	if (store->mode == VECAM_STORE_MEMORY)
		return blkno < store->nblocks ? memory_page(store, blkno) : NULL;
	return store->cache ? vecam_cache_peek(store->cache, blkno) : NULL;
}

/*
 * Take a new page in hand, exclusively; the caller initialises it in the
 * change that links it.  Spills to shared buffers when memory is full, so no
 * other page may be in hand then.
 */
void
vecam_store_alloc(VecamStore *store, VecamPin *pin)
{
	if (store->nfree > 0)
	{
		vecam_store_pin(store, store->free[--store->nfree],
						BUFFER_LOCK_EXCLUSIVE, pin);
		return;
	}
	if (store->mode == VECAM_STORE_MEMORY && store->nblocks >= store->max_blocks)
		vecam_store_spill(store);

	if (store->mode == VECAM_STORE_MEMORY)
	{
		pin->blkno = add_memory_page(store);
		pin->buf = InvalidBuffer;
		pin->page = memory_page(store, pin->blkno);
		return;
	}
	pin->buf = vecam_alloc_page(store->index);
	pin->blkno = BufferGetBlockNumber(pin->buf);
	pin->page = BufferGetPage(pin->buf);
}

/*
 * Builds: give a page back, to be used again.  Its contents go to `copy`, if
 * that is given.
 */
void
vecam_store_take_page(VecamStore *store, BlockNumber blkno, Page copy)
{
	VecamPin	pin;
	VecamChange change;
	MemoryContext old = MemoryContextSwitchTo(store->context);

	vecam_store_pin(store, blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
	if (copy)
		memcpy(copy, pin.page, BLCKSZ);
	vecam_change_start(&change, store);
	vecam_page_free(vecam_change_page(&change, &pin, true));
	vecam_change_finish(&change);
	vecam_store_unpin(store, &pin);

	if (store->free == NULL)
		store->free = palloc(sizeof(BlockNumber));
	else
		store->free = repalloc_huge(store->free,
									sizeof(BlockNumber) * (store->nfree + 1));
	store->free[store->nfree++] = blkno;
	MemoryContextSwitchTo(old);
}

void
vecam_store_unpin(VecamStore *store, VecamPin *pin)
{
	if (BufferIsValid(pin->buf))
		UnlockReleaseBuffer(pin->buf);
	pin->buf = InvalidBuffer;
	pin->page = NULL;
}

/*
 * Begin a change.  The caller has its pages exclusively in hand.
 */
void
vecam_change_start(VecamChange *change, VecamStore *store)
{
	change->store = store;
	change->npins = 0;
	change->record = store->mode == VECAM_STORE_LOGGED ?
		vecam_record_start(store->index) : NULL;
}

/*
 * The image of a page to change; pages are registered in lock order.  With
 * `whole` the page is logged as a whole, for new pages.
 */
Page
vecam_change_page(VecamChange *change, VecamPin *pin, bool whole)
{
	if (change->record)
		return vecam_record_page(change->record, pin->buf, whole);
	change->pins[change->npins++] = pin;
	return pin->page;
}

/*
 * Make the change happen.  The pages stay in hand.
 */
void
vecam_change_finish(VecamChange *change)
{
	if (change->record)
	{
		vecam_record_finish(change->record);
		return;
	}
	for (int i = 0; i < change->npins; i++)
	{
		if (BufferIsValid(change->pins[i]->buf))
			MarkBufferDirty(change->pins[i]->buf);
	}
}
