/*-------------------------------------------------------------------------
 *
 * fuzz_checkpoint.c
 *	  The reader of checkpoints, and what a build makes of what it accepts.
 *
 * An input is a byte, then chunks, each as its length (2 bytes) and its bytes.
 * If the byte is even the heads of the chunks are made to fit, since no mutation
 * would get past their checksums.
 *
 * What the reader accepts must keep its promises, and the sanitizers watch a
 * graph being written from it.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "graph/adopt.h"
#include "math/kernels.h"
#include "page/checkpoint.h"
#include "page/listwriter.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"

/* Nodes that are written; each may be long. */
#define MAX_NODES 64

typedef struct Input
{
	const uint8 *data;
	size_t		size;
	bool		sign;
	VecamCheckpointReader reader;
	VecamMetaPageData meta;
	VecamIndex *ix;
	VecamStore	store;
	VecamGraph	graph;
	VecamEntrySet entries;
	VecamLink	link;
	VecamListWriter chunks;
	VecamAdoption *adoption;
} Input;

static bool
next_chunk(Input *input, uint8 **chunk, size_t *bytes)
{
	VecamChunkHead *head;
	uint16		length;

	if (input->size < sizeof(length))
		return false;
	memcpy(&length, input->data, sizeof(length));
	input->data += sizeof(length);
	input->size -= sizeof(length);
	*bytes = Min(length, input->size);
	*chunk = malloc(Max(*bytes, 1));
	memcpy(*chunk, input->data, *bytes);
	input->data += *bytes;
	input->size -= *bytes;

	head = (VecamChunkHead *) *chunk;
	if (input->sign && *bytes >= sizeof(VecamChunkHead))
	{
		head->magic = VECAM_CHECKPOINT_MAGIC;
		head->number = input->reader.nchunks;
		head->length = *bytes - sizeof(VecamChunkHead);
		INIT_CRC32C(head->crc);
		COMP_CRC32C(head->crc, head, offsetof(VecamChunkHead, crc));
		COMP_CRC32C(head->crc, *chunk + sizeof(VecamChunkHead), head->length);
		FIN_CRC32C(head->crc);
	}
	return true;
}

/* Set up an index of the checkpoint's shape, as a build does. */
static void
start_build(Input *input)
{
	const VecamCheckpointHead *head = &input->reader.head;
	VecamPin	pin;

	vecam_meta_init(&input->meta, head->dims, head->metric, VECAM_KIND_HNSW,
					head->m, 10, head->sketch_bits, head->fine_bits > 0,
					head->seed);
	input->meta.max_norm = head->max_norm;
	vecam_store_init(&input->store, server_relation(head->dims),
					 VECAM_STORE_MEMORY, 1024 * BLCKSZ);
	vecam_store_alloc(&input->store, &pin);
	vecam_meta_fill_page(pin.page, &input->meta);
	input->ix = vecam_index_build(&input->meta, input->reader.mean);
	input->graph.store = &input->store;
	input->graph.ix = input->ix;
	input->graph.entries = &input->entries;
	input->graph.target = InvalidBlockNumber;
	vecam_writer_init(&input->chunks, &input->store, input->ix,
					  VECAM_LIST_OVERFLOW);
	input->graph.chunks = &input->chunks;
	vecam_entries_init(&input->entries, input->ix, 0);
	vecam_link_alloc(&input->link, input->ix);
	input->adoption = vecam_adopt_begin(&input->graph, &input->link, head->nnodes);
}

static void
check_node(const Input *input, const VecamCheckpointNode *node)
{
	if (node->degree > input->reader.m0)
		server_finding("%d edges", node->degree);
	for (int i = 0; i < node->degree; i++)
	{
		if (vecam_checkpoint_edge(node, i) >= input->reader.head.nnodes)
			server_finding("edge to %u", vecam_checkpoint_edge(node, i));
	}
}

/* Complete the graph; a row must find the node that has its code. */
static void
use_graph(Input *input)
{
	const VecamNodeLayout *nl = &input->ix->nodes;
	uint8	   *payload = palloc0(nl->payload_bytes + input->ix->meta.dims);

	vecam_adopt_edges(input->adoption,
					  AllocSetContextCreate(CurrentMemoryContext, "scratch",
											ALLOCSET_DEFAULT_SIZES));
	for (uint32 i = 0; i < input->adoption->nnodes; i++)
	{
		BlockNumber *blkno = vecam_bigarray_at(input->adoption->blocks,
											   i / nl->per_page);
		VecamPin	pin;
		VecamSq8Header head;
		ItemPointerData tid;

		vecam_store_pin(&input->store, *blkno, BUFFER_LOCK_SHARE, &pin);
		head = vecam_node_at(nl, pin.page, i % nl->per_page)->sq8;
		memcpy(payload, vecam_node_code(&input->graph,
										vecam_node_at(nl, pin.page, i % nl->per_page),
										input->adoption->code), input->ix->meta.dims);
		vecam_store_unpin(&input->store, &pin);
		ItemPointerSet(&tid, i, 1);
		if (i % 3 != 0 &&
			!vecam_adopt_row(input->adoption, &tid, &head, payload, payload))
			server_finding("node %u is not found", i);
	}
	(void) vecam_adopt_end(input->adoption, input->reader.head.entry_level);
}

static void
read_all(void *arg)
{
	Input	   *input = arg;
	uint8	   *chunk;
	size_t		bytes;
	VecamCheckpointNode node;
	VecamCheckpointResult result = VECAM_CHECKPOINT_NO_NODE;

	vecam_checkpoint_reader_init(&input->reader);
	while (result == VECAM_CHECKPOINT_NO_NODE && next_chunk(input, &chunk, &bytes))
	{
		result = vecam_checkpoint_read_chunk(&input->reader, chunk, bytes);
		if (result == VECAM_CHECKPOINT_NO_NODE && input->adoption == NULL &&
			input->reader.head.nnodes <= MAX_NODES)
			start_build(input);
		while (result == VECAM_CHECKPOINT_NO_NODE &&
			   (result = vecam_checkpoint_next_node(&input->reader, &node)) == VECAM_CHECKPOINT_NODE)
		{
			result = VECAM_CHECKPOINT_NO_NODE;
			check_node(input, &node);
			if (input->adoption)
				vecam_adopt_node(input->adoption, &node);
		}
		free(chunk);
	}
	if (result == VECAM_CHECKPOINT_DAMAGED && input->reader.damage == NULL)
		server_finding("damage without a name");
	if (result == VECAM_CHECKPOINT_NO_NODE && input->adoption &&
		vecam_checkpoint_is_complete(&input->reader))
		use_graph(input);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	vecam_kernels_init();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input;

	if (size < 1)
		return -1;
	memset(&input, 0, sizeof(input));
	input.data = data + 1;
	input.size = size - 1;
	input.sign = data[0] % 2 == 0;
	if (!server_try(read_all, &input))
		server_finding("error: %s", server_message);
	return 0;
}
