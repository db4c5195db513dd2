/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  vecam_restore
 *
 * The chunks are read from their table first, as the caller, and tested to the
 * last byte; they go to a temporary file.  Only then is the index locked and
 * built anew, from that file, so that a checkpoint that is of no use changes
 * nothing, and whatever the table of the chunks may be, a view for instance, is
 * not looked at with the index owner's rights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/relation.h"
#include "access/table.h"
#include "access/xlog.h"
#include "admin/admin.h"
#include "am/am.h"
#include "am/restore.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "graph/graph.h"
#include "math/kernels.h"
#include "miscadmin.h"
#include "page/progress.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(vecam_restore);

/* Rows of one fetch. */
#define FETCH_CHUNKS 4

/* The chunks on their way into the build. */
typedef struct ChunkFile
{
	Tuplestorestate *store;
	TupleDesc	desc;			/* one column, bytea */
	TupleTableSlot *slot;
} ChunkFile;

/* What the test of a checkpoint needs. */
typedef struct ChunkTest
{
	Relation	index;
	VecamMetaPageData meta;		/* of the index as a build would make it */
	VecamCheckpointReader reader;
	VecamIndex *ix;				/* of the checkpoint, once its head is read */
	float	   *x;				/* dims */
	ChunkFile  *file;
} ChunkTest;

static void
open_file(ChunkFile *file)
{
	file->desc = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(file->desc, 1, "data", BYTEAOID, -1, 0);
	file->store = tuplestore_begin_heap(false, false, work_mem);
	file->slot = MakeSingleTupleTableSlot(file->desc, &TTSOpsMinimalTuple);
}

/* Hand the next chunk to the build. */
static bool
next_chunk(void *arg, const char **chunk, Size *bytes)
{
	ChunkFile  *file = arg;
	bytea	   *data;
	bool		isnull;

	if (!tuplestore_gettupleslot(file->store, true, false, file->slot))
		return false;
	data = DatumGetByteaPP(slot_getattr(file->slot, 1, &isnull));
	*chunk = VARDATA_ANY(data);
	*bytes = VARSIZE_ANY_EXHDR(data);
	return true;
}

/* The head has been read: is it of such an index? */
static void
test_head(ChunkTest *test)
{
	VecamMetaPageData meta = test->meta;

	vecam_restore_check_shape(&test->reader.head, &meta);
	meta.seed = test->reader.head.seed;
	test->ix = vecam_index_build(&meta, test->reader.mean);
	test->x = palloc(sizeof(float) * meta.dims);
	vecam_progress_begin(test->index, VECAM_PROGRESS_TEST_CHECKPOINT,
						 test->reader.head.nnodes);
}

/* Is the squared norm that of the code, but for rounding? */
static bool
norm_follows(ChunkTest *test, const VecamCheckpointNode *node)
{
	int			dims = test->meta.dims;
	double		norm2;

	vecam_sq8_decode(dims, &node->sq8, node->code, test->x);
	norm2 = vecam_kernels->inner_product(dims, test->x, test->x);
	return fabs(node->sq8.norm2 - Min(norm2, FLT_MAX)) <= 1e-5 * norm2 + FLT_MIN;
}

/* The next node, whose level and norm must follow from its code. */
static VecamCheckpointResult
test_node(ChunkTest *test)
{
	VecamCheckpointReader *reader = &test->reader;
	VecamCheckpointNode node;
	VecamCheckpointResult result = vecam_checkpoint_next_node(reader, &node);

	if (result != VECAM_CHECKPOINT_NODE)
		return result;
	if (vecam_node_level(test->ix, &node.sq8, node.code) != node.level)
		reader->damage = "A node's level does not follow from its code.";
	else if (!norm_follows(test, &node))
		reader->damage = "A node's norm does not follow from its code.";
	return reader->damage ? VECAM_CHECKPOINT_DAMAGED : VECAM_CHECKPOINT_NODE;
}

/* Test a chunk to its end. */
static void
test_chunk(ChunkTest *test, int64 number, bytea *data)
{
	VecamCheckpointReader *reader = &test->reader;
	VecamCheckpointResult result;

	result = vecam_checkpoint_read_chunk(reader, VARDATA_ANY(data),
										 VARSIZE_ANY_EXHDR(data));
	if (result == VECAM_CHECKPOINT_NO_NODE)
	{
		if (test->ix == NULL)
			test_head(test);
		do
		{
			CHECK_FOR_INTERRUPTS();
			result = test_node(test);
			vecam_progress_update_rows(reader->nnodes);
		} while (result == VECAM_CHECKPOINT_NODE);
	}
	if (result != VECAM_CHECKPOINT_NO_NODE)
		vecam_restore_complain(reader, result, number);
}

/* Test a row of the source and keep its chunk. */
static void
take_row(ChunkTest *test, HeapTuple row, TupleDesc desc)
{
	bool		isnull[2];
	Datum		values[2];
	Datum		chunk;
	bytea	   *data;

	for (int i = 0; i < 2; i++)
		values[i] = SPI_getbinval(row, desc, i + 1, &isnull[i]);
	if (isnull[0] || isnull[1])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a chunk of the checkpoint or its number is null")));
	data = DatumGetByteaPP(values[1]);
	test_chunk(test, DatumGetInt64(values[0]), data);

	chunk = PointerGetDatum(data);
	tuplestore_putvalues(test->file->store, test->file->desc, &chunk,
						 &isnull[1]);
	if (chunk != values[1])
		pfree(data);
}

/* A cursor over the chunks in the order of their numbers. */
static Portal
open_source(Oid source, Name chunk_column, Name data_column)
{
	const char *chunk = quote_identifier(NameStr(*chunk_column));
	const char *data = quote_identifier(NameStr(*data_column));
	char	   *query;
	SPIPlanPtr	plan;
	Portal		portal;

	if (get_rel_name(source) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", source)));
	query = psprintf("SELECT %s::bigint, %s FROM %s ORDER BY 1", chunk, data,
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(source)),
												get_rel_name(source)));
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	if (TupleDescAttr(portal->tupDesc, 1)->atttypid != BYTEAOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of the chunks does not have type bytea",
						NameStr(*data_column))));
	return portal;
}

/* Read, test and keep all chunks. */
static void
read_source(ChunkTest *test, Oid source, Name chunk_column, Name data_column)
{
	Portal		portal;

	SPI_connect();
	portal = open_source(source, chunk_column, data_column);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_CHUNKS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
			take_row(test, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
		SPI_freetuptable(SPI_tuptable);
	}
	if (!vecam_checkpoint_is_complete(&test->reader))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("checkpoint is incomplete"),
				 test->reader.nchunks == 0 ? errdetail("It has no chunks.") :
				 errdetail("After %u chunks it has %u of %u nodes.",
						   test->reader.nchunks, test->reader.nnodes,
						   test->reader.head.nnodes)));
	SPI_cursor_close(portal);
	SPI_finish();
}

/* Test the checkpoint against the index, under weak locks. */
static void
test_checkpoint(Oid index_oid, ChunkFile *file, Oid source, Name chunk_column,
				Name data_column)
{
	Relation	table;
	Relation	index = vecam_admin_open_for_check(index_oid, false, &table);
	ChunkTest	test;

	memset(&test, 0, sizeof(test));
	test.file = file;
	test.index = index;
	vecam_build_meta(index, &test.meta);
	vecam_checkpoint_reader_init(&test.reader);
	vecam_progress_start(index);
	read_source(&test, source, chunk_column, data_column);
	vecam_progress_end();
	vecam_admin_close_after_check(index, false, table);
}

static void
build_index(Oid index_oid, VecamRestore *restore)
{
	Relation	table;
	Relation	index = vecam_admin_open_for_rebuild(index_oid, &table);
	char		persistence = index->rd_rel->relpersistence;

	relation_close(index, NoLock);
	table_close(table, NoLock);
	restore->index = index_oid;
	vecam_restore_build(restore, persistence);
}

/*
 * vecam_restore(index, source, chunk_column, data_column): build the index from
 * a checkpoint, whose graph it adopts.
 */
Datum
vecam_restore(PG_FUNCTION_ARGS)
{
	ChunkFile	file;
	VecamRestore restore = {0};
	Datum		values[3];

	for (int i = 0; i < 4; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("arguments of vecam_restore must not be null")));
	}
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("recovery is in progress"),
				 errhint("An index cannot be restored during recovery.")));

	open_file(&file);
	test_checkpoint(PG_GETARG_OID(0), &file, PG_GETARG_OID(1), PG_GETARG_NAME(2),
					PG_GETARG_NAME(3));
	restore.next_chunk = next_chunk;
	restore.arg = &file;
	build_index(PG_GETARG_OID(0), &restore);

	ExecDropSingleTupleTableSlot(file.slot);
	tuplestore_end(file.store);
	values[0] = Int64GetDatum(restore.nodes_adopted);
	values[1] = Int64GetDatum(restore.rows_inserted);
	values[2] = Int64GetDatum(restore.nodes_dropped);
	return vecam_admin_make_row(fcinfo, values, lengthof(values));
}
