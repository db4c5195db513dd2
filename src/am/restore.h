/*-------------------------------------------------------------------------
 *
 * restore.h
 *	  Building an index from a checkpoint.
 *
 * vecam_restore (admin/restore.c) puts a request in place and has the index
 * built anew by REINDEX's code; vecam_build finds the request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_RESTORE_H
#define VECAM_RESTORE_H

#include "page/checkpoint.h"
#include "utils/relcache.h"

typedef struct VecamRestore
{
	Oid			index;
	/* the next chunk, which stays until the call after; false at the end */
	bool		(*next_chunk) (void *arg, const char **chunk, Size *bytes);
	void	   *arg;
	VecamCheckpointReader reader;
	int64		nodes_adopted;
	int64		rows_inserted;
	int64		nodes_dropped;
} VecamRestore;

/* restore.c */
extern void vecam_restore_build(VecamRestore *restore, char persistence);
extern VecamRestore *vecam_restore_of(Relation index);
extern void vecam_restore_start(VecamRestore *restore);
extern bool vecam_restore_next_node(VecamRestore *restore,
									VecamCheckpointNode *node);
extern void vecam_restore_complain(const VecamCheckpointReader *reader,
								   VecamCheckpointResult result,
								   int64 chunk) pg_attribute_noreturn();
extern void vecam_restore_check_shape(const VecamCheckpointHead *head,
									  const VecamMetaPageData *meta);

#endif							/* VECAM_RESTORE_H */
