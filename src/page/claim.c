/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Heavyweight locks that stand for blocks of an index.
 *
 * Sealers and VACUUM share out their work by them; no reader and no inserter
 * takes one.  They are locks of a tuple at offset 1 of the block, since a
 * page lock does less: before release 17 a process that has one may take no
 * other heavyweight lock, and the deadlock detector ignores it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "page/claim.h"

/*
 * Lock the block in the given mode until vecam_release_block or the end of the
 * transaction; false if it is not free and `wait` is false.
 */
bool
vecam_claim_block(Relation index, BlockNumber blkno, LOCKMODE mode, bool wait)
{
	ItemPointerData tid;

	ItemPointerSet(&tid, blkno, FirstOffsetNumber);
	if (!wait)
		return vecam_conditional_lock_tuple(index, &tid, mode);
	LockTuple(index, &tid, mode);
	return true;
}

void
vecam_release_block(Relation index, BlockNumber blkno, LOCKMODE mode)
{
	ItemPointerData tid;

	ItemPointerSet(&tid, blkno, FirstOffsetNumber);
	UnlockTuple(index, &tid, mode);
}
