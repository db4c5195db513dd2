/*-------------------------------------------------------------------------
 *
 * listroom.c
 *	  Finding a page of a list with room for another slot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "page/pagelist.h"
#include "page/slots.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* Candidates of the free space map tried before the list gets a new page. */
#define FSM_TRIES 8

typedef enum PageTry
{
	PAGE_LOCKED,				/* exclusively, and it has room */
	PAGE_BUSY,					/* somebody has it locked */
	PAGE_USELESS				/* of another list, or full */
} PageTry;

/*
 * Lock the page if it belongs to the list and has room.  With `wait` false not
 * if somebody has it locked: concurrent inserters so spread over pages.
 */
static PageTry
try_page(Relation index, const VecamIndex *ix, VecamList list,
		 BlockNumber blkno, bool wait, Buffer *buf)
{
	VecamSlotPage *slots;

	*buf = ReadBuffer(index, blkno);
	if (wait)
		LockBuffer(*buf, BUFFER_LOCK_EXCLUSIVE);
	else if (!ConditionalLockBuffer(*buf))
	{
		ReleaseBuffer(*buf);
		*buf = InvalidBuffer;
		return PAGE_BUSY;
	}

	slots = vecam_slots_of_buffer(index, *buf, ix, list);
	if (slots && vecam_slots_find_free(slots) >= 0)
		return PAGE_LOCKED;

	UnlockReleaseBuffer(*buf);
	*buf = InvalidBuffer;
	return PAGE_USELESS;
}

/*
 * A page of the growing list with room that the free space map knows, or
 * InvalidBuffer.  Whole free pages are left to vecam_alloc_page.  Beside a
 * graph the map knows slots of nodes, for sealers to find, and no growing page
 * stays for long.
 */
static Buffer
try_free_space(Relation index, const VecamIndex *ix)
{
	for (int i = 0; i < FSM_TRIES; i++)
	{
		BlockNumber blkno = vecam_find_space(index, ix->meta.growing_size);
		Buffer		buf;
		PageTry		result;

		if (!BlockNumberIsValid(blkno))
			break;
		result = try_page(index, ix, VECAM_LIST_GROWING, blkno, false, &buf);
		if (result == PAGE_LOCKED)
			return buf;
		if (result == PAGE_BUSY)
			break;

		buf = vecam_claim_free_page(index, blkno);
		if (BufferIsValid(buf))
		{
			UnlockReleaseBuffer(buf);
			break;
		}
		vecam_record_free_space(index, blkno, 0);
	}
	return InvalidBuffer;
}

/* One of the newest pages of the list, if it has room and nobody is on it. */
static Buffer
try_newest_pages(Relation index, const VecamIndex *ix, VecamList list)
{
	BlockNumber blocks[VECAM_NEWEST_PAGES];
	int			n = vecam_list_newest_pages(index, list, blocks);

	for (int i = 0; i < n; i++)
	{
		Buffer		buf;

		if (try_page(index, ix, list, blocks[i], false, &buf) == PAGE_LOCKED)
			return buf;
	}
	return InvalidBuffer;
}

/*
 * Return a page of the list with room for a row, exclusively locked.  The
 * caller holds no content lock but of unlinked pages.
 *
 * A backend goes on with the page of its last row while it has that for itself.
 * If somebody else is on it, it goes elsewhere, where it stays: so inserters
 * that go on for a while have a page each.  Only if the newest pages are all in
 * use it waits for its own: a new page for each coincidence, of readers too,
 * would leave many that are hardly filled.  Who has extent pages locked does not
 * wait: its page may have been freed since, and be one of them, or be one of
 * another backend that waits as well.
 */
Buffer
vecam_list_lock_room(Relation index, const VecamIndex *ix, VecamList list)
{
	Buffer		buf = InvalidBuffer;
	bool		growing = (list == VECAM_LIST_GROWING);
	BlockNumber target = growing ? RelationGetTargetBlock(index) :
		InvalidBlockNumber;
	PageTry		result = PAGE_USELESS;

	if (BlockNumberIsValid(target))
		result = try_page(index, ix, list, target, false, &buf);
	if (result == PAGE_USELESS && growing && !ix->meta.has_graph)
		buf = try_free_space(index, ix);
	if (!BufferIsValid(buf))
		buf = try_newest_pages(index, ix, list);
	if (!BufferIsValid(buf) && result == PAGE_BUSY && ix->meta.nextents == 0)
		(void) try_page(index, ix, list, target, true, &buf);
	if (!BufferIsValid(buf))
		buf = vecam_list_add_page(index, list, vecam_slot_size(ix, list));
	if (growing)
		RelationSetTargetBlock(index, BufferGetBlockNumber(buf));
	return buf;
}
