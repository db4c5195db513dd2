/*-------------------------------------------------------------------------
 *
 * seal.c
 *	  Moving rows from the growing list into the graph.
 *
 * Whoever changes an index's graph has the seal lock, a heavyweight lock of the
 * meta page: sealers share it, and each claims the growing pages that it works
 * on by locks of theirs; VACUUM's repair, which frees nodes, has it alone.
 * Readers and inserters take no notice of it.  A row is moved in steps, each
 * one WAL record:
 *
 *		S1	growing page, node page		the node, BUILDING, without TIDs; the
 *										slot names it
 *		S2	up to four node pages		edges back
 *		S3	growing page, node page		the node LIVE with the TID, the slot free
 *
 * or, if there is a node with the same code,
 *
 *		S4	growing page, node page [, tid page]	the TID joins it
 *
 * so a row is in exactly one of the two places at every moment (INV-1).  After
 * a crash between S1 and S3 the next one to claim the page finds the slot with
 * its node and goes on from S2.  Two sealers that meet equal codes at the same
 * time may make a node each, which is no harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "flat/seal.h"
#include "graph/tids.h"
#include "miscadmin.h"
#include "page/claim.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* What a scan of the growing list may take beside a graph search, in ns. */
#define GROWING_SCAN_NS 150000

/*
 * Rows up to which the growing list is scanned beside the graph: as many as
 * cost about half of a search.  Figures of bench/recall.sh.
 */
int
vecam_choose_seal_threshold(const VecamIndex *ix)
{
	int			per_page = VECAM_SLOTS_PER_PAGE(ix->meta.growing_size);
	double		row_ns = 30 + 0.06 * ix->meta.dims + 600.0 / per_page;

	return Max(64, (int) (GROWING_SCAN_NS / row_ns));
}

static LOCKMODE
seal_lock_mode(VecamSealMode mode)
{
	return mode == VECAM_SEAL_EXCLUSIVE ? ExclusiveLock : ShareLock;
}

/*
 * The seal lock is that of the meta page's block; sealers claim the growing
 * pages whose rows they move by theirs.  Since a claim goes with its process, a
 * row with a node noted on a page that nobody had claimed was left by a crash
 * or an error.
 */
static bool
take_seal_lock(Relation index, VecamSealMode mode, bool wait)
{
	return vecam_claim_block(index, VECAM_META_BLKNO, seal_lock_mode(mode),
							 wait);
}

/*
 * Lock the graph and read the meta page.  A graph of few nodes, all of them
 * entry points, is for one sealer alone: nodes that two of them link without
 * seeing one another's might stay without an edge.
 */
static VecamIndex *
lock_graph(Relation index, VecamSealMode *mode, bool wait)
{
	VecamIndex *ix;

	if (!take_seal_lock(index, *mode, wait))
		return NULL;
	ix = vecam_index_open(index);
	if (*mode == VECAM_SEAL_EXCLUSIVE ||
		(ix->meta.has_graph && ix->meta.entry_level > 0))
		return ix;

	pfree(ix);
	vecam_release_block(index, VECAM_META_BLKNO, ShareLock);
	*mode = VECAM_SEAL_EXCLUSIVE;
	return take_seal_lock(index, *mode, wait) ? vecam_index_open(index) : NULL;
}

/* (Re)load the entry points of the index as the meta page counts them. */
static void
load_entries(VecamSealer *sealer)
{
	VecamMetaPageData *meta = &sealer->ix->meta;

	sealer->entries.n = 0;
	sealer->entries.level = meta->entry_level;
	sealer->entry_changes = meta->entry_changes;
	if (meta->has_graph)
		vecam_entries_load(&sealer->entries, sealer->index, sealer->ix);
}

/*
 * Get the right to change the graph, in some mode.  NULL if others stand in
 * its way and `wait` is false.  Takes the seal lock; vecam_sealer_end or the
 * end of the transaction drops it.
 */
VecamSealer *
vecam_sealer_begin(Relation index, VecamSealMode mode, bool wait)
{
	VecamIndex *ix = lock_graph(index, &mode, wait);
	VecamSealer *sealer;
	MemoryContext context;
	MemoryContext old;

	if (ix == NULL)
		return NULL;

	context = AllocSetContextCreate(CurrentMemoryContext, "vecam sealer",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	sealer = palloc0(sizeof(VecamSealer));
	sealer->mode = mode;
	sealer->wait = wait;
	sealer->context = context;
	sealer->scratch = AllocSetContextCreate(context, "vecam sealer row",
											ALLOCSET_DEFAULT_SIZES);
	sealer->index = index;
	sealer->ix = ix;
	sealer->ef_construction = ix->meta.ef_construction;
	vecam_store_init(&sealer->store, index, VECAM_STORE_LOGGED, 0);
	sealer->store.cache = ix->cache;
	vecam_cache_nblocks(ix->cache, index);
	sealer->graph.store = &sealer->store;
	sealer->graph.ix = ix;
	sealer->graph.entries = &sealer->entries;
	sealer->graph.target = InvalidBlockNumber;
	sealer->graph.chunk_target = InvalidBlockNumber;
	vecam_entries_init(&sealer->entries, ix, 0);
	load_entries(sealer);
	vecam_link_alloc(&sealer->link, ix);
	MemoryContextSwitchTo(old);
	VECAM_STOP("seal-locked");
	return sealer;
}

/* Remove the entry points below the level from the list's page. */
static void
thin_out_page(VecamSealer *sealer, BlockNumber blkno, int level)
{
	Buffer		buf = ReadBuffer(sealer->index, blkno);
	VecamSlotPage *slots;
	VecamRecord *record = NULL;
	Page		page = NULL;

	LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
	slots = vecam_slots_of_buffer(sealer->index, buf, sealer->ix,
								  VECAM_LIST_ENTRIES);
	for (int i = 0; slots && i < slots->nslots; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, i);

		if (!vecam_slot_is_live(slot) ||
			((VecamEntryPoint *) slot)->level >= level)
			continue;
		if (record == NULL)
		{
			record = vecam_record_start(sealer->index);
			page = vecam_record_page(record, buf, false);
		}
		vecam_slots_remove(page, i);
	}
	if (record)
		vecam_record_finish(record);
	UnlockReleaseBuffer(buf);
}

/* Change what the meta page says of the graph.  WAL: meta page. */
static void
update_meta(VecamSealer *sealer)
{
	Buffer		buf = ReadBuffer(sealer->index, VECAM_META_BLKNO);
	VecamRecord *record;
	VecamMetaPageData *meta;

	LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
	record = vecam_record_start(sealer->index);
	meta = VecamPageGetMeta(vecam_record_page(record, buf, false));
	meta->has_graph = true;
	meta->entry_level = sealer->entries.level;
	meta->entry_changes++;
	meta->max_norm = sealer->ix->meta.max_norm;
	sealer->entry_changes = meta->entry_changes;
	vecam_record_finish(record);
	UnlockReleaseBuffer(buf);
}

/*
 * The set of entry points was thinned out in memory: do it on disk, unless
 * others are sealing, whose turn it will be.
 */
static void
raise_entry_level(VecamSealer *sealer)
{
	Relation	index = sealer->index;
	VecamListWalk *walk;
	BlockNumber blkno;

	if (!vecam_claim_block(index, VECAM_META_BLKNO, ExclusiveLock, false))
		return;
	vecam_index_reread(index, sealer->ix);
	if (sealer->entries.level > sealer->ix->meta.entry_level)
	{
		walk = palloc(sizeof(VecamListWalk));
		vecam_list_begin(walk, index, &sealer->ix->meta, VECAM_LIST_ENTRIES);
		while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
		{
			thin_out_page(sealer, blkno, sealer->entries.level);
			VECAM_STOP("entries-thinned");
		}
		pfree(walk);
		update_meta(sealer);
	}
	vecam_release_block(index, VECAM_META_BLKNO, ExclusiveLock);
}

/*
 * Give the right back.
 */
void
vecam_sealer_end(VecamSealer *sealer)
{
	Relation	index = sealer->index;
	LOCKMODE	lockmode = seal_lock_mode(sealer->mode);

	if (sealer->entries.level > sealer->ix->meta.entry_level)
		raise_entry_level(sealer);
	MemoryContextDelete(sealer->context);
	vecam_release_block(index, VECAM_META_BLKNO, lockmode);
}

/* A row of the growing list that is being moved. */
typedef struct GrowingRow
{
	VecamSealer *sealer;
	BlockNumber blkno;
	int			slot;
	ItemPointerData tid;
	VecamRef	node;			/* what S1 is to note */
} GrowingRow;

static VecamGrowingEntry *
growing_entry(Page page, int slot)
{
	return (VecamGrowingEntry *) vecam_slot(VecamPageGetSlots(page), slot);
}

/* Changes of the growing page, as parts of S1, S3 and S4. */
static void
note_node(Page page, void *arg)
{
	GrowingRow *row = arg;

	growing_entry(page, row->slot)->node = row->sealer->link.ref;
}

static void
retire_slot(Page page, void *arg)
{
	vecam_slots_remove(page, ((GrowingRow *) arg)->slot);
}

/*
 * Take the row's page in hand, exclusively, if the row is still there with
 * this node noted (VACUUM may have removed it).
 */
static bool
pin_row(GrowingRow *row, VecamRef node, VecamPin *pin)
{
	VecamSealer *sealer = row->sealer;
	VecamSlotPage *slots;

	vecam_store_pin(&sealer->store, row->blkno, BUFFER_LOCK_EXCLUSIVE, pin);
	slots = vecam_slots_of_buffer(sealer->index, pin->buf, sealer->ix,
								  VECAM_LIST_GROWING);
	if (slots && row->slot < slots->nslots)
	{
		VecamGrowingEntry *entry = growing_entry(pin->page, row->slot);

		if (vecam_same_tid(&entry->tid, &row->tid) && entry->node == node)
			return true;
	}
	vecam_store_unpin(&sealer->store, pin);
	return false;
}

/* S4: the row joins the node with the same code.  True if done. */
static bool
join_equal_node(GrowingRow *row)
{
	VecamSealer *sealer = row->sealer;
	VecamJoin	result;

	do
	{
		VecamPin	pin;
		VecamAlso	also = {&pin, retire_slot, row};

		CHECK_FOR_INTERRUPTS();
		VECAM_STOP("seal-join");
		if (!pin_row(row, VECAM_INVALID_REF, &pin))
			return true;
		result = vecam_node_add_tid(&sealer->graph, &sealer->link, &row->tid,
									&also);
		vecam_store_unpin(&sealer->store, &pin);
		if (result == VECAM_JOIN_NO_ROOM)
			vecam_chunk_reserve(&sealer->graph);
	} while (result == VECAM_JOIN_NO_ROOM);
	return result == VECAM_JOINED;
}

/* S1.  False if the row is gone. */
static bool
write_building_node(GrowingRow *row)
{
	VecamSealer *sealer = row->sealer;
	bool		done;

	do
	{
		VecamPin	pin;
		VecamAlso	also = {&pin, note_node, row};

		CHECK_FOR_INTERRUPTS();
		vecam_link_reserve_slot(&sealer->graph);
		VECAM_STOP("seal-write");
		if (!pin_row(row, VECAM_INVALID_REF, &pin))
			return false;
		done = vecam_link_write_node(&sealer->link, &sealer->graph,
									 VECAM_NODE_BUILDING, NULL, &also);
		vecam_store_unpin(&sealer->store, &pin);
	} while (!done);
	return true;
}

/* S3: the row is in the graph, or its node is of no use. */
static void
publish_node(GrowingRow *row)
{
	VecamSealer *sealer = row->sealer;
	VecamLink  *link = &sealer->link;
	VecamPin	pin;
	VecamAlso	also = {&pin, retire_slot, row};

	if (!pin_row(row, link->ref, &pin))
	{
		vecam_link_publish(link, &sealer->graph, NULL, NULL);
		return;
	}
	vecam_link_publish(link, &sealer->graph, &row->tid, &also);
	vecam_store_unpin(&sealer->store, &pin);
	sealer->sealed++;
	VECAM_STOP("seal-published");
	if (vecam_entries_add(&sealer->entries, sealer->ix, link->ref,
						  link->generation, link->level, link->point.extra,
						  link->point.y, false))
	{
		vecam_entries_store_last(&sealer->entries, sealer->index, sealer->ix);
		sealer->entry_changes++;
	}
}

/* The generation of a node that a crash has left BUILDING; false if none. */
static bool
find_leftover(VecamSealer *sealer, VecamRef ref, uint8 *generation)
{
	const VecamNodeLayout *nl = &sealer->ix->nodes;
	VecamPin	pin;
	VecamNodeHeader *node;
	bool		found;

	if (VecamRefBlock(nl, ref) >= vecam_store_nblocks(&sealer->store))
		return false;
	vecam_store_pin(&sealer->store, VecamRefBlock(nl, ref), BUFFER_LOCK_SHARE,
					&pin);
	node = vecam_node_of_pin(&sealer->graph, &pin, VecamRefSlot(nl, ref));
	found = node && node->state == VECAM_NODE_BUILDING;
	if (found)
		*generation = node->generation;
	vecam_store_unpin(&sealer->store, &pin);
	return found;
}

/* Find the row's neighbours, or a node that it may join. */
static void
prepare_row(VecamSealer *sealer, const VecamGrowingEntry *entry,
			const uint8 *code, bool join)
{
	vecam_link_prepare(&sealer->link, &sealer->graph, &entry->sq8, code,
					   VecamGrowingPayload(entry), sealer->ef_construction,
					   join);
}

/* Move one row; `entry` is a copy of its slot. */
static void
seal_row(VecamSealer *sealer, BlockNumber blkno, int slot,
		 VecamGrowingEntry *entry)
{
	GrowingRow	row = {sealer, blkno, slot, entry->tid, VECAM_INVALID_REF};
	VecamLink  *link = &sealer->link;
	uint8	   *code = palloc(sealer->ix->meta.dims);
	bool		leftover = entry->node != VECAM_INVALID_REF;

	vecam_extents_read(&sealer->store, sealer->ix, VecamGrowingPayload(entry),
					   code);
	/* the extent pages of a long row would be left over, if it joined a node */
	prepare_row(sealer, entry, code,
				!leftover && sealer->ix->meta.nextents == 0);
	if (link->is_equal)
	{
		if (join_equal_node(&row))
		{
			sealer->sealed++;
			return;
		}
		prepare_row(sealer, entry, code, false);
	}

	if (leftover)
	{
		link->ref = entry->node;
		if (!find_leftover(sealer, entry->node, &link->generation))
			vecam_corrupt(sealer->index, blkno, "slot %d names no node", slot);
	}
	else if (!write_building_node(&row))
		return;
	VECAM_STOP("seal-written");
	vecam_link_neighbours(link, &sealer->graph);
	VECAM_STOP("seal-publish");
	publish_node(&row);
}

/*
 * Move the rows of one page, which is claimed, up to max_rows in all; or those
 * only that name a node already.
 */
static void
seal_page(VecamSealer *sealer, BlockNumber blkno, int64 max_rows,
		  bool leftovers_only)
{
	PGAlignedBlock copy;
	VecamSlotPage *slots = VecamPageGetSlots((Page) copy.data);
	VecamPin	pin;
	bool		ours;

	vecam_store_pin(&sealer->store, blkno, BUFFER_LOCK_SHARE, &pin);
	ours = vecam_slots_of_buffer(sealer->index, pin.buf, sealer->ix,
								 VECAM_LIST_GROWING) != NULL;
	if (ours)
		memcpy(copy.data, pin.page, BLCKSZ);
	vecam_store_unpin(&sealer->store, &pin);

	for (int i = 0; ours && i < slots->nslots && sealer->sealed < max_rows; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, i);
		MemoryContext old;

		if (!vecam_slot_is_live(slot) ||
			(leftovers_only &&
			 ((VecamGrowingEntry *) slot)->node == VECAM_INVALID_REF))
			continue;
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(sealer->scratch);
		seal_row(sealer, blkno, i, (VecamGrowingEntry *) slot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(sealer->scratch);
	}
}

/* The largest norm among the growing rows, for the extra coordinate. */
static float
largest_norm(VecamSealer *sealer)
{
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber blkno;
	double		largest = 0;

	vecam_list_begin_bounded(walk, sealer->index, &sealer->ix->meta,
							 VECAM_LIST_GROWING);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		VecamPin	pin;
		VecamSlotPage *slots;

		vecam_store_pin(&sealer->store, blkno, BUFFER_LOCK_SHARE, &pin);
		slots = vecam_slots_of_buffer(sealer->index, pin.buf, sealer->ix,
									  VECAM_LIST_GROWING);
		for (int i = 0; slots && i < slots->nslots; i++)
		{
			VecamTidEntry *slot = vecam_slot(slots, i);

			if (vecam_slot_is_live(slot))
				largest = Max(largest, ((VecamGrowingEntry *) slot)->sq8.norm2);
		}
		vecam_store_unpin(&sealer->store, &pin);
	}
	pfree(walk);
	return sqrt(largest);
}

/* The first seal of an index. */
static void
start_graph(VecamSealer *sealer)
{
	if (sealer->ix->meta.metric == VECAM_METRIC_IP &&
		sealer->ix->meta.max_norm == 0)
		sealer->ix->meta.max_norm = 1.25 * largest_norm(sealer);
	sealer->ix->meta.has_graph = true;
	update_meta(sealer);
	VECAM_STOP("graph-started");
	ereport(LOG,
			(errmsg("vecam index \"%s\" starts its graph",
					RelationGetRelationName(sealer->index))));
}

/* Other sealers may have changed the list of entry points. */
static void
follow_entries(VecamSealer *sealer)
{
	vecam_index_reread(sealer->index, sealer->ix);
	if (sealer->ix->meta.entry_changes != sealer->entry_changes)
		load_entries(sealer);
}

/*
 * Move up to max_rows rows of the growing list into the graph; delay, if not
 * NULL, is called for every page.  sealer->sealed counts.  PG_INT64_MAX stands
 * for all rows; but pages that join the list meanwhile are left alone.
 */
void
vecam_seal_rows(VecamSealer *sealer, int64 max_rows, void (*delay) (void))
{
	Relation	index = sealer->index;
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	int64		target = max_rows > PG_INT64_MAX - sealer->sealed ?
		PG_INT64_MAX : sealer->sealed + max_rows;
	BlockNumber blkno;

	if (!sealer->ix->meta.has_graph)
		start_graph(sealer);
	if (max_rows == PG_INT64_MAX)
	{
		vecam_progress_begin(index, VECAM_PROGRESS_SEAL,
							 vecam_list_count_pages(index, VECAM_LIST_GROWING));
		vecam_list_begin_bounded(walk, index, &sealer->ix->meta,
								 VECAM_LIST_GROWING);
	}
	else						/* it ends soon enough */
		vecam_list_begin(walk, index, &sealer->ix->meta, VECAM_LIST_GROWING);
	while (sealer->sealed < target &&
		   BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		if (delay)
			delay();
		if (!vecam_claim_block(index, blkno, ExclusiveLock, sealer->wait))
			continue;
		follow_entries(sealer);
		seal_page(sealer, blkno, target, false);
		VECAM_STOP("seal-page-done");
		if (vecam_list_remove_page(index, walk->directory, blkno))
			vecam_record_free_page(index, blkno);
		vecam_release_block(index, blkno, ExclusiveLock);
		if (sealer->sealed < target)
			vecam_progress_advance();
	}
	pfree(walk);
}

/*
 * Finish the rows that name a node already, which sealers have left so.  The
 * caller has the seal lock alone.
 */
void
vecam_sealer_finish_rows(VecamSealer *sealer, void (*delay) (void))
{
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber blkno;

	vecam_progress_begin(sealer->index, VECAM_PROGRESS_FINISH_ROWS,
						 vecam_list_count_pages(sealer->index, VECAM_LIST_GROWING));
	vecam_list_begin_bounded(walk, sealer->index, &sealer->ix->meta,
							 VECAM_LIST_GROWING);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		CHECK_FOR_INTERRUPTS();
		delay();
		seal_page(sealer, blkno, PG_INT64_MAX, true);
		vecam_progress_advance();
	}
	pfree(walk);
}

/*
 * Let others have the seal lock, who may only be trying for it, for some
 * microseconds, and take it again.
 */
void
vecam_sealer_yield(VecamSealer *sealer, long microseconds)
{
	LOCKMODE	lockmode = seal_lock_mode(sealer->mode);

	vecam_release_block(sealer->index, VECAM_META_BLKNO, lockmode);
	pg_usleep(microseconds);
	(void) vecam_claim_block(sealer->index, VECAM_META_BLKNO, lockmode, true);
	follow_entries(sealer);
}

/*
 * Free the empty chunks of a page's nodes, with `merge` also merge others; nodes
 * without a TID are dead.
 */
static void
trim_page(VecamSealer *sealer, BlockNumber blkno, bool merge)
{
	VecamGraph *graph = &sealer->graph;
	const VecamNodeLayout *nl = &sealer->ix->nodes;

	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamRef	ref = VecamMakeRef(nl, blkno, slot);
		VecamNodeHeader *node;
		VecamPin	pin;
		VecamChange change;
		VecamRef	overflow = VECAM_INVALID_REF;
		uint8		generation = 0;

		vecam_store_pin(&sealer->store, blkno, BUFFER_LOCK_SHARE, &pin);
		node = vecam_node_of_pin(graph, &pin, slot);
		if (node && node->state == VECAM_NODE_LIVE)
		{
			overflow = node->overflow;
			generation = node->generation;
		}
		vecam_store_unpin(&sealer->store, &pin);
		if (node == NULL)
			return;				/* no node page */
		if (overflow == VECAM_INVALID_REF ||
			!vecam_trim_chunks(graph, ref, generation, overflow, merge))
			continue;

		vecam_store_pin(&sealer->store, blkno, BUFFER_LOCK_EXCLUSIVE, &pin);
		if (vecam_node_of_pin(graph, &pin, slot)->ntids == 0)
		{
			vecam_change_start(&change, &sealer->store);
			vecam_node_at(nl, vecam_change_page(&change, &pin, false),
						  slot)->state = VECAM_NODE_DEAD;
			vecam_change_finish(&change);
		}
		vecam_store_unpin(&sealer->store, &pin);
	}
}

/*
 * Free the TID chunks that bulkdelete has emptied; with `merge` also merge those
 * that are hardly filled.
 */
void
vecam_sealer_trim_chunks(VecamSealer *sealer, bool merge,
						 void (*delay) (void))
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(sealer->index);

	if (!BlockNumberIsValid(sealer->ix->meta.lists[VECAM_LIST_OVERFLOW].head))
		return;
	vecam_progress_begin(sealer->index, VECAM_PROGRESS_TRIM_CHUNKS, nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		delay();
		vecam_progress_update(blkno);
		trim_page(sealer, blkno, merge);
	}
}

/*
 * Repair the graph; `sealed` says that the growing list was sealed under this
 * lock, so that no row claims a node, and `all` that dead nodes are to go
 * however few they are.
 */
void
vecam_sealer_repair(VecamSealer *sealer, bool sealed, bool all,
					void (*delay) (void), VecamRepairStats *stats)
{
	int			level = sealer->entries.level;

	vecam_graph_repair(&sealer->graph, &sealer->link, sealer->scratch, sealed,
					   all, delay, stats);
	if (sealer->entries.level < level)
		update_meta(sealer);
}
