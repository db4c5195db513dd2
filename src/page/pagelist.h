/*-------------------------------------------------------------------------
 *
 * pagelist.h
 *	  Lists of slot pages, kept in directory pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_PAGELIST_H
#define VECAM_PAGELIST_H

#include "page/meta.h"

/*
 * A walk over the pages of a list, in the order in which they joined it.  It
 * holds no lock and no pin between calls.
 */
typedef struct VecamListWalk
{
	Relation	index;
	VecamList	list;
	BlockNumber root;			/* first directory page */
	BlockNumber directory;		/* the one whose entries stand in blocks */
	BlockNumber next;			/* the one after it */
	uint32		ordinal;		/* the next one's, against cycles */
	int			position;		/* next entry of blocks */
	uint32		end_ordinal;	/* the walk ends in this directory page, */
	int			end_position;	/* ... before this entry */
	int			nblocks;
	int			prefetched;		/* entries already asked for */
	int			distance;		/* how far to prefetch; 0 while all is cached */
	Buffer		buffer;			/* of the page pinned last */
	bool		in_sequence;	/* it stood behind the one before it */
	uint32		lookup_turn;	/* which pages to look up all the same */
	int64		reads;			/* buffer misses of this backend at last look */
	BlockNumber blocks[VECAM_DIRECTORY_CAPACITY];
} VecamListWalk;

extern void vecam_list_begin(VecamListWalk *walk, Relation index,
							 const VecamMetaPageData *meta, VecamList list);
extern void vecam_list_begin_bounded(VecamListWalk *walk, Relation index,
									 const VecamMetaPageData *meta,
									 VecamList list);
extern BlockNumber vecam_list_next(VecamListWalk *walk);
extern Buffer vecam_list_read_next(VecamListWalk *walk);

extern Buffer vecam_list_add_page(Relation index, VecamList list,
								  int slot_size);
extern Buffer vecam_list_lock_room(Relation index, const VecamIndex *ix,
								   VecamList list);
extern bool vecam_list_append_page(Relation index, VecamList list,
								   int slot_size, Buffer buf, Buffer dir_buf);
extern bool vecam_list_move_directory(Relation index, BlockNumber blkno,
									  Buffer new_buf);
extern BlockNumber vecam_list_directory_of(Relation index, VecamList list,
										   BlockNumber blkno);
extern int64 vecam_list_count_pages(Relation index, VecamList list);
extern int	vecam_list_newest_pages(Relation index, VecamList list,
									BlockNumber *blocks);
extern bool vecam_list_remove_page(Relation index, BlockNumber directory,
								   BlockNumber blkno);
extern void vecam_directory_init(Page page, VecamList list, uint32 ordinal);
extern bool vecam_directory_put(Page page, BlockNumber blkno);

#endif							/* VECAM_PAGELIST_H */
