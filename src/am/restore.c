/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  Building an index from a checkpoint.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "am/restore.h"
#include "compat.h"

/* What the build that this backend is about to start is made from. */
static VecamRestore *request = NULL;

/*
 * Build the index anew, from the checkpoint.
 */
void
vecam_restore_build(VecamRestore *restore, char persistence)
{
	PG_TRY();
	{
		request = restore;
		vecam_reindex(restore->index, persistence);
	}
	PG_FINALLY();
	{
		request = NULL;
	}
	PG_END_TRY();
}

/*
 * The checkpoint that the index is to be built from, or NULL.
 */
VecamRestore *
vecam_restore_of(Relation index)
{
	return request && request->index == RelationGetRelid(index) ? request : NULL;
}

/*
 * The error that tells what is wrong with a chunk.
 */
void
vecam_restore_complain(const VecamCheckpointReader *reader,
					   VecamCheckpointResult result, int64 chunk)
{
	if (result == VECAM_CHECKPOINT_VERSION_UNKNOWN)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("checkpoint has format version %u, but this vecam reads version %u",
						reader->head.version, VECAM_CHECKPOINT_VERSION)));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("chunk " INT64_FORMAT " of the checkpoint is damaged", chunk),
			 errdetail_internal("%s", reader->damage)));
}

/* Go on to the next chunk; false at the end. */
static bool
next_chunk(VecamRestore *restore)
{
	const char *chunk;
	Size		bytes;
	VecamCheckpointResult result;

	if (!restore->next_chunk(restore->arg, &chunk, &bytes))
		return false;
	result = vecam_checkpoint_read_chunk(&restore->reader, chunk, bytes);
	if (result != VECAM_CHECKPOINT_NO_NODE)
		vecam_restore_complain(&restore->reader, result, restore->reader.nchunks);
	return true;
}

/*
 * Read the head.
 */
void
vecam_restore_start(VecamRestore *restore)
{
	vecam_checkpoint_reader_init(&restore->reader);
	if (!next_chunk(restore))
		elog(ERROR, "checkpoint without chunks");
}

/*
 * The next node, which stays until the next call; false at the end.
 */
bool
vecam_restore_next_node(VecamRestore *restore, VecamCheckpointNode *node)
{
	VecamCheckpointReader *reader = &restore->reader;
	VecamCheckpointResult result;

	while ((result = vecam_checkpoint_next_node(reader, node)) != VECAM_CHECKPOINT_NODE)
	{
		if (result != VECAM_CHECKPOINT_NO_NODE)
			vecam_restore_complain(reader, result, (int64) reader->nchunks - 1);
		if (!next_chunk(restore))
			return false;
	}
	return true;
}

static void
check_equal(const char *what, int found, int expected, const char *hint)
{
	if (found != expected)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("checkpoint has %s %d, but the index has %d", what,
						found, expected),
				 errhint("%s", hint)));
}

/*
 * The checkpoint must be one of an index of the same shape.
 */
void
vecam_restore_check_shape(const VecamCheckpointHead *head,
						  const VecamMetaPageData *meta)
{
	static const char *const metrics[] = {"l2", "cosine", "inner product"};

	if (head->dims != meta->dims)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("checkpoint has %u dimensions, but the index has %u",
						head->dims, meta->dims)));
	if (head->metric != meta->metric)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("checkpoint has metric %s, but the index has %s",
						metrics[head->metric], metrics[meta->metric])));
	if (head->nnodes == 0)
		return;
	if (meta->kind == VECAM_KIND_FLAT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("checkpoint has a graph, but the index has kind flat"),
				 errhint("Set the index's option kind first.")));
	check_equal("m", head->m, meta->m, "Set the index's option m first.");
	check_equal("sketch_bits", head->sketch_bits, meta->sketch_bits,
				"Set the index's option sketch_bits first.");
	check_equal("fine_bits", head->fine_bits, meta->fine_bits,
				"Set the index's option rerank first.");
}
