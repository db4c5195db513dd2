/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  How far the maintenance of an index is, for the view vecam_progress.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_PROGRESS_H
#define VECAM_PROGRESS_H

#include "utils/relcache.h"

/* The total of a phase of which nobody knows how much there is to do. */
#define VECAM_PROGRESS_UNKNOWN (-1)

/* Rows between two updates. */
#define VECAM_PROGRESS_ROWS 64

/*
 * What is being done; numbers from 1, which PostgreSQL sets itself, as
 * ambuildphasename names them.  In parentheses: what total and done count.
 */
typedef enum VecamProgressPhase
{
	VECAM_PROGRESS_NONE,
	VECAM_PROGRESS_INITIALIZE,

	/* build */
	VECAM_PROGRESS_SAMPLE,		/* (pages of the table) */
	VECAM_PROGRESS_LOAD,		/* (pages of the table) */
	VECAM_PROGRESS_LINK,		/* (pages of the growing list) */
	VECAM_PROGRESS_WRITE,		/* (total is not known) */
	VECAM_PROGRESS_LOG,			/* (pages) */

	/* restore and checkpoint */
	VECAM_PROGRESS_TEST_CHECKPOINT, /* (nodes) */
	VECAM_PROGRESS_RESTORE_NODES,	/* (nodes) */
	VECAM_PROGRESS_RESTORE_EDGES,	/* (nodes) */
	VECAM_PROGRESS_NUMBER_NODES,	/* (pages) */
	VECAM_PROGRESS_WRITE_NODES, /* (pages) */

	/* sealing */
	VECAM_PROGRESS_SEAL,		/* (pages of the growing list) */
	VECAM_PROGRESS_FINISH_ROWS, /* (pages of the growing list) */

	/* bulkdelete and cleanup */
	VECAM_PROGRESS_DELETE_ROWS, /* (pages of the list) */
	VECAM_PROGRESS_DELETE_NODES,	/* (pages) */
	VECAM_PROGRESS_DELETE_CHUNKS,	/* (pages of the list) */
	VECAM_PROGRESS_TRIM_CHUNKS, /* (pages) */
	VECAM_PROGRESS_FREE_PAGES,	/* (pages of the list) */
	VECAM_PROGRESS_SURVEY,		/* (pages) */

	/* repair: all count pages */
	VECAM_PROGRESS_NOTE_NODES,
	VECAM_PROGRESS_SPLICE,
	VECAM_PROGRESS_ADD_ENTRIES,
	VECAM_PROGRESS_FOLLOW_EDGES,
	VECAM_PROGRESS_LINK_UNREACHED,
	VECAM_PROGRESS_FREE_NODES,

	/* compaction: all count pages */
	VECAM_PROGRESS_MOVE,
	VECAM_PROGRESS_COLLECT_MOVES,
	VECAM_PROGRESS_REWRITE,
	VECAM_PROGRESS_FREE_MOVED,
	VECAM_PROGRESS_NOTE_OWNERS,
	VECAM_PROGRESS_MOVE_EXTENTS,
	VECAM_PROGRESS_TRUNCATE,

	/* check */
	VECAM_PROGRESS_CHECK_PAGES, /* (pages) */
	VECAM_PROGRESS_CHECK_LISTS, /* (pages of lists) */
	VECAM_PROGRESS_CHECK_NODES, /* (pages) */
	VECAM_PROGRESS_CHECK_EDGES, /* (pages) */
	VECAM_PROGRESS_CHECK_PATHS, /* (nodes) */
	VECAM_PROGRESS_CHECK_TABLE, /* (rows of the index) */
	VECAM_PROGRESS_CHECK_TIDS,	/* (rows of the index) */
} VecamProgressPhase;

extern bool vecam_progress_start(Relation index);
extern void vecam_progress_begin(Relation index, VecamProgressPhase phase,
								 int64 total);
extern void vecam_progress_update(int64 done);
extern void vecam_progress_advance(void);
extern void vecam_progress_end(void);
extern const char *vecam_progress_phase_name(int64 phase);

/* For loops over rows: so many are done. */
static inline void
vecam_progress_update_rows(int64 done)
{
	if (done % VECAM_PROGRESS_ROWS == 0)
		vecam_progress_update(done);
}

#endif							/* VECAM_PROGRESS_H */
