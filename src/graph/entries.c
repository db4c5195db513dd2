/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  Where searches start.
 *
 * As in HNSW (Malkov & Yashunin) nodes have levels, of geometrically falling
 * frequency.  But the upper levels have no edges: they are a way to choose
 * entry points.  The nodes of level entry_level or more, one to three hundred
 * whatever the index's size, stand in a list of their own with a sketch
 * relative to the mean; a search estimates its distance to all of them from a
 * few pages and starts at the nearest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "graph/graph.h"
#include "page/pagelist.h"
#include "page/slots.h"
#include "page/stop.h"
#include "port/pg_bitutils.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

/* With more entry points than this the level is raised, which keeps 1 in 4. */
#define MAX_ENTRIES 256

#define MAX_LEVEL 15

/* Entry points that a search is likely to begin with, with room to spare. */
#define NEAR_ENTRIES 32

/*
 * The level of a node: a hash of its code and the index's seed, so that equal
 * data give equal levels; P(level >= l) = 4^-l.
 */
int
vecam_node_level(const VecamIndex *ix, const VecamSq8Header *head,
				 const uint8 *code)
{
	uint64		hash = hash_bytes_extended(code, ix->meta.dims, ix->meta.seed);
	uint32		bits;

	hash = hash_combine64(hash, hash_bytes_extended((const unsigned char *) head,
													2 * sizeof(float),
													ix->meta.seed));
	bits = (uint32) (hash >> 32) | (1U << (2 * MAX_LEVEL));
	return pg_rightmost_one_pos32(bits) / 2;
}

static int
sketch_words(const VecamIndex *ix)
{
	return ix->nodes.sketch_bytes / sizeof(uint64);
}

/*
 * An empty set, in the current memory context.
 */
void
vecam_entries_init(VecamEntrySet *set, const VecamIndex *ix, int level)
{
	set->n = 0;
	set->allocated = 2 * MAX_ENTRIES;
	set->level = level;
	set->heads = palloc(sizeof(VecamEntryPoint) * set->allocated);
	set->factors = palloc(sizeof(VecamSketchFactors) * set->allocated);
	set->sketches = palloc(sizeof(uint64) * sketch_words(ix) * set->allocated);
}

static void
reserve_entry(VecamEntrySet *set, const VecamIndex *ix)
{
	if (set->n < set->allocated)
		return;
	set->allocated *= 2;
	set->heads = repalloc(set->heads, sizeof(VecamEntryPoint) * set->allocated);
	set->factors = repalloc(set->factors,
							sizeof(VecamSketchFactors) * set->allocated);
	set->sketches = repalloc(set->sketches, sizeof(uint64) * sketch_words(ix) *
							 set->allocated);
}

/*
 * Keep those entry points of the set for which a function returns true, in
 * their order.
 */
void
vecam_entries_filter(VecamEntrySet *set, const VecamIndex *ix,
					 bool (*keep) (void *arg, const VecamEntryPoint *entry),
					 void *arg)
{
	int			words = sketch_words(ix);
	int			kept = 0;

	for (int i = 0; i < set->n; i++)
	{
		if (!keep(arg, &set->heads[i]))
			continue;
		set->heads[kept] = set->heads[i];
		set->factors[kept] = set->factors[i];
		memmove(set->sketches + (Size) kept * words,
				set->sketches + (Size) i * words, sizeof(uint64) * words);
		kept++;
	}
	set->n = kept;
}

static bool
is_high_enough(void *arg, const VecamEntryPoint *entry)
{
	return entry->level >= *(int *) arg;
}

/* Raise the level until the set is small again. */
static void
thin_out(VecamEntrySet *set, const VecamIndex *ix)
{
	while (set->n > MAX_ENTRIES && set->level < MAX_LEVEL)
	{
		set->level++;
		vecam_entries_filter(set, ix, is_high_enough, &set->level);
	}
}

/*
 * Add a node (y: its decoded code) if its level is high enough, or in any case;
 * true if it was, and is the set's last one.  May raise the set's level.
 */
bool
vecam_entries_add(VecamEntrySet *set, const VecamIndex *ix, VecamRef ref,
				  uint8 generation, int level, float extra, const float *y,
				  bool any_level)
{
	VecamEntryPoint *entry;
	float	   *origin;

	if (level < set->level && !any_level)
		return false;

	reserve_entry(set, ix);
	entry = &set->heads[set->n];
	memset(entry, 0, sizeof(*entry));
	ItemPointerSet(&entry->node, VecamRefBlock(&ix->nodes, ref),
				   VecamRefSlot(&ix->nodes, ref) + 1);
	entry->generation = generation;
	entry->level = level;
	entry->extra = extra;

	origin = palloc0(sizeof(float) * ix->meta.dims);
	vecam_sketch_encode(&ix->nodes.sketch, y, origin,
						set->sketches + (Size) set->n * sketch_words(ix),
						&set->factors[set->n]);
	pfree(origin);
	entry->add = set->factors[set->n].add;
	entry->mul = set->factors[set->n].mul;
	set->n++;
	if (set->n <= MAX_ENTRIES)
		return true;
	thin_out(set, ix);
	return level >= set->level;
}

/*
 * The slot bytes of entry point i, palloc'd.
 */
char *
vecam_entry_slot(const VecamEntrySet *set, const VecamIndex *ix, int i)
{
	char	   *slot = palloc0(vecam_slot_size(ix, VECAM_LIST_ENTRIES));

	memcpy(slot, &set->heads[i], sizeof(VecamEntryPoint));
	memcpy(slot + VECAM_ENTRY_HEAD,
		   set->sketches + (Size) i * sketch_words(ix), ix->nodes.sketch_bytes);
	return slot;
}

/* Copy the entry points of a locked page into the set. */
static void
load_page(VecamEntrySet *set, const VecamIndex *ix, VecamSlotPage *slots)
{
	for (int i = 0; i < slots->nslots; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, i);

		if (!vecam_slot_is_live(slot))
			continue;
		reserve_entry(set, ix);
		memcpy(&set->heads[set->n], slot, sizeof(VecamEntryPoint));
		set->factors[set->n].add = set->heads[set->n].add;
		set->factors[set->n].mul = set->heads[set->n].mul;
		memcpy(set->sketches + (Size) set->n * sketch_words(ix),
			   (char *) slot + VECAM_ENTRY_HEAD, ix->nodes.sketch_bytes);
		set->n++;
	}
}

/*
 * Add the entry points of the index's list to the set; returns how many pages
 * that took.  Locks one page at a time.
 */
int
vecam_entries_load(VecamEntrySet *set, Relation index, const VecamIndex *ix)
{
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber blkno;
	int			npages = 1;		/* the directory */

	vecam_list_begin(walk, index, &ix->meta, VECAM_LIST_ENTRIES);
	while (BlockNumberIsValid(blkno = vecam_list_next(walk)))
	{
		Buffer		buf = ReadBuffer(index, blkno);
		VecamSlotPage *slots;

		LockBuffer(buf, BUFFER_LOCK_SHARE);
		slots = vecam_slots_of_buffer(index, buf, ix, VECAM_LIST_ENTRIES);
		if (slots)
			load_page(set, ix, slots);
		UnlockReleaseBuffer(buf);
		npages++;
	}
	pfree(walk);
	return npages;
}

/*
 * The entry points as this backend keeps them, read anew if the index's list
 * has changed.  *npages gets the pages that took.
 */
static VecamEntrySet *
cached_entries(Relation index, const VecamIndex *ix, int *npages)
{
	VecamIndexCache *cache = ix->cache;
	VecamEntrySet *set;
	MemoryContext old;

	*npages = 0;
	if (cache->entries && cache->entry_changes == ix->meta.entry_changes)
		return cache->entries;

	/* a truncation counts, too: its invalidation is lost with its transaction */
	cache->nblocks = 0;
	cache->entries = NULL;
	MemoryContextReset(cache->entry_context);
	old = MemoryContextSwitchTo(cache->entry_context);
	set = palloc(sizeof(VecamEntrySet));
	vecam_entries_init(set, ix, 0);
	*npages = vecam_entries_load(set, index, ix);
	MemoryContextSwitchTo(old);
	cache->entries = set;
	cache->entry_changes = ix->meta.entry_changes;
	return set;
}

/*
 * Put all entry points into the frontier of a search.  Some may be nodes no
 * more, which searches find out.
 */
void
vecam_entries_seed(VecamSearch *search)
{
	VecamGraph *graph = search->graph;
	const VecamNodeLayout *nl = &graph->ix->nodes;
	const VecamPoint *point = search->point;
	VecamEntrySet *set = graph->entries;
	int			npages = 0;
	VecamFrontierItem *items;
	float	   *est;

	if (set == NULL)
		set = cached_entries(graph->store->index, graph->ix, &npages);

	est = palloc(sizeof(float) * (set->n + 1));
	items = palloc(sizeof(VecamFrontierItem) * (set->n + 1));
	vecam_sketch_estimate(&point->sketch, &nl->sketch, point->norm2, set->n,
						  set->sketches, set->factors, est);
	for (int i = 0; i < set->n; i++)
	{
		VecamEntryPoint *entry = &set->heads[i];
		float		diff = entry->extra - point->extra;

		VecamRef	ref = VecamMakeRef(nl, ItemPointerGetBlockNumberNoCheck(&entry->node),
									   ItemPointerGetOffsetNumberNoCheck(&entry->node) - 1);

		items[i] = vecam_frontier_item(est[i] + diff * diff, ref,
									   entry->generation);
	}
	vecam_frontier_fill(&search->frontier, items, set->n, NEAR_ENTRIES);
	pfree(items);
	pfree(est);
	if (graph->counters)
	{
		graph->counters->distances_estimated += set->n;
		graph->counters->pages_read += npages;
	}
}

/*
 * Write the entry point that was added to the set last to the index's list.
 *
 * WAL: entry page; meta page.
 */
void
vecam_entries_store_last(VecamEntrySet *set, Relation index,
						 const VecamIndex *ix)
{
	char	   *slot = vecam_entry_slot(set, ix, set->n - 1);
	Buffer		buf = vecam_list_lock_room(index, ix, VECAM_LIST_ENTRIES);
	VecamRecord *record = vecam_record_start(index);
	Page		page = vecam_record_page(record, buf, false);

	vecam_slots_put(page, vecam_slots_find_free(VecamPageGetSlots(page)), slot);
	vecam_record_finish(record);
	UnlockReleaseBuffer(buf);
	pfree(slot);
	VECAM_STOP("entry-stored");
	vecam_meta_count_entry_change(index);
}
