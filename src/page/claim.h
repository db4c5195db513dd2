/*-------------------------------------------------------------------------
 *
 * claim.h
 *	  Heavyweight locks that stand for blocks of an index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_CLAIM_H
#define VECAM_CLAIM_H

#include "storage/block.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

extern bool vecam_claim_block(Relation index, BlockNumber blkno,
							  LOCKMODE mode, bool wait);
extern void vecam_release_block(Relation index, BlockNumber blkno,
								LOCKMODE mode);

#endif							/* VECAM_CLAIM_H */
