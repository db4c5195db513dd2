/*-------------------------------------------------------------------------
 *
 * checkpages.c
 *	  vecam_check: pages, and what they belong to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "admin/check.h"
#include "miscadmin.h"
#include "page/progress.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

/* The invariant that a page of a kind has one owner. */
static int
owner_invariant(VecamPageKind kind)
{
	switch (kind)
	{
		case VECAM_PAGE_DIRECTORY:
			return 20;
		case VECAM_PAGE_EXTENT:
			return 6;
		default:
			return 5;
	}
}

/*
 * Copy a page that has not been read before.  Blocks that the server cannot
 * read, or whose header or checksum it does not accept, are a finding, hence
 * the subtransaction: false for them.
 */
static bool
copy_unknown_page(VecamCheck *check, BlockNumber blkno, Page copy)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		vecam_check_copy_page(check, blkno, copy);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		vecam_progress_start(check->index); /* the rollback has ended it */
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED &&
		error->sqlerrcode != ERRCODE_IO_ERROR)
		ReThrowError(error);
	vecam_check_report(check, 19, blkno, -1, "%s", error->message);
	FreeErrorData(error);
	return false;
}

/*
 * Look at the meta page, and open the index by it; false if nothing more can
 * be done.
 */
bool
vecam_check_meta(VecamCheck *check)
{
	PGAlignedBlock copy;
	VecamMetaPageData *meta = VecamPageGetMeta((Page) copy.data);
	const char *damage = "there is no meta page";

	if (check->nblocks > 0)
	{
		if (!copy_unknown_page(check, VECAM_META_BLKNO, (Page) copy.data))
			return false;
		damage = vecam_meta_damage(check->index, (Page) copy.data);
	}
	if (damage == NULL && meta->version != VECAM_VERSION)
		damage = psprintf("format version %u, not %u", meta->version,
						  VECAM_VERSION);
	if (damage)
	{
		vecam_check_report(check, 2, VECAM_META_BLKNO, -1, "%s", damage);
		return false;
	}
	if (meta->metric != vecam_opclass(check->index)->metric)
		vecam_check_report(check, 2, VECAM_META_BLKNO, -1,
						   "metric %u, not that of the operator class",
						   meta->metric);
	if (meta->kind == VECAM_KIND_FLAT && meta->has_graph)
		vecam_check_report(check, 29, VECAM_META_BLKNO, -1,
						   "a graph in an index of kind flat");
	check->ix = vecam_index_build(meta, NULL);
	return true;
}

/* Look at a slot page alone. */
static void
survey_slots(VecamCheck *check, BlockNumber blkno, VecamCheckBlock *block,
			 Page page)
{
	VecamSlotPage *slots = VecamPageGetSlots(page);
	int			nlive = 0;

	block->list = slots->list;
	if (slots->slot_size != vecam_slot_size(check->ix, slots->list))
	{
		vecam_check_report(check, 3, blkno, -1, "slots of %u bytes, not %d",
						   slots->slot_size,
						   vecam_slot_size(check->ix, slots->list));
		block->kind = VECAM_CHECK_DAMAGED;
		return;
	}
	for (int i = 0; i < slots->nslots; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, i);

		if (!vecam_slot_is_live(slot))
			continue;
		nlive++;
		if (slots->list == VECAM_LIST_OVERFLOW)
			vecam_check_note_chunk(check, blkno, i, (VecamTidChunk *) slot);
	}
	if (nlive != slots->nlive)
		vecam_check_report(check, 3, blkno, -1, "%d live slots, but %u counted",
						   nlive, slots->nlive);
}

/* Look at a node page alone. */
static void
survey_nodes(VecamCheck *check, BlockNumber blkno, VecamCheckBlock *block,
			 Page page)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	const char *damage = vecam_node_page_damage(page, nl);
	int			nfree = 0;

	if (damage)
	{
		vecam_check_report(check, 10, blkno, -1, "%s", damage);
		block->kind = VECAM_CHECK_DAMAGED;
		return;
	}
	for (int slot = 0; slot < nl->per_page; slot++)
	{
		VecamNodeHeader *node = vecam_node_at(nl, page, slot);

		vecam_check_note_node(check, blkno, slot, node);
		if (node->state == VECAM_NODE_FREE)
			nfree++;
	}
	if (nfree != VecamPageGetNodes(page)->nfree)
		vecam_check_report(check, 21, blkno, -1,
						   "%d free nodes, but %u counted", nfree,
						   VecamPageGetNodes(page)->nfree);
}

/* Look at one page alone, and note what it is. */
static void
survey_page(VecamCheck *check, BlockNumber blkno)
{
	VecamCheckBlock *block = &check->blocks[blkno];
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;
	const char *damage;

	block->kind = VECAM_CHECK_DAMAGED;
	if (!copy_unknown_page(check, blkno, page))
		return;
	if (PageIsNew(page))
	{
		block->kind = VECAM_PAGE_FREE;
		return;
	}
	damage = vecam_page_damage(page);
	if (damage == NULL && VecamPageGetOpaque(page)->kind == VECAM_PAGE_META)
		damage = "a second meta page";
	if (damage)
	{
		vecam_check_report(check, 19, blkno, -1, "%s", damage);
		return;
	}

	block->kind = VecamPageGetOpaque(page)->kind;
	if (block->kind == VECAM_PAGE_NODE)
		survey_nodes(check, blkno, block, page);
	else if (block->kind == VECAM_PAGE_GROWING ||
			 block->kind == VECAM_PAGE_TIDS || block->kind == VECAM_PAGE_ENTRY)
		survey_slots(check, blkno, block, page);
}

/*
 * Look at all pages, each alone.
 */
void
vecam_check_survey(VecamCheck *check)
{
	MemoryContext old = MemoryContextSwitchTo(check->scratch);

	check->blocks[VECAM_META_BLKNO].kind = VECAM_PAGE_META;
	vecam_progress_begin(check->index, VECAM_PROGRESS_CHECK_PAGES, check->nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < check->nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		vecam_progress_update(blkno);
		survey_page(check, blkno);
		MemoryContextReset(check->scratch);
	}
	MemoryContextSwitchTo(old);
}

/*
 * The slots of a page copy, if it is a page of this list.
 */
VecamSlotPage *
vecam_check_slots(VecamCheck *check, Page copy, VecamList list)
{
	VecamSlotPage *slots = VecamPageGetSlots(copy);

	if (PageIsNew(copy) || vecam_page_damage(copy) != NULL ||
		VecamPageGetOpaque(copy)->kind != vecam_list_kind(list) ||
		slots->list != list ||
		slots->slot_size != vecam_slot_size(check->ix, list))
		return NULL;
	return slots;
}

/*
 * Page `by` (and slot, or -1) names block blkno as a page of a kind.  True if it
 * is the first to do so and the page, whose copy is returned, is one.
 */
bool
vecam_check_own(VecamCheck *check, int invariant, BlockNumber blkno,
				VecamPageKind kind, BlockNumber by, int slot, Page copy)
{
	if (blkno == VECAM_META_BLKNO || !vecam_check_block_exists(check, blkno))
	{
		vecam_check_report(check, invariant, by, slot,
						   "names block %u of %u", blkno, check->size);
		return false;
	}
	if (blkno < check->nblocks)
	{
		VecamCheckBlock *block = &check->blocks[blkno];

		if (block->owned)
		{
			vecam_check_report(check, invariant, by, slot,
							   "names block %u, as another place does", blkno);
			return false;
		}
		block->owned = true;
		if (block->kind == VECAM_CHECK_DAMAGED)
			return false;
	}
	vecam_check_copy_page(check, blkno, copy);
	if (!PageIsNew(copy) && vecam_page_damage(copy) == NULL &&
		VecamPageGetOpaque(copy)->kind == kind)
		return true;
	vecam_check_report(check, invariant, by, slot,
					   "names block %u, which is no page of kind %d", blkno,
					   kind);
	return false;
}

/*
 * Read the mean, and open the index anew with it.
 */
void
vecam_check_mean(VecamCheck *check)
{
	VecamMetaPageData *meta = &check->ix->meta;
	Size		total = sizeof(float) * meta->dims;
	float	   *mean = palloc(total);
	BlockNumber blkno = meta->mean;
	BlockNumber by = VECAM_META_BLKNO;
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;

	check->has_mean = true;
	if (!BlockNumberIsValid(blkno))
		return;

	check->has_mean = false;
	for (Size done = 0; done < total; done += VECAM_PAGE_CAPACITY)
	{
		Size		bytes = Min(total - done, (Size) VECAM_PAGE_CAPACITY);

		if (!vecam_check_own(check, 6, blkno, VECAM_PAGE_EXTENT, by, -1, page))
			return;
		if (vecam_page_used(page) != bytes)
		{
			vecam_check_report(check, 6, blkno, -1,
							   "%zu bytes of the mean, not %zu",
							   vecam_page_used(page), bytes);
			return;
		}
		memcpy((char *) mean + done, PageGetContents(page), bytes);
		by = blkno;
		blkno = VecamPageGetOpaque(page)->next;
	}
	for (int i = 0; i < meta->dims; i++)
	{
		if (!isfinite(mean[i]))
		{
			vecam_check_report(check, 9, meta->mean, -1,
							   "coordinate %d of the mean is not finite", i);
			return;
		}
	}
	check->ix = vecam_index_build(meta, mean);
	check->has_mean = true;
}

/* The slots of a page that a directory names. */
static void
check_list_page(VecamCheck *check, VecamList list, BlockNumber blkno,
				VecamSlotPage *slots)
{
	for (int i = 0; i < slots->nslots; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, i);

		if (!vecam_slot_is_live(slot) || list == VECAM_LIST_OVERFLOW)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (list == VECAM_LIST_ENTRIES)
		{
			vecam_check_entry(check, blkno, i, (VecamEntryPoint *) slot);
			continue;
		}
		vecam_check_add_row(check, &slot->tid, blkno, i);
		if (list == VECAM_LIST_GROWING)
			vecam_check_growing_slot(check, blkno, i,
									 (VecamGrowingEntry *) slot);
	}
}

/* The pages that a directory page names. */
static void
check_directory(VecamCheck *check, VecamList list, BlockNumber directory,
				VecamDirectoryPage *dir)
{
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;
	MemoryContext old = MemoryContextSwitchTo(check->scratch);

	for (int i = 0; i < dir->nblocks; i++)
	{
		BlockNumber blkno = dir->blocks[i];
		VecamSlotPage *slots;

		CHECK_FOR_INTERRUPTS();
		if (!BlockNumberIsValid(blkno) ||
			!vecam_check_own(check, 5, blkno, vecam_list_kind(list), directory,
							 -1, page))
			continue;
		slots = vecam_check_slots(check, page, list);
		if (slots)
			check_list_page(check, list, blkno, slots);
		else
			vecam_check_report(check, 5, directory, -1,
							   "names block %u, which is no page of list %d",
							   blkno, list);
		MemoryContextReset(check->scratch);
		vecam_progress_advance();
	}
	MemoryContextSwitchTo(old);
}

/* The directory pages of a list. */
static void
check_list(VecamCheck *check, VecamList list)
{
	VecamListRoot *root = &check->ix->meta.lists[list];
	BlockNumber blkno = root->head;
	BlockNumber by = VECAM_META_BLKNO;
	bool		has_target = false;
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;

	for (uint32 ordinal = 0; BlockNumberIsValid(blkno); ordinal++)
	{
		VecamDirectoryPage *dir = VecamPageGetDirectory(page);

		if (!vecam_check_own(check, 20, blkno, VECAM_PAGE_DIRECTORY, by, -1,
							 page))
			return;
		if (dir->list != list || dir->ordinal != ordinal)
		{
			vecam_check_report(check, 20, blkno, -1,
							   "directory page %u of list %u, not %u of list %d",
							   dir->ordinal, dir->list, ordinal, list);
			return;
		}
		check_directory(check, list, blkno, dir);
		has_target |= blkno == root->target;
		by = blkno;
		blkno = VecamPageGetOpaque(page)->next;
	}
	if (BlockNumberIsValid(root->head) && !has_target)
		vecam_check_report(check, 20, VECAM_META_BLKNO, -1,
						   "list %d grows at block %u, which is not in its chain",
						   list, root->target);
}

/* Pages that look like those of a list. */
static int64
count_list_pages(VecamCheck *check)
{
	int64		n = 0;

	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < check->nblocks; blkno++)
	{
		int			kind = check->blocks[blkno].kind;

		n += kind == VECAM_PAGE_GROWING || kind == VECAM_PAGE_TIDS ||
			kind == VECAM_PAGE_ENTRY;
	}
	return n;
}

/*
 * Look at all lists.  Inserts may have begun some since the meta page was read.
 */
void
vecam_check_lists(VecamCheck *check)
{
	PGAlignedBlock copy;

	vecam_check_copy_page(check, VECAM_META_BLKNO, (Page) copy.data);
	memcpy(check->ix->meta.lists, VecamPageGetMeta((Page) copy.data)->lists,
		   sizeof(check->ix->meta.lists));
	vecam_progress_begin(check->index, VECAM_PROGRESS_CHECK_LISTS,
						 count_list_pages(check));
	for (VecamList list = 0; list < VECAM_NLISTS; list++)
		check_list(check, list);
}

/*
 * Find pages that belong to something, but that nothing has named.
 */
void
vecam_check_owners(VecamCheck *check)
{
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < check->nblocks; blkno++)
	{
		VecamCheckBlock *block = &check->blocks[blkno];

		CHECK_FOR_INTERRUPTS();
		if (block->owned || block->kind == VECAM_PAGE_FREE ||
			block->kind == VECAM_PAGE_NODE ||
			block->kind == VECAM_CHECK_DAMAGED)
			continue;
		vecam_check_report(check, owner_invariant(block->kind), blkno, -1,
						   "nothing names this page of kind %u", block->kind);
	}
}
