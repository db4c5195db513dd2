/*-------------------------------------------------------------------------
 *
 * tidset.h
 *	  Sets of TIDs, for scans that may meet a row twice.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_TIDSET_H
#define VECAM_TIDSET_H

#include "common/hashfn.h"
#include "page/page.h"

/* Room in a set at first. */
#define VECAM_TIDSET_ROWS 32

typedef struct TidSetEntry
{
	ItemPointerData tid;
	char		status;
} TidSetEntry;

static inline uint32
hash_tid(const ItemPointerData *tid)
{
	return murmurhash32(ItemPointerGetBlockNumberNoCheck(tid)) ^
		murmurhash32(ItemPointerGetOffsetNumberNoCheck(tid));
}

#define SH_PREFIX tidset
#define SH_ELEMENT_TYPE TidSetEntry
#define SH_KEY_TYPE ItemPointerData
#define SH_KEY tid
#define SH_HASH_KEY(tb, key) hash_tid(&(key))
#define SH_EQUAL(tb, a, b) (vecam_same_tid(&(a), &(b)))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#endif							/* VECAM_TIDSET_H */
