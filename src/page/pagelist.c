/*-------------------------------------------------------------------------
 *
 * pagelist.c
 *	  Lists of slot pages, kept in directory pages.
 *
 * A directory page holds up to 2,034 block numbers; directory pages form a
 * chain that the meta page roots.  They are never freed, and an entry keeps
 * its place, so a walk may stop anywhere and go on later without a lock; what
 * it must expect is that a page has left the list, or the whole kind, since it
 * read the number.  (A chain through the slot pages themselves would break
 * under a reader that stands on a page which is freed, and could not be
 * prefetched.)
 *
 * Locks: meta page, then directory pages in chain order, then slot pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "page/pagelist.h"
#include "page/record.h"
#include "page/slots.h"
#include "page/stop.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* Pages asked for ahead of a walk that misses the cache. */
#define PREFETCH_MAX 64

/*
 * One in so many pages is always looked up in the buffer table, others in each
 * walk: ReadRecentBuffer does not raise a buffer's usage count, and pages that
 * are read often must not be evicted before those that are not.
 */
#define LOOKUP_INTERVAL 16

/* A directory page that is not found in so many walks is damaged. */
#define ORDINAL_TRIES 8

static uint32 nwalks = 0;

/*
 * Make the page an empty directory page, the ordinal-th of its list.
 */
void
vecam_directory_init(Page page, VecamList list, uint32 ordinal)
{
	VecamDirectoryPage *dir;

	vecam_page_init(page, VECAM_PAGE_DIRECTORY);
	dir = VecamPageGetDirectory(page);
	dir->list = list;
	dir->ordinal = ordinal;
	for (int i = 0; i < VECAM_NEWEST_PAGES; i++)
		dir->newest[i] = InvalidBlockNumber;
	vecam_page_set_used(page, offsetof(VecamDirectoryPage, blocks));
}

/* The place for another entry, or -1 if the page is full. */
static int
find_place(const VecamDirectoryPage *dir)
{
	if (dir->nblocks < VECAM_DIRECTORY_CAPACITY)
		return dir->nblocks;
	for (int i = 0; i < dir->nblocks; i++)
	{
		if (!BlockNumberIsValid(dir->blocks[i]))
			return i;
	}
	return -1;
}

/*
 * Add a block to a directory page image; false if the page is full.  New
 * entries go to the end while there is room, so that a walk under way sees
 * them; holes are filled after that.
 */
bool
vecam_directory_put(Page page, BlockNumber blkno)
{
	VecamDirectoryPage *dir = VecamPageGetDirectory(page);
	int			place = find_place(dir);

	if (place < 0)
		return false;
	if (place == dir->nblocks)
		vecam_page_set_used(page, offsetof(VecamDirectoryPage, blocks) +
							sizeof(BlockNumber) * ++dir->nblocks);
	dir->blocks[place] = blkno;
	memmove(dir->newest + 1, dir->newest,
			sizeof(BlockNumber) * (VECAM_NEWEST_PAGES - 1));
	dir->newest[0] = blkno;
	return true;
}

/* Could vecam_directory_put add to this page? */
static bool
directory_has_room(Page page)
{
	return find_place(VecamPageGetDirectory(page)) >= 0;
}

/*
 * Lock a directory page of the list.
 */
static Buffer
read_directory(Relation index, BlockNumber blkno, VecamList list, int lockmode)
{
	Buffer		buf = vecam_read_page(index, blkno, lockmode);

	if (!vecam_page_is(index, buf, VECAM_PAGE_DIRECTORY) ||
		VecamPageGetDirectory(BufferGetPage(buf))->list != list)
		vecam_corrupt(index, blkno, "not a directory page of list %d", list);
	return buf;
}

static bool
is_directory(Relation index, Buffer buf, VecamList list)
{
	return vecam_page_is(index, buf, VECAM_PAGE_DIRECTORY) &&
		VecamPageGetDirectory(BufferGetPage(buf))->list == list;
}

/*
 * Lock the directory page that takes the list's additions; InvalidBuffer if the
 * list is empty.  Compaction may move it between the two looks.
 */
static Buffer
read_target(Relation index, VecamList list, int lockmode)
{
	BlockNumber last = InvalidBlockNumber;

	for (;;)
	{
		VecamMetaPageData meta;
		BlockNumber target;
		Buffer		buf;

		CHECK_FOR_INTERRUPTS();
		vecam_meta_read(index, &meta);
		target = meta.lists[list].target;
		if (!BlockNumberIsValid(target))
			return InvalidBuffer;
		if (target == last)
			vecam_corrupt(index, target, "not a directory page of list %d", list);
		buf = vecam_read_page(index, target, lockmode);
		if (is_directory(index, buf, list))
			return buf;
		UnlockReleaseBuffer(buf);
		last = target;
	}
}

/*
 * Lock the directory page of this ordinal, for reading, if it is at this block.
 */
static Buffer
try_ordinal(Relation index, VecamList list, uint32 ordinal, BlockNumber blkno)
{
	Buffer		buf;

	if (!BlockNumberIsValid(blkno))
		return InvalidBuffer;
	buf = vecam_read_page(index, blkno, BUFFER_LOCK_SHARE);
	if (is_directory(index, buf, list) &&
		VecamPageGetDirectory(BufferGetPage(buf))->ordinal == ordinal)
		return buf;
	UnlockReleaseBuffer(buf);
	return InvalidBuffer;
}

/*
 * Lock the directory page of this ordinal, for reading.  It was at `blkno` when
 * its number was read, but compaction may have moved it; then it is found from
 * the head of the chain.
 */
static Buffer
read_ordinal(Relation index, VecamList list, uint32 ordinal, BlockNumber blkno)
{
	Buffer		buf = try_ordinal(index, list, ordinal, blkno);

	for (int left = ORDINAL_TRIES; !BufferIsValid(buf); left--)
	{
		VecamMetaPageData meta;
		BlockNumber next;

		CHECK_FOR_INTERRUPTS();
		if (left == 0)
			vecam_corrupt(index, blkno, "not directory page %u of list %d",
						  ordinal, list);
		vecam_meta_read(index, &meta);
		next = meta.lists[list].head;
		for (uint32 i = 0; i <= ordinal; i++)
		{
			buf = try_ordinal(index, list, i, next);
			if (!BufferIsValid(buf) || i == ordinal)
				break;
			next = VecamPageGetOpaque(BufferGetPage(buf))->next;
			UnlockReleaseBuffer(buf);
		}
	}
	return buf;
}

/*
 * Every entry must be a block of the relation, which nobody cuts while we have
 * its lock.
 */
static void
check_entries(VecamListWalk *walk)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(walk->index);

	for (int i = 0; i < walk->nblocks; i++)
	{
		BlockNumber blkno = walk->blocks[i];

		if (BlockNumberIsValid(blkno) &&
			(blkno == VECAM_META_BLKNO || blkno >= nblocks))
			vecam_corrupt(walk->index, walk->directory,
						  "entry for block %u of %u", blkno, nblocks);
	}
}

/* Copy a directory page into the walk. */
static void
load_directory(VecamListWalk *walk, BlockNumber blkno)
{
	Buffer		buf = read_ordinal(walk->index, walk->list, walk->ordinal, blkno);
	Page		page = BufferGetPage(buf);
	VecamDirectoryPage *dir = VecamPageGetDirectory(page);

	walk->directory = BufferGetBlockNumber(buf);
	walk->next = VecamPageGetOpaque(page)->next;
	walk->nblocks = dir->nblocks;
	if (walk->ordinal == walk->end_ordinal)
		walk->nblocks = Min(walk->nblocks, walk->end_position);
	memcpy(walk->blocks, dir->blocks, sizeof(BlockNumber) * walk->nblocks);
	UnlockReleaseBuffer(buf);
	check_entries(walk);
}

/*
 * Start a walk over the list as the meta page roots it.
 */
void
vecam_list_begin(VecamListWalk *walk, Relation index,
				 const VecamMetaPageData *meta, VecamList list)
{
	walk->index = index;
	walk->list = list;
	walk->root = meta->lists[list].head;
	walk->directory = InvalidBlockNumber;
	walk->next = walk->root;
	walk->ordinal = 0;
	walk->position = 0;
	walk->end_ordinal = PG_UINT32_MAX;
	walk->end_position = VECAM_DIRECTORY_CAPACITY;
	walk->nblocks = 0;
	walk->prefetched = 0;
	walk->distance = 0;
	walk->buffer = InvalidBuffer;
	walk->in_sequence = false;
	walk->lookup_turn = nwalks++ % LOOKUP_INTERVAL;
	walk->reads = pgBufferUsage.shared_blks_read;
}

/*
 * Start a walk that ends where the list ends now, as inserters can be faster
 * than whoever walks.  It meets all rows that are in the list now and stay
 * there: a page keeps its place in the directory, unless compaction moves it.
 * Pages that take the places of others meanwhile are seen, which are no more
 * than there are places.
 */
void
vecam_list_begin_bounded(VecamListWalk *walk, Relation index,
						 const VecamMetaPageData *meta, VecamList list)
{
	BlockNumber next;

	vecam_list_begin(walk, index, meta, list);
	next = walk->root;
	for (uint32 ordinal = 0; BlockNumberIsValid(next); ordinal++)
	{
		Buffer		buf = read_ordinal(index, list, ordinal, next);
		Page		page = BufferGetPage(buf);

		walk->end_ordinal = ordinal;
		walk->end_position = VecamPageGetDirectory(page)->nblocks;
		next = VecamPageGetOpaque(page)->next;
		UnlockReleaseBuffer(buf);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Ask the operating system for pages ahead, but only while the walk misses
 * the cache: looking a cached page up costs more than it saves.  Nor for a
 * block that follows the one before it in the file: the system's own reading
 * ahead does better with larger pieces.
 */
static void
prefetch_ahead(VecamListWalk *walk)
{
	if (pgBufferUsage.shared_blks_read != walk->reads)
	{
		walk->reads = pgBufferUsage.shared_blks_read;
		walk->distance = Min(PREFETCH_MAX, Max(4, walk->distance * 2));
	}
	else if (walk->distance > 0)
		walk->distance--;

	walk->prefetched = Max(walk->prefetched, walk->position);
	while (walk->prefetched < walk->nblocks &&
		   walk->prefetched < walk->position + walk->distance)
	{
		int			i = walk->prefetched++;
		BlockNumber blkno = walk->blocks[i];

		if (BlockNumberIsValid(blkno) &&
			(i == 0 || walk->blocks[i - 1] + 1 != blkno))
			PrefetchBuffer(walk->index, MAIN_FORKNUM, blkno);
	}
}

/* Load the next directory page, or what has been added to the last one. */
static bool
load_more(VecamListWalk *walk)
{
	BlockNumber last = walk->directory;

	if (BlockNumberIsValid(last))
	{
		load_directory(walk, last);
		if (walk->position < walk->nblocks)
			return true;
		if (walk->ordinal == walk->end_ordinal)
			return false;
	}
	if (!BlockNumberIsValid(walk->next))
		return false;
	if (BlockNumberIsValid(last))
		walk->ordinal++;
	load_directory(walk, walk->next);
	walk->position = 0;
	walk->prefetched = 0;
	return true;
}

/*
 * The next page of the list, or InvalidBlockNumber at the end.  Pages added
 * while the walk goes on are seen, unless it is bounded.  The page may have left the list meanwhile:
 * the caller tests it under its lock.  Takes and drops a share lock on a
 * directory page now and then.
 */
BlockNumber
vecam_list_next(VecamListWalk *walk)
{
	for (;;)
	{
		while (walk->position < walk->nblocks)
		{
			BlockNumber blkno = walk->blocks[walk->position++];

			if (BlockNumberIsValid(blkno))
			{
				prefetch_ahead(walk);
				return blkno;
			}
		}
		if (!load_more(walk))
			return InvalidBlockNumber;
	}
}

/*
 * Pin the page if it stands in shared buffers behind the last one.  A list that
 * was built or read in one go does so, and a look at a buffer costs a fraction
 * of a search in the buffer table.
 */
static bool
read_neighbour(VecamListWalk *walk, BlockNumber blkno)
{
	return walk->in_sequence && walk->buffer < NBuffers &&
		blkno % LOOKUP_INTERVAL != walk->lookup_turn &&
		vecam_read_recent_buffer(walk->index, blkno, walk->buffer + 1);
}

/*
 * Pin the next page of the list, as vecam_list_next gives it; InvalidBuffer at
 * the end.
 */
Buffer
vecam_list_read_next(VecamListWalk *walk)
{
	BlockNumber blkno = vecam_list_next(walk);
	Buffer		buf;

	if (!BlockNumberIsValid(blkno))
		return InvalidBuffer;
	if (read_neighbour(walk, blkno))
		return ++walk->buffer;

	buf = ReadBuffer(walk->index, blkno);
	walk->in_sequence = buf > 1 && buf == walk->buffer + 1;
	walk->buffer = buf;
	return buf;
}

/*
 * Add the new page to the list's first directory page, creating that.  The
 * meta page is locked exclusively and says that the list is empty.
 *
 * WAL: meta, directory, slot page.
 */
static void
start_list(Relation index, Buffer meta_buf, Buffer dir_buf, Buffer buf,
		   VecamList list, int slot_size)
{
	VecamRecord *record = vecam_record_start(index);
	Page		meta_page = vecam_record_page(record, meta_buf, false);
	Page		dir_page = vecam_record_page(record, dir_buf, true);
	Page		page = vecam_record_page(record, buf, true);
	VecamListRoot *root = &VecamPageGetMeta(meta_page)->lists[list];

	root->head = root->target = BufferGetBlockNumber(dir_buf);
	vecam_directory_init(dir_page, list, 0);
	vecam_directory_put(dir_page, BufferGetBlockNumber(buf));
	vecam_slots_init(page, list, slot_size);
	vecam_record_finish(record);
}

/*
 * Add the new page to a directory page that has room.
 *
 * WAL: directory, slot page.
 */
static void
extend_list(Relation index, Buffer dir_buf, Buffer buf,
			VecamList list, int slot_size)
{
	VecamRecord *record = vecam_record_start(index);
	Page		dir_page = vecam_record_page(record, dir_buf, false);
	Page		page = vecam_record_page(record, buf, true);

	vecam_directory_put(dir_page, BufferGetBlockNumber(buf));
	vecam_slots_init(page, list, slot_size);
	vecam_record_finish(record);
}

/*
 * Add the new page to a directory page that has room, and let further pages be
 * added there.
 *
 * WAL: meta, directory, slot page.
 */
static void
retarget_list(Relation index, Buffer meta_buf, Buffer dir_buf, Buffer buf,
			  VecamList list, int slot_size)
{
	VecamRecord *record = vecam_record_start(index);
	Page		meta_page = vecam_record_page(record, meta_buf, false);
	Page		dir_page = vecam_record_page(record, dir_buf, false);
	Page		page = vecam_record_page(record, buf, true);

	VecamPageGetMeta(meta_page)->lists[list].target =
		BufferGetBlockNumber(dir_buf);
	vecam_directory_put(dir_page, BufferGetBlockNumber(buf));
	vecam_slots_init(page, list, slot_size);
	vecam_record_finish(record);
}

/*
 * Add the new page to a new directory page behind the last one, and let
 * further pages be added there.
 *
 * WAL: meta, last directory, new directory, slot page.
 */
static void
extend_chain(Relation index, Buffer meta_buf, Buffer last_buf, Buffer dir_buf,
			 Buffer buf, VecamList list, int slot_size)
{
	VecamRecord *record = vecam_record_start(index);
	Page		meta_page = vecam_record_page(record, meta_buf, false);
	Page		last_page = vecam_record_page(record, last_buf, false);
	Page		dir_page = vecam_record_page(record, dir_buf, true);
	Page		page = vecam_record_page(record, buf, true);

	VecamPageGetMeta(meta_page)->lists[list].target =
		BufferGetBlockNumber(dir_buf);
	VecamPageGetOpaque(last_page)->next = BufferGetBlockNumber(dir_buf);
	vecam_directory_init(dir_page, list,
						 VecamPageGetDirectory(last_page)->ordinal + 1);
	vecam_directory_put(dir_page, BufferGetBlockNumber(buf));
	vecam_slots_init(page, list, slot_size);
	vecam_record_finish(record);
}

static bool
is_block(Buffer buf, BlockNumber blkno)
{
	return BufferIsValid(buf) && BufferGetBlockNumber(buf) == blkno;
}

/*
 * Lock the directory page at a place of the chain, exclusively.  A damaged chain
 * may go in a circle, or lead to one of the free pages that are locked already
 * (InvalidBuffer for none).
 */
static Buffer
lock_in_chain(Relation index, BlockNumber blkno, VecamList list, uint32 ordinal,
			  Buffer free_buf, Buffer other_free_buf)
{
	Buffer		buf;

	if (is_block(free_buf, blkno) || is_block(other_free_buf, blkno))
		vecam_corrupt(index, blkno, "free page in the directory of list %d", list);
	buf = read_directory(index, blkno, list, BUFFER_LOCK_EXCLUSIVE);
	if (VecamPageGetDirectory(BufferGetPage(buf))->ordinal != ordinal)
		vecam_corrupt(index, blkno, "directory page %u, not %u",
					  VecamPageGetDirectory(BufferGetPage(buf))->ordinal,
					  ordinal);
	return buf;
}

/*
 * The first directory page of the chain with room, or else the last one,
 * exclusively locked; *has_room says which.
 */
static Buffer
find_directory(Relation index, BlockNumber head, VecamList list, Buffer dir_buf,
			   Buffer new_buf, bool *has_room)
{
	BlockNumber blkno = head;

	for (uint32 ordinal = 0;; ordinal++)
	{
		Buffer		buf = lock_in_chain(index, blkno, list, ordinal, dir_buf,
										new_buf);
		Page		page = BufferGetPage(buf);
		BlockNumber next = VecamPageGetOpaque(page)->next;

		*has_room = directory_has_room(page);
		if (*has_room || !BlockNumberIsValid(next))
			return buf;
		UnlockReleaseBuffer(buf);
		blkno = next;
	}
}

/*
 * The directory page that pages are added to is full, or there is none: find
 * one with room, or make one.  Happens once in some 2,000 pages.  `buf` is the
 * new slot page, exclusively locked, as is `dir_buf`, a free page; true if
 * that has become a directory page.
 */
static bool
grow_directory(Relation index, Buffer dir_buf, Buffer buf,
			   VecamList list, int slot_size)
{
	Buffer		meta_buf = ReadBuffer(index, VECAM_META_BLKNO);
	BlockNumber head;
	bool		has_room = false;

	LockBuffer(meta_buf, BUFFER_LOCK_EXCLUSIVE);
	head = vecam_meta_of_buffer(index, meta_buf)->lists[list].head;

	if (!BlockNumberIsValid(head))
		start_list(index, meta_buf, dir_buf, buf, list, slot_size);
	else
	{
		Buffer		found_buf = find_directory(index, head, list, dir_buf, buf,
											   &has_room);

		if (has_room)
			retarget_list(index, meta_buf, found_buf, buf, list, slot_size);
		else
			extend_chain(index, meta_buf, found_buf, dir_buf, buf, list,
						 slot_size);
		UnlockReleaseBuffer(found_buf);
	}
	UnlockReleaseBuffer(meta_buf);
	return !has_room;
}

/*
 * Try to add the new slot page to the directory page that takes additions.
 * `buf` is the slot page, exclusively locked.
 */
static bool
add_to_target(Relation index, Buffer buf, VecamList list, int slot_size)
{
	Buffer		dir_buf = read_target(index, list, BUFFER_LOCK_EXCLUSIVE);
	bool		done = false;

	if (!BufferIsValid(dir_buf))
		return false;
	if (directory_has_room(BufferGetPage(dir_buf)))
	{
		extend_list(index, dir_buf, buf, list, slot_size);
		done = true;
	}
	UnlockReleaseBuffer(dir_buf);
	return done;
}

/*
 * Add an empty slot page to the list.  Returns it exclusively locked.  The
 * caller holds no content lock but of unlinked pages.
 */
Buffer
vecam_list_add_page(Relation index, VecamList list, int slot_size)
{
	Buffer		buf = vecam_alloc_page(index);
	Buffer		dir_buf;
	BlockNumber dir_blkno;
	bool		used;

	if (add_to_target(index, buf, list, slot_size))
		return buf;

	dir_buf = vecam_alloc_page(index);
	dir_blkno = BufferGetBlockNumber(dir_buf);
	used = grow_directory(index, dir_buf, buf, list, slot_size);
	UnlockReleaseBuffer(dir_buf);
	if (!used)
		vecam_record_free_page(index, dir_blkno);
	return buf;
}

/* The last directory page of the chain, exclusively locked. */
static Buffer
lock_last_directory(Relation index, BlockNumber head, VecamList list, Buffer buf,
					Buffer dir_buf)
{
	BlockNumber blkno = head;

	for (uint32 ordinal = 0;; ordinal++)
	{
		Buffer		found = lock_in_chain(index, blkno, list, ordinal, buf, dir_buf);

		blkno = VecamPageGetOpaque(BufferGetPage(found))->next;
		if (!BlockNumberIsValid(blkno))
			return found;
		UnlockReleaseBuffer(found);
	}
}

/*
 * Add the free page `buf`, exclusively locked, to a list that is not empty,
 * behind all others: walks under way come to it last.  If the last directory
 * page is full, `dir_buf`, another free page, becomes the next one; without it
 * (InvalidBuffer) nothing is done and false is returned.
 */
bool
vecam_list_append_page(Relation index, VecamList list, int slot_size,
					   Buffer buf, Buffer dir_buf)
{
	Buffer		meta_buf = ReadBuffer(index, VECAM_META_BLKNO);
	Buffer		last_buf;
	bool		full;

	LockBuffer(meta_buf, BUFFER_LOCK_EXCLUSIVE);
	last_buf = lock_last_directory(index,
								   vecam_meta_of_buffer(index, meta_buf)->lists[list].head,
								   list, buf, dir_buf);
	full = VecamPageGetDirectory(BufferGetPage(last_buf))->nblocks ==
		VECAM_DIRECTORY_CAPACITY;
	if (!full)
		extend_list(index, last_buf, buf, list, slot_size);
	else if (BufferIsValid(dir_buf))
		extend_chain(index, meta_buf, last_buf, dir_buf, buf, list, slot_size);
	UnlockReleaseBuffer(last_buf);
	UnlockReleaseBuffer(meta_buf);
	return !full || BufferIsValid(dir_buf);
}

/*
 * Lock the directory page before block `blkno` in the chain, exclusively;
 * InvalidBuffer if that is the first one.
 */
static Buffer
lock_directory_before(Relation index, BlockNumber head, VecamList list,
					  BlockNumber blkno, Buffer new_buf)
{
	BlockNumber next = head;

	for (uint32 ordinal = 0; next != blkno; ordinal++)
	{
		Buffer		buf;

		if (!BlockNumberIsValid(next))
			vecam_corrupt(index, blkno, "directory page in no chain");
		buf = lock_in_chain(index, next, list, ordinal, new_buf, InvalidBuffer);
		next = VecamPageGetOpaque(BufferGetPage(buf))->next;
		if (next == blkno)
			return buf;
		UnlockReleaseBuffer(buf);
	}
	return InvalidBuffer;
}

/*
 * Move a directory page to the free page `new_buf`, exclusively locked.  Walks
 * find it there by its ordinal.
 *
 * WAL: meta page, [directory page before it,] old and new directory page.
 */
static void
move_locked_directory(Relation index, VecamList list, Buffer meta_buf,
					  Buffer before_buf, Buffer old_buf, Buffer new_buf)
{
	VecamRecord *record = vecam_record_start(index);
	Page		meta_page = vecam_record_page(record, meta_buf, false);
	VecamListRoot *root = &VecamPageGetMeta(meta_page)->lists[list];
	BlockNumber old = BufferGetBlockNumber(old_buf);
	BlockNumber new = BufferGetBlockNumber(new_buf);
	Page		old_page;

	if (BufferIsValid(before_buf))
		VecamPageGetOpaque(vecam_record_page(record, before_buf, false))->next = new;
	else
		root->head = new;
	if (root->target == old)
		root->target = new;
	old_page = vecam_record_page(record, old_buf, false);
	vecam_page_copy(vecam_record_page(record, new_buf, true), old_page);
	vecam_page_free(old_page);
	vecam_record_finish(record);
}

/*
 * Move the directory page at this block to the free page `new_buf`, exclusively
 * locked; false if it is none.
 */
bool
vecam_list_move_directory(Relation index, BlockNumber blkno, Buffer new_buf)
{
	Buffer		meta_buf = ReadBuffer(index, VECAM_META_BLKNO);
	Buffer		old_buf = ReadBuffer(index, blkno);
	Buffer		before_buf;
	VecamList	list;
	bool		found;

	LockBuffer(meta_buf, BUFFER_LOCK_EXCLUSIVE);
	LockBuffer(old_buf, BUFFER_LOCK_SHARE);
	found = vecam_page_is(index, old_buf, VECAM_PAGE_DIRECTORY);
	list = found ? VecamPageGetDirectory(BufferGetPage(old_buf))->list : 0;
	LockBuffer(old_buf, BUFFER_LOCK_UNLOCK);
	if (found)
	{
		/* under the lock of the meta page no other one moves */
		before_buf = lock_directory_before(index,
										   vecam_meta_of_buffer(index, meta_buf)->lists[list].head,
										   list, blkno, new_buf);
		LockBuffer(old_buf, BUFFER_LOCK_EXCLUSIVE);
		move_locked_directory(index, list, meta_buf, before_buf, old_buf,
							  new_buf);
		LockBuffer(old_buf, BUFFER_LOCK_UNLOCK);
		if (BufferIsValid(before_buf))
			UnlockReleaseBuffer(before_buf);
	}
	ReleaseBuffer(old_buf);
	UnlockReleaseBuffer(meta_buf);
	return found;
}

/*
 * The directory page that names a page of the list, or InvalidBlockNumber.
 * Takes and drops share locks.
 */
BlockNumber
vecam_list_directory_of(Relation index, VecamList list, BlockNumber blkno)
{
	VecamMetaPageData meta;
	VecamListWalk *walk = palloc(sizeof(VecamListWalk));
	BlockNumber found = InvalidBlockNumber;
	BlockNumber next;

	vecam_meta_read(index, &meta);
	vecam_list_begin(walk, index, &meta, list);
	while (BlockNumberIsValid(next = vecam_list_next(walk)))
	{
		if (next == blkno)
		{
			found = walk->directory;
			break;
		}
	}
	pfree(walk);
	return found;
}

/*
 * The pages that joined the list last, as far as the directory page that takes
 * additions tells, into blocks[VECAM_NEWEST_PAGES]; returns how many.
 */
int
vecam_list_newest_pages(Relation index, VecamList list, BlockNumber *blocks)
{
	VecamDirectoryPage *dir;
	Buffer		buf;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	int			n = 0;

	buf = read_target(index, list, BUFFER_LOCK_SHARE);
	if (!BufferIsValid(buf))
		return 0;
	dir = VecamPageGetDirectory(BufferGetPage(buf));
	for (int i = 0; i < VECAM_NEWEST_PAGES; i++)
	{
		/* pages added since nblocks was read are somebody else's to fill */
		if (dir->newest[i] < nblocks)
			blocks[n++] = dir->newest[i];
	}
	UnlockReleaseBuffer(buf);
	return n;
}

/*
 * How many pages the list has.  Reads its directory pages, one for some 2,000.
 */
int64
vecam_list_count_pages(Relation index, VecamList list)
{
	VecamMetaPageData meta;
	BlockNumber blkno;
	int64		n = 0;

	vecam_meta_read(index, &meta);
	blkno = meta.lists[list].head;
	for (uint32 ordinal = 0; BlockNumberIsValid(blkno); ordinal++)
	{
		Buffer		buf = read_ordinal(index, list, ordinal, blkno);
		Page		page = BufferGetPage(buf);
		VecamDirectoryPage *dir = VecamPageGetDirectory(page);

		for (int i = 0; i < dir->nblocks; i++)
			n += BlockNumberIsValid(dir->blocks[i]);
		blkno = VecamPageGetOpaque(page)->next;
		UnlockReleaseBuffer(buf);
		CHECK_FOR_INTERRUPTS();
	}
	return n;
}

/*
 * Take a slot page without rows out of its list and make it a free page;
 * `directory` is the directory page that names it.  Returns false if it has
 * rows by now.
 *
 * WAL: directory, slot page.
 */
bool
vecam_list_remove_page(Relation index, BlockNumber directory, BlockNumber blkno)
{
	Buffer		dir_buf;
	Buffer		buf;
	VecamDirectoryPage *dir;
	bool		removed = false;

	if (directory == blkno)
		vecam_corrupt(index, directory, "directory page that names itself");
	dir_buf = ReadBuffer(index, directory);
	buf = ReadBuffer(index, blkno);
	LockBuffer(dir_buf, BUFFER_LOCK_EXCLUSIVE);
	LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);

	dir = VecamPageGetDirectory(BufferGetPage(dir_buf));
	if (vecam_page_is(index, dir_buf, VECAM_PAGE_DIRECTORY) &&
		vecam_slots_are_of(index, buf, dir->list) &&
		VecamPageGetSlots(BufferGetPage(buf))->nlive == 0)
	{
		int			i = 0;

		while (i < dir->nblocks && dir->blocks[i] != blkno)
			i++;
		if (i < dir->nblocks)
		{
			VecamRecord *record = vecam_record_start(index);
			Page		dir_page = vecam_record_page(record, dir_buf, false);
			Page		page = vecam_record_page(record, buf, false);

			VecamPageGetDirectory(dir_page)->blocks[i] = InvalidBlockNumber;
			vecam_page_free(page);
			vecam_record_finish(record);
			removed = true;
		}
	}
	UnlockReleaseBuffer(buf);
	UnlockReleaseBuffer(dir_buf);
	if (removed)
		VECAM_STOP("page-removed");
	return removed;
}
