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

/*
 * Lock the page if it belongs to the list and has room, else InvalidBuffer.
 * With `wait` false a page that somebody has locked counts as full: concurrent
 * inserters so spread over pages.
 */
static Buffer
try_page(Relation index, const VecamIndex *ix, VecamList list,
		 BlockNumber blkno, bool wait)
{
	Buffer		buf = ReadBuffer(index, blkno);
	VecamSlotPage *slots;

	if (wait)
		LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
	else if (!ConditionalLockBuffer(buf))
	{
		ReleaseBuffer(buf);
		return InvalidBuffer;
	}

	slots = vecam_slots_of_buffer(index, buf, ix, list);
	if (slots && vecam_slots_find_free(slots) >= 0)
		return buf;

	UnlockReleaseBuffer(buf);
	return InvalidBuffer;
}

/*
 * A page of the growing list with room that the free space map knows, or
 * InvalidBuffer.  Whole free pages are left to vecam_alloc_page.
 */
static Buffer
try_free_space(Relation index, const VecamIndex *ix)
{
	for (int i = 0; i < FSM_TRIES; i++)
	{
		BlockNumber blkno = vecam_find_space(index, ix->meta.growing_size);
		Buffer		buf;

		if (!BlockNumberIsValid(blkno))
			break;
		buf = try_page(index, ix, VECAM_LIST_GROWING, blkno, true);
		if (BufferIsValid(buf))
			return buf;

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
		Buffer		buf = try_page(index, ix, list, blocks[i], false);

		if (BufferIsValid(buf))
			return buf;
	}
	return InvalidBuffer;
}

/*
 * Return a page of the list with room for a row, exclusively locked.  The
 * caller holds no content lock but of unlinked pages.
 */
Buffer
vecam_list_lock_room(Relation index, const VecamIndex *ix, VecamList list)
{
	Buffer		buf = InvalidBuffer;
	bool		growing = (list == VECAM_LIST_GROWING);
	BlockNumber target = RelationGetTargetBlock(index);

	if (growing && BlockNumberIsValid(target))
		buf = try_page(index, ix, list, target, true);
	if (!BufferIsValid(buf) && growing)
		buf = try_free_space(index, ix);
	if (!BufferIsValid(buf))
		buf = try_newest_pages(index, ix, list);
	if (!BufferIsValid(buf))
		buf = vecam_list_add_page(index, list, vecam_slot_size(ix, list));
	if (growing)
		RelationSetTargetBlock(index, BufferGetBlockNumber(buf));
	return buf;
}
