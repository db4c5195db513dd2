/*-------------------------------------------------------------------------
 *
 * store.h
 *	  Where graph code gets its pages from.
 *
 * One code builds and inserts.  A store gives it pages
 *
 *		in memory	page images of a build, up to a limit,
 *		unlogged	shared buffers, of a build that has outgrown the limit;
 *					the whole relation is logged at the end,
 *		logged		shared buffers, each change a generic WAL record.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_STORE_H
#define VECAM_STORE_H

#include "page/cache.h"
#include "page/page.h"
#include "page/record.h"

typedef enum VecamStoreMode
{
	VECAM_STORE_MEMORY,
	VECAM_STORE_UNLOGGED,
	VECAM_STORE_LOGGED,
} VecamStoreMode;

typedef struct VecamStore
{
	Relation	index;
	VecamStoreMode mode;
	VecamIndexCache *cache;		/* of known buffers, or NULL */
	MemoryContext context;		/* of the images */
	char	  **chunks;			/* images, allocated in pieces */
	int			nchunks;
	BlockNumber nblocks;		/* pages in memory */
	BlockNumber max_blocks;
	BlockNumber *free;			/* builds: pages given back */
	int			nfree;
} VecamStore;

/* A page in hand: in memory, or pinned and locked. */
typedef struct VecamPin
{
	BlockNumber blkno;
	Buffer		buf;			/* InvalidBuffer: in memory */
	Page		page;
} VecamPin;

/* One atomic change of up to four locked pages. */
typedef struct VecamChange
{
	VecamStore *store;
	VecamRecord *record;
	int			npins;
	VecamPin   *pins[VECAM_RECORD_PAGES];
} VecamChange;

/* store.c */
extern void vecam_store_init(VecamStore *store, Relation index,
							 VecamStoreMode mode, Size memory);
extern void vecam_store_leave_memory(VecamStore *store, Size bytes);
extern void vecam_store_spill(VecamStore *store);
extern BlockNumber vecam_store_nblocks(VecamStore *store);
extern void vecam_store_pin(VecamStore *store, BlockNumber blkno,
							int lockmode, VecamPin *pin);
extern char *vecam_store_peek(VecamStore *store, BlockNumber blkno);
extern void vecam_store_alloc(VecamStore *store, VecamPin *pin);
extern void vecam_store_take_page(VecamStore *store, BlockNumber blkno,
								  Page copy);
extern void vecam_store_unpin(VecamStore *store, VecamPin *pin);
extern void vecam_change_start(VecamChange *change, VecamStore *store);
extern Page vecam_change_page(VecamChange *change, VecamPin *pin, bool whole);
extern void vecam_change_finish(VecamChange *change);

#endif							/* VECAM_STORE_H */
