/*-------------------------------------------------------------------------
 *
 * compact.c
 *	  Moving what stands at the end of an index to its start.
 *
 * Two fingers go over the blocks.  One comes from the end: what stands on its
 * page is moved.  The other one looks for room before it, from the start:
 * free slots of node pages, and free pages.  When they meet the rest is free.
 *
 *		nodes		go to free slots of nodes, or to a new page of nodes
 *					(graph/move.c)
 *		rows		of a list go to a page that joins the list as its last.
 *					So whoever walks over the list meets them before or
 *					after they are moved, or both, but never misses them.
 *		chunks		go likewise; what names them is changed in the same record
 *		extents		of long rows go one page at a time, with their owners
 *
 * The compaction has the seal lock alone, for some 50 ms at a time.  Inserts and
 * searches go on at any moment, sealers in between; VACUUM is kept out by the
 * caller's lock of the table.  What was surveyed is looked at again before it is
 * used, under its lock.
 *
 * When what a page has been vacated by is still to be finished (nodes), it
 * becomes free only at the end of a round; what found no room is tried again in
 * the next one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "flat/compact.h"
#include "flat/seal.h"
#include "graph/tids.h"
#include "miscadmin.h"
#include "page/bigarray.h"
#include "page/pagelist.h"
#include "page/progress.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"
#include "utils/timestamp.h"

/* How long the seal lock is held, and how long it is left to others. */
#define HOLD_MS 50
#define LEAVE_US 2000

/* More rounds than this are not worth while. */
#define MAX_ROUNDS 8

/* What is known of a block. */
typedef struct BlockNote
{
	uint8		kind;			/* VecamPageKind, all-zero pages are free */
	uint8		list;			/* of a slot page */
	bool		has_room;		/* a node page with free slots */
	uint16		nlive;			/* slots in use of a slot page */
} BlockNote;

typedef struct Compaction
{
	Relation	index;
	VecamSealer *sealer;
	void		(*delay) (void);
	TimestampTz locked_at;
	BlockNumber nblocks;
	VecamBigArray *notes;		/* BlockNote, of each block */
	BlockNumber node_room;		/* no node page before it has room */
	BlockNumber free_page;		/* no block before it is free */
	BlockNumber fill[VECAM_NLISTS]; /* pages that take rows, or invalid */
	BlockNumber spill[VECAM_NLISTS];	/* likewise, see make_room */
	BlockNumber victim[VECAM_NLISTS];	/* none before it is to be emptied */
	BlockNumber directory[VECAM_NLISTS];	/* where the last page removed stood */
	int64		pages[VECAM_NLISTS];	/* of the list */
	int64		rows[VECAM_NLISTS];
	int64		pages_left;
	int64		progress;		/* of this round */
	VecamCompactStats *stats;
} Compaction;

/* Between two pages: let others work. */
static void
pause_compaction(void *arg)
{
	Compaction *c = arg;

	CHECK_FOR_INTERRUPTS();
	c->delay();
	if (TimestampDifferenceExceeds(c->locked_at, GetCurrentTimestamp(), HOLD_MS))
	{
		vecam_sealer_yield(c->sealer, LEAVE_US);
		/* sealers may have emptied them, and the list have them elsewhere */
		c->fill[VECAM_LIST_GROWING] = InvalidBlockNumber;
		c->spill[VECAM_LIST_GROWING] = InvalidBlockNumber;
		c->locked_at = GetCurrentTimestamp();
	}
}

static bool
is_list_page(const BlockNote *note)
{
	return note->kind == VECAM_PAGE_GROWING || note->kind == VECAM_PAGE_TIDS ||
		note->kind == VECAM_PAGE_ENTRY;
}

/* What is on a block?  Takes and drops a share lock. */
static BlockNote
note_block(Relation index, BlockNumber blkno)
{
	Buffer		buf = ReadBuffer(index, blkno);
	Page		page = BufferGetPage(buf);
	BlockNote	note = {VECAM_PAGE_FREE, 0, false, 0};

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	if (!PageIsNew(page))
	{
		vecam_page_check(index, blkno, page);
		note.kind = VecamPageGetOpaque(page)->kind;
	}
	if (note.kind == VECAM_PAGE_NODE)
		note.has_room = VecamPageGetNodes(page)->nfree > 0;
	else if (is_list_page(&note))
	{
		note.list = VecamPageGetSlots(page)->list;
		note.nlive = VecamPageGetSlots(page)->nlive;
	}
	UnlockReleaseBuffer(buf);
	return note;
}

/* What is known of a block; good until another one is asked for. */
static BlockNote *
note_of(Compaction *c, BlockNumber blkno)
{
	return vecam_bigarray_at(c->notes, blkno);
}

/* Look at all blocks. */
static void
survey(Compaction *c)
{
	c->nblocks = RelationGetNumberOfBlocks(c->index);
	c->notes = vecam_bigarray_create(c->nblocks, sizeof(BlockNote),
									 vecam_maintenance_memory() / 2);
	vecam_progress_begin(c->index, VECAM_PROGRESS_SURVEY, c->nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < c->nblocks; blkno++)
	{
		pause_compaction(c);
		vecam_progress_update(blkno);
		*note_of(c, blkno) = note_block(c->index, blkno);
	}
	c->node_room = c->free_page = VECAM_META_BLKNO + 1;
	for (int i = 0; i < VECAM_NLISTS; i++)
	{
		c->fill[i] = c->spill[i] = c->directory[i] = InvalidBlockNumber;
		c->victim[i] = VECAM_META_BLKNO + 1;
		c->pages[i] = c->rows[i] = 0;
	}
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < c->nblocks; blkno++)
	{
		BlockNote  *note = note_of(c, blkno);

		if (!is_list_page(note))
			continue;
		c->pages[note->list]++;
		c->rows[note->list] += note->nlive;
	}
}

/*
 * The first free page before `end`, exclusively locked, or InvalidBuffer.
 */
static Buffer
take_free_page(Compaction *c, BlockNumber end)
{
	for (; c->free_page < end; c->free_page++)
	{
		Buffer		buf;

		if (note_of(c, c->free_page)->kind != VECAM_PAGE_FREE)
			continue;
		buf = vecam_claim_free_page(c->index, c->free_page);
		note_of(c, c->free_page)->kind = VECAM_PAGE_META;	/* somebody's */
		if (!BufferIsValid(buf))
			continue;
		vecam_record_free_space(c->index, c->free_page++, 0);
		return buf;
	}
	return InvalidBuffer;
}

/*
 * A page before `end` with room for nodes, or InvalidBlockNumber.
 */
static BlockNumber
find_node_room(Compaction *c, BlockNumber end)
{
	for (;;)
	{
		Buffer		buf;
		BlockNumber blkno;

		while (c->node_room < end && !note_of(c, c->node_room)->has_room)
			c->node_room++;
		if (c->node_room < end)
			return c->node_room;

		buf = take_free_page(c, end);
		if (!BufferIsValid(buf))
			return InvalidBlockNumber;
		blkno = BufferGetBlockNumber(buf);
		UnlockReleaseBuffer(buf);
		/* others may have taken it in between */
		note_of(c, blkno)->has_room = vecam_make_node_page(&c->sealer->graph, blkno);
		c->node_room = blkno;
	}
}

/* Move the nodes of a page as far as there is room. */
static void
vacate_node_page(Compaction *c, BlockNumber blkno)
{
	int			left;

	do
	{
		BlockNumber to = find_node_room(c, blkno);
		int			moved;

		if (!BlockNumberIsValid(to))
			return;
		pause_compaction(c);
		moved = vecam_move_nodes(&c->sealer->graph, blkno, to, &left);
		if (left > 0)
			note_of(c, to)->has_room = false;
		c->stats->nodes_moved += moved;
		c->progress += moved;
	} while (left > 0);
}

/*
 * Let a free page, exclusively locked, be the last one of the list; drops the
 * lock and returns its block.
 *
 * A reader may be about to go to a chunk that was on this very page at some
 * time; if another one of the same node comes there, it would not notice that
 * it passes over some.  So it counts (see rowscan.c).
 */
static BlockNumber
append_to_list(Compaction *c, VecamList list, Buffer buf)
{
	int			slot_size = vecam_slot_size(c->sealer->ix, list);
	BlockNumber blkno = BufferGetBlockNumber(buf);

	if (!vecam_list_append_page(c->index, list, slot_size, buf, InvalidBuffer))
	{
		Buffer		dir_buf = vecam_alloc_page(c->index);

		vecam_list_append_page(c->index, list, slot_size, buf, dir_buf);
		UnlockReleaseBuffer(dir_buf);
	}
	UnlockReleaseBuffer(buf);
	if (list == VECAM_LIST_OVERFLOW)
		vecam_meta_count_entry_change(c->index);
	c->pages[list]++;
	return blkno;
}

/* Can the slot go to another page?  A row that a sealer has begun cannot. */
static bool
is_movable(VecamList list, VecamTidEntry *slot)
{
	return vecam_slot_is_live(slot) &&
		(list != VECAM_LIST_GROWING ||
		 ((VecamGrowingEntry *) slot)->node == VECAM_INVALID_REF);
}

/*
 * Move rows of a list from one page to an earlier one; returns how many, and in
 * *left how many had no room.
 *
 * WAL: two slot pages.
 */
static int
move_rows(Compaction *c, VecamList list, BlockNumber from, BlockNumber to,
		  int *left)
{
	VecamStore *store = &c->sealer->store;
	VecamPin	to_pin;
	VecamPin	from_pin;
	int			moved = 0;

	*left = 0;
	vecam_store_pin(store, to, BUFFER_LOCK_EXCLUSIVE, &to_pin);
	vecam_store_pin(store, from, BUFFER_LOCK_EXCLUSIVE, &from_pin);
	if (vecam_slots_of_buffer(c->index, to_pin.buf, c->sealer->ix, list) &&
		vecam_slots_of_buffer(c->index, from_pin.buf, c->sealer->ix, list))
	{
		VecamChange change;
		Page		to_page;
		Page		from_page;
		VecamSlotPage *slots;

		vecam_change_start(&change, store);
		to_page = vecam_change_page(&change, &to_pin, false);
		from_page = vecam_change_page(&change, &from_pin, false);
		slots = VecamPageGetSlots(from_page);
		for (int i = 0; i < slots->nslots; i++)
		{
			VecamTidEntry *slot = vecam_slot(slots, i);
			int			place = vecam_slots_find_free(VecamPageGetSlots(to_page));

			if (!is_movable(list, slot))
				continue;
			if (place < 0)
			{
				++*left;
				continue;
			}
			vecam_slots_put(to_page, place, slot);
			vecam_slots_remove(from_page, i);
			moved++;
		}
		if (moved > 0)
			vecam_change_finish(&change);
	}
	vecam_store_unpin(store, &from_pin);
	vecam_store_unpin(store, &to_pin);
	VECAM_STOP("compact-rows");
	return moved;
}

/* Move the TID chunks of a page to an earlier one, one by one. */
static int
move_chunks(Compaction *c, BlockNumber from, BlockNumber to, int *left)
{
	BlockNote	now = note_block(c->index, from);
	int			moved = 0;

	*left = 0;
	if (now.kind != VECAM_PAGE_TIDS || now.list != VECAM_LIST_OVERFLOW)
		return 0;
	for (int slot = 0; slot < VECAM_SLOTS_PER_PAGE(sizeof(VecamTidChunk)); slot++)
	{
		CHECK_FOR_INTERRUPTS();
		if (vecam_move_chunk(&c->sealer->graph, VecamMakeChunkRef(from, slot), to))
		{
			moved++;
			VECAM_STOP("compact-chunk");
		}
	}
	now = note_block(c->index, from);
	*left = now.nlive;
	return moved;
}

/*
 * Take a page that has no rows out of its list.  It takes a walk to find out
 * where it stands there, but neighbours in the file mostly are in the list.
 */
static void
remove_list_page(Compaction *c, VecamList list, BlockNumber blkno)
{
	BlockNumber directory = c->directory[list];

	if (!BlockNumberIsValid(directory) ||
		!vecam_list_remove_page(c->index, directory, blkno))
	{
		directory = vecam_list_directory_of(c->index, list, blkno);
		if (!BlockNumberIsValid(directory) ||
			!vecam_list_remove_page(c->index, directory, blkno))
			return;
	}
	c->directory[list] = directory;
	c->pages[list]--;
	if (blkno < c->nblocks)
		note_of(c, blkno)->kind = VECAM_PAGE_FREE;
}

static int
move_slots(Compaction *c, VecamList list, BlockNumber from, BlockNumber to,
		   int *left)
{
	int			moved = list == VECAM_LIST_OVERFLOW ?
		move_chunks(c, from, to, left) : move_rows(c, list, from, to, left);

	c->progress += moved;
	return moved;
}

/*
 * Would the rows of the list fit fewer pages?  Three do not count, which are
 * being filled (one of each kind) and emptied: else a compaction would never find
 * that the list is dense, and move its rows to new pages again and again.
 */
static bool
is_sparse(Compaction *c, VecamList list)
{
	int			per_page = VECAM_SLOTS_PER_PAGE(vecam_slot_size(c->sealer->ix, list));

	return c->pages[list] - (c->rows[list] + per_page - 1) / per_page > 3;
}

/* The next page of the list before `end`, or InvalidBlockNumber. */
static BlockNumber
next_victim(Compaction *c, VecamList list, BlockNumber end)
{
	while (c->victim[list] < end)
	{
		BlockNumber blkno = c->victim[list]++;
		BlockNote  *note = note_of(c, blkno);

		if (is_list_page(note) && note->list == list)
			return blkno;
	}
	return InvalidBlockNumber;
}

/* Finds a page that rows can go to, or InvalidBlockNumber. */
typedef BlockNumber (*FindRoom) (Compaction *c, VecamList list, BlockNumber end);

/*
 * Move the rows of a page to pages that find_room finds, then take it out of the
 * list.  `taking` is the page that find_room found last; it is forgotten when it
 * is full.
 */
static void
empty_list_page(Compaction *c, VecamList list, BlockNumber blkno,
				BlockNumber end, FindRoom find_room, BlockNumber *taking)
{
	int			left;
	int			moved;

	do
	{
		BlockNumber to;

		pause_compaction(c);
		to = find_room(c, list, end);
		if (!BlockNumberIsValid(to))
			return;
		moved = move_slots(c, list, blkno, to, &left);
		if (left > 0)
			*taking = InvalidBlockNumber;
	} while (left > 0 && moved > 0);
	if (list == VECAM_LIST_ENTRIES)
		vecam_meta_count_entry_change(c->index);
	remove_list_page(c, list, blkno);
}

/* A page that rows can go to, wherever it is. */
static BlockNumber
find_spill_room(Compaction *c, VecamList list, BlockNumber end)
{
	if (!BlockNumberIsValid(c->spill[list]))
		c->spill[list] = append_to_list(c, list, vecam_alloc_page(c->index));
	return c->spill[list];
}

/*
 * Rows never go to a page that stands in its list already: walks might miss
 * them.  So a list of sparse pages can be compacted only if there is a free one.
 * If there is none before `end`, make one: let the rows of the list's first page
 * go to a new page at the end, from where they come back in the next round.
 */
static bool
make_room(Compaction *c, VecamList list, BlockNumber end)
{
	BlockNumber victim;

	if (!is_sparse(c, list) ||
		!BlockNumberIsValid(victim = next_victim(c, list, end)))
		return false;
	empty_list_page(c, list, victim, end, find_spill_room, &c->spill[list]);
	c->free_page = Min(c->free_page, victim);
	return note_of(c, victim)->kind == VECAM_PAGE_FREE;
}

/*
 * A page of the list before `end` that takes rows, or InvalidBlockNumber.  It
 * has joined the list as the last one.
 */
static BlockNumber
find_list_room(Compaction *c, VecamList list, BlockNumber end)
{
	Buffer		buf;

	if (BlockNumberIsValid(c->fill[list]) && c->fill[list] < end)
		return c->fill[list];
	buf = take_free_page(c, end);
	if (!BufferIsValid(buf) && make_room(c, list, end))
		buf = take_free_page(c, end);
	if (!BufferIsValid(buf))
		return InvalidBlockNumber;
	c->fill[list] = append_to_list(c, list, buf);
	VECAM_STOP("compact-appended");
	return c->fill[list];
}

/* Move a directory page to the first free one. */
static void
vacate_directory_page(Compaction *c, BlockNumber blkno)
{
	Buffer		buf = take_free_page(c, blkno);

	if (!BufferIsValid(buf))
		return;
	c->progress += vecam_list_move_directory(c->index, blkno, buf);
	UnlockReleaseBuffer(buf);
	for (int i = 0; i < VECAM_NLISTS; i++)
		c->directory[i] = InvalidBlockNumber;
	VECAM_STOP("compact-directory");
}

/*
 * Only pages that give something count: if all that is allowed went to pages that
 * must stay, those before them would never have their turn.
 */
static void
vacate_page(Compaction *c, BlockNumber blkno)
{
	BlockNote	note = *note_of(c, blkno);
	int64		progress = c->progress;

	switch (note.kind)
	{
		case VECAM_PAGE_FREE:
			/* others shall not begin anew here */
			vecam_record_free_space(c->index, blkno, 0);
			return;
		case VECAM_PAGE_NODE:
			vacate_node_page(c, blkno);
			break;
		case VECAM_PAGE_GROWING:
		case VECAM_PAGE_TIDS:
		case VECAM_PAGE_ENTRY:
			empty_list_page(c, note.list, blkno, blkno, find_list_room,
							&c->fill[note.list]);
			break;
		case VECAM_PAGE_DIRECTORY:
			vacate_directory_page(c, blkno);
			break;
		default:
			return;
	}
	if (c->progress > progress)
		c->pages_left--;
}

/* Whose code a page of a long row is a part of. */
typedef struct ExtentOwner
{
	BlockNumber blkno;			/* VECAM_META_BLKNO: not known */
	uint16		slot;
} ExtentOwner;

/*
 * The blocks of extents that a slot of a page names, or NULL if it names none
 * that may be moved: a row that is being sealed shares them with its node.
 */
static uint8 *
extent_payload(const VecamIndex *ix, Page page, int slot)
{
	if (VecamPageGetOpaque(page)->kind == VECAM_PAGE_NODE)
	{
		VecamNodeHeader *node = vecam_node_at(&ix->nodes, page, slot);

		return node->state == VECAM_NODE_LIVE ?
			VecamNodeCode(&ix->nodes, node) : NULL;
	}
	else
	{
		VecamTidEntry *entry = vecam_slot(VecamPageGetSlots(page), slot);

		return is_movable(VECAM_LIST_GROWING, entry) ?
			VecamGrowingPayload((VecamGrowingEntry *) entry) : NULL;
	}
}

/* The slots of a page that may name extents. */
static int
count_owner_slots(Compaction *c, Buffer buf)
{
	if (vecam_page_is(c->index, buf, VECAM_PAGE_NODE))
		return c->sealer->ix->nodes.per_page;
	if (vecam_slots_are_of(c->index, buf, VECAM_LIST_GROWING))
		return VecamPageGetSlots(BufferGetPage(buf))->nslots;
	return 0;
}

/* Note what the slots of a page own. */
static void
note_owners(Compaction *c, BlockNumber blkno, VecamBigArray *owners)
{
	const VecamIndex *ix = c->sealer->ix;
	Buffer		buf = ReadBuffer(c->index, blkno);
	int			nslots;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	nslots = count_owner_slots(c, buf);
	for (int slot = 0; slot < nslots; slot++)
	{
		uint8	   *payload = extent_payload(ix, BufferGetPage(buf), slot);
		BlockNumber blocks[VECAM_MAX_EXTENTS];

		if (payload == NULL)
			continue;
		vecam_extent_blocks(c->index, blkno, payload, ix->meta.nextents, blocks);
		for (int i = 0; i < ix->meta.nextents; i++)
		{
			if (blocks[i] < c->nblocks) /* else of a new row */
				*(ExtentOwner *) vecam_bigarray_at(owners, blocks[i]) =
					(ExtentOwner) {blkno, slot};
		}
	}
	UnlockReleaseBuffer(buf);
}

/* Let the owner, on the page in hand, name the new place of an extent page. */
static void
write_extent_move(Compaction *c, VecamPin *owner_pin, uint8 *name,
				  VecamPin *old_pin, Buffer new_buf)
{
	VecamStore *store = &c->sealer->store;
	VecamPin	new_pin = {BufferGetBlockNumber(new_buf), new_buf,
	BufferGetPage(new_buf)};
	VecamChange change;
	Page		page;
	Page		old_page;

	vecam_change_start(&change, store);
	page = vecam_change_page(&change, owner_pin, false);
	memcpy((char *) page + ((char *) name - (char *) owner_pin->page),
		   &new_pin.blkno, sizeof(BlockNumber));
	old_page = vecam_change_page(&change, old_pin, false);
	vecam_page_copy(vecam_change_page(&change, &new_pin, true), old_page);
	vecam_page_free(old_page);
	vecam_change_finish(&change);
	c->progress++;
}

/*
 * Move the extent page at block `old` to a free page, exclusively locked, if
 * the owner has it still; true if so.
 *
 * WAL: owner's page, two extent pages.
 */
static bool
move_extent(Compaction *c, const ExtentOwner *owner, BlockNumber old,
			Buffer new_buf)
{
	VecamStore *store = &c->sealer->store;
	VecamPin	owner_pin;
	VecamPin	old_pin;
	uint8	   *payload = NULL;
	bool		moved = false;

	vecam_store_pin(store, owner->blkno, BUFFER_LOCK_EXCLUSIVE, &owner_pin);
	if (owner->slot < count_owner_slots(c, owner_pin.buf))
		payload = extent_payload(c->sealer->ix, owner_pin.page, owner->slot);
	for (int i = 0; payload && i < c->sealer->ix->meta.nextents; i++)
	{
		uint8	   *name = payload + sizeof(BlockNumber) * i;

		if (memcmp(name, &old, sizeof(BlockNumber)) != 0)
			continue;
		vecam_store_pin(store, old, BUFFER_LOCK_EXCLUSIVE, &old_pin);
		moved = vecam_page_is(c->index, old_pin.buf, VECAM_PAGE_EXTENT);
		if (moved)
			write_extent_move(c, &owner_pin, name, &old_pin, new_buf);
		vecam_store_unpin(store, &old_pin);
		break;
	}
	vecam_store_unpin(store, &owner_pin);
	return moved;
}

/* Move the extent pages of long rows from the end to free pages. */
static void
compact_extents(Compaction *c)
{
	VecamBigArray *owners;

	if (c->sealer->ix->meta.nextents == 0 || c->pages_left <= 0)
		return;
	survey(c);
	owners = vecam_bigarray_create(c->nblocks, sizeof(ExtentOwner),
								   vecam_maintenance_memory() / 2);
	vecam_progress_begin(c->index, VECAM_PROGRESS_NOTE_OWNERS, c->nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < c->nblocks; blkno++)
	{
		pause_compaction(c);
		vecam_progress_update(blkno);
		note_owners(c, blkno, owners);
	}
	vecam_progress_begin(c->index, VECAM_PROGRESS_MOVE_EXTENTS, c->nblocks);
	for (BlockNumber blkno = c->nblocks;
		 blkno-- > VECAM_META_BLKNO + 1 && c->pages_left > 0;)
	{
		ExtentOwner *owner = vecam_bigarray_at(owners, blkno);
		Buffer		buf;

		if (note_of(c, blkno)->kind != VECAM_PAGE_EXTENT ||
			owner->blkno == VECAM_META_BLKNO)
			continue;
		pause_compaction(c);
		vecam_progress_update(c->nblocks - blkno);
		buf = take_free_page(c, blkno);
		if (!BufferIsValid(buf))
			break;
		if (move_extent(c, owner, blkno, buf))
			c->pages_left--;
		UnlockReleaseBuffer(buf);
		VECAM_STOP("compact-extent");
	}
	vecam_bigarray_free(owners);
	vecam_bigarray_free(c->notes);
}

/* One round; true if another one may do more. */
static bool
run_round(Compaction *c)
{
	c->progress = 0;
	survey(c);
	vecam_progress_begin(c->index, VECAM_PROGRESS_MOVE, c->nblocks);
	for (BlockNumber blkno = c->nblocks;
		 blkno-- > VECAM_META_BLKNO + 1 && c->pages_left > 0;)
	{
		pause_compaction(c);
		vecam_progress_update(c->nblocks - blkno);
		vacate_page(c, blkno);
	}
	vecam_bigarray_free(c->notes);
	c->stats->edges_repaired += vecam_finish_moves(&c->sealer->graph,
												   pause_compaction, c);
	compact_extents(c);
	return c->progress > 0 && c->pages_left > 0;
}

/*
 * The free pages of the index.  Reads all of it; delay is called for every page.
 */
int64
vecam_count_free_pages(Relation index, void (*delay) (void))
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	int64		n = 0;

	vecam_progress_begin(index, VECAM_PROGRESS_SURVEY, nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		delay();
		vecam_progress_update(blkno);
		n += note_block(index, blkno).kind == VECAM_PAGE_FREE;
	}
	return n;
}

/* Remove all dead nodes, and finish what others have left. */
static void
clean_graph(Compaction *c)
{
	VecamSealer *sealer = c->sealer;
	VecamRepairStats repair;

	c->stats->edges_repaired += vecam_finish_moves(&sealer->graph,
												   pause_compaction, c);
	vecam_sealer_trim_chunks(sealer, true, c->delay);
	vecam_sealer_finish_rows(sealer, c->delay);
	vecam_sealer_repair(sealer, true, true, c->delay, &repair);
	c->stats->nodes_removed += repair.dead;
	c->stats->edges_repaired += repair.edges + repair.linked;
}

/*
 * Compact an index, up to max_pages pages from its end.  delay is called for
 * every page.  Memory: maintenance_work_mem.  The caller keeps VACUUM and other
 * compactions out.
 */
void
vecam_compact_index(Relation index, int64 max_pages, void (*delay) (void),
					VecamCompactStats *stats)
{
	Compaction	c = {0};
	int64		free_before = vecam_count_free_pages(index, delay);

	memset(stats, 0, sizeof(*stats));
	c.index = index;
	c.delay = delay;
	c.pages_left = max_pages;
	c.stats = stats;
	c.sealer = vecam_sealer_begin(index, VECAM_SEAL_EXCLUSIVE, true);
	c.locked_at = GetCurrentTimestamp();
	VECAM_STOP("compact-begun");
	if (c.sealer->ix->meta.has_graph)
		clean_graph(&c);
	for (int i = 0; i < MAX_ROUNDS && run_round(&c); i++)
		;
	vecam_sealer_end(c.sealer);
	stats->pages_freed = Max(vecam_count_free_pages(index, delay) - free_before, 0);
}
