/*-------------------------------------------------------------------------
 *
 * checkpoint.c
 *	  vecam_checkpoint
 *
 * A checkpoint has the nodes of the graph in the order of their places, with
 * edges between their ordinals.  It is taken beside searches, inserts and
 * sealers: VACUUM is kept out by the lock of the table, and who moves or frees
 * nodes by the seal lock.  So nodes that the first pass has numbered are there
 * when the second one writes them; an edge to a node that has come in between
 * is left out.  Rows that are not in the graph are not in the checkpoint:
 * their table has them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "admin/admin.h"
#include "compat.h"
#include "graph/graph.h"
#include "miscadmin.h"
#include "page/bigarray.h"
#include "page/checkpoint.h"
#include "page/claim.h"
#include "page/progress.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(vecam_checkpoint);

#define NO_ORDINAL PG_UINT32_MAX

/* What is noted of a place of a node. */
typedef struct PlaceNote
{
	uint32		number;			/* ordinal + 1; 0: no node */
	uint8		generation;
} PlaceNote;

typedef struct Checkpoint
{
	Relation	index;
	VecamIndex *ix;
	VecamStore	store;
	VecamGraph	graph;
	BlockNumber nblocks;		/* of the relation when the first pass began */
	VecamBigArray *places;		/* PlaceNote[nblocks * per_page] */
	uint32		nnodes;
	VecamCheckpointWriter writer;
	uint8	   *code;			/* put together from extent pages */
	uint32	   *edges;			/* m0 */
	uint8	   *occlusions;		/* m0 */
	Tuplestorestate *result;
	TupleDesc	desc;
} Checkpoint;

/* Copy a page of nodes; false if it is another.  Takes and drops a share lock. */
static bool
read_node_page(Checkpoint *cp, BlockNumber blkno, Page copy)
{
	VecamPin	pin;
	bool		found = true;

	vecam_store_pin(&cp->store, blkno, BUFFER_LOCK_SHARE, &pin);
	for (int slot = 0; found && slot < cp->ix->nodes.per_page; slot++)
		found = vecam_node_of_pin(&cp->graph, &pin, slot) != NULL;
	if (found)
		memcpy(copy, pin.page, BLCKSZ);
	vecam_store_unpin(&cp->store, &pin);
	return found;
}

/* The place of a node, or -1 if the relation has no such. */
static int64
place_of(Checkpoint *cp, VecamRef ref)
{
	const VecamNodeLayout *nl = &cp->ix->nodes;
	BlockNumber blkno = VecamRefBlock(nl, ref);
	int			slot = VecamRefSlot(nl, ref);

	if (blkno >= cp->nblocks || slot >= nl->per_page)
		return -1;
	return (int64) blkno * nl->per_page + slot;
}

/* What is noted of a place; good until another note is asked for. */
static PlaceNote *
note_of(Checkpoint *cp, Size place)
{
	return vecam_bigarray_at(cp->places, place);
}

/* The ordinal of the node that an edge leads to, or NO_ORDINAL. */
static uint32
ordinal_of(Checkpoint *cp, VecamRef ref, uint8 generation)
{
	int64		place = place_of(cp, ref);
	PlaceNote  *note = place >= 0 ? note_of(cp, place) : NULL;

	return note && note->number > 0 && note->generation == generation ?
		note->number - 1 : NO_ORDINAL;
}

/*
 * First pass: number the nodes.  Edges to a slot whose node has moved lead to
 * where that is: in an earlier block (INV-30), so it has its number by now.
 */
static void
number_nodes(Checkpoint *cp)
{
	const VecamNodeLayout *nl = &cp->ix->nodes;
	PGAlignedBlock copy;

	cp->places = vecam_bigarray_create(mul_size(cp->nblocks, nl->per_page),
									   sizeof(PlaceNote),
									   vecam_maintenance_memory());
	vecam_progress_begin(cp->index, VECAM_PROGRESS_NUMBER_NODES, cp->nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < cp->nblocks; blkno++)
	{
		CHECK_FOR_INTERRUPTS();
		vecam_progress_update(blkno);
		if (!read_node_page(cp, blkno, (Page) copy.data))
			continue;
		for (int slot = 0; slot < nl->per_page; slot++)
		{
			VecamNodeHeader *node = vecam_node_at(nl, (Page) copy.data, slot);
			PlaceNote	note = {0, node->generation};

			if (node->state == VECAM_NODE_MOVED)
				note.number = ordinal_of(cp, node->forward,
										 node->forward_generation) + 1;
			else if (node->state != VECAM_NODE_FREE)
				note.number = ++cp->nnodes;
			*note_of(cp, (Size) blkno * nl->per_page + slot) = note;
		}
	}
}

static bool
has_edge(const Checkpoint *cp, int degree, uint32 to)
{
	for (int i = 0; i < degree; i++)
	{
		if (cp->edges[i] == to)
			return true;
	}
	return false;
}

static void
write_node(Checkpoint *cp, VecamNodeHeader *node, uint32 ordinal)
{
	const VecamNodeLayout *nl = &cp->ix->nodes;
	VecamCheckpointNode out = {0};

	for (int i = 0; i < node->degree; i++)
	{
		uint32		to = ordinal_of(cp, VecamNodeRefs(nl, node)[i],
									VecamNodeGenerations(nl, node)[i]);

		if (to == NO_ORDINAL || to == ordinal ||
			has_edge(cp, out.degree, to))
			continue;
		cp->edges[out.degree] = to;
		cp->occlusions[out.degree++] = VecamNodeOcclusions(nl, node)[i];
	}
	vecam_extents_read(&cp->store, cp->ix, VecamNodeCode(nl, node), cp->code);
	out.dead = node->state != VECAM_NODE_LIVE;
	out.level = node->level;
	out.sq8 = node->sq8;
	out.code = cp->code;
	out.edges = (const uint8 *) cp->edges;
	out.occlusions = cp->occlusions;
	vecam_checkpoint_write_node(&cp->writer, cp->ix->meta.dims, &out);
}

/* Second pass: write the numbered nodes. */
static void
write_nodes(Checkpoint *cp)
{
	const VecamNodeLayout *nl = &cp->ix->nodes;
	PGAlignedBlock copy;

	cp->code = palloc(cp->ix->meta.dims);
	cp->edges = palloc(sizeof(uint32) * nl->m0);
	cp->occlusions = palloc(nl->m0);
	vecam_progress_begin(cp->index, VECAM_PROGRESS_WRITE_NODES, cp->nblocks);
	for (BlockNumber blkno = VECAM_META_BLKNO + 1; blkno < cp->nblocks; blkno++)
	{
		Size		place = (Size) blkno * nl->per_page;
		bool		is_read = false;

		CHECK_FOR_INTERRUPTS();
		vecam_progress_update(blkno);
		for (int slot = 0; slot < nl->per_page; slot++)
		{
			VecamNodeHeader *node = vecam_node_at(nl, (Page) copy.data, slot);

			uint32		number = note_of(cp, place + slot)->number;

			if (number == 0)
				continue;
			if (!is_read && !read_node_page(cp, blkno, (Page) copy.data))
				vecam_corrupt(cp->index, blkno, "nodes have gone");
			is_read = true;
			if (node->state != VECAM_NODE_MOVED)
				write_node(cp, node, number - 1);
		}
	}
}

static void
write_head(Checkpoint *cp)
{
	const VecamMetaPageData *meta = &cp->ix->meta;
	VecamCheckpointHead head;

	memset(&head, 0, sizeof(head));
	head.version = VECAM_CHECKPOINT_VERSION;
	head.nnodes = cp->nnodes;
	head.seed = meta->seed;
	head.dims = meta->dims;
	head.metric = meta->metric;
	head.kind = meta->kind;
	head.m = meta->m;
	head.ef_construction = meta->ef_construction;
	head.sketch_bits = meta->sketch_bits;
	head.fine_bits = meta->fine_bits;
	head.entry_level = meta->entry_level;
	head.has_mean = cp->ix->codec.mean != NULL;
	head.max_norm = meta->max_norm;
	vecam_checkpoint_write_head(&cp->writer, &head, cp->ix->codec.mean);
}

/* Add a chunk to the function's result. */
static void
emit_chunk(void *arg, uint32 number, const char *chunk, Size bytes)
{
	Checkpoint *cp = arg;
	bytea	   *data = palloc(VARHDRSZ + bytes);
	Datum		values[2];
	bool		nulls[2] = {false, false};

	SET_VARSIZE(data, VARHDRSZ + bytes);
	memcpy(VARDATA(data), chunk, bytes);
	values[0] = Int32GetDatum(number);
	values[1] = PointerGetDatum(data);
	tuplestore_putvalues(cp->result, cp->desc, values, nulls);
	pfree(data);
}

/* Write the checkpoint, under the seal lock. */
static void
write_checkpoint(Checkpoint *cp)
{
	cp->ix = vecam_index_open(cp->index);
	vecam_store_init(&cp->store, cp->index, VECAM_STORE_LOGGED, 0);
	cp->graph.store = &cp->store;
	cp->graph.ix = cp->ix;
	cp->nblocks = RelationGetNumberOfBlocks(cp->index);
	cp->writer.emit = emit_chunk;
	cp->writer.arg = cp;

	if (cp->ix->meta.has_graph)
		number_nodes(cp);
	write_head(cp);
	if (cp->nnodes > 0)
		write_nodes(cp);
	vecam_checkpoint_write_end(&cp->writer);
	if (cp->places)
		vecam_bigarray_free(cp->places);
}

/*
 * vecam_checkpoint(index regclass): the graph, as chunks that vecam_restore
 * reads.  Memory: work_mem for the chunks, and maintenance_work_mem for the
 * numbers of the nodes.
 */
Datum
vecam_checkpoint(PG_FUNCTION_ARGS)
{
	Checkpoint	cp = {0};
	Relation	table;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("index must not be null")));
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recovery is in progress"),
				 errhint("Take the checkpoint on the primary.")));
	cp.index = vecam_admin_open_for_check(PG_GETARG_OID(0), false, &table);
	cp.result = vecam_admin_start_rows(fcinfo, 2, &cp.desc);

	(void) vecam_claim_block(cp.index, VECAM_META_BLKNO, ShareLock, true);
	vecam_progress_start(cp.index);
	write_checkpoint(&cp);
	vecam_progress_end();
	vecam_release_block(cp.index, VECAM_META_BLKNO, ShareLock);

	vecam_admin_close_after_check(cp.index, false, table);
	return (Datum) 0;
}
