/*-------------------------------------------------------------------------
 *
 * checkpoint.c
 *	  Reading and writing the chunks of a checkpoint.
 *
 * The reader trusts nothing: it looks at a number before it uses it, and takes
 * memory for nothing but the mean.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "page/checkpoint.h"
#include "port/pg_crc32c.h"

#define DEAD_FLAG 1

/* Bytes of a node before its code. */
#define NODE_HEAD (4 + 3 * sizeof(float))

/* Levels are below this. */
#define LEVELS 16

/* A node of most dimensions and edges. */
#define MAX_NODE_BYTES (NODE_HEAD + VECAM_MAX_DIMS + 5 * 2 * VECAM_MAX_M)

static pg_crc32c
chunk_crc(const VecamChunkHead *head, const void *contents)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, head, offsetof(VecamChunkHead, crc));
	COMP_CRC32C(crc, contents, head->length);
	FIN_CRC32C(crc);
	return crc;
}

void
vecam_checkpoint_reader_init(VecamCheckpointReader *reader)
{
	memset(reader, 0, sizeof(*reader));
}

static VecamCheckpointResult
damaged(VecamCheckpointReader *reader, const char *damage)
{
	reader->damage = damage;
	return VECAM_CHECKPOINT_DAMAGED;
}

/* Copy bytes that may lie anywhere; false if the chunk has not so many. */
static bool
take(VecamCheckpointReader *reader, void *to, Size bytes)
{
	if ((Size) (reader->end - reader->at) < bytes)
		return false;
	memcpy(to, reader->at, bytes);
	reader->at += bytes;
	return true;
}

static bool
head_is_possible(const VecamCheckpointHead *head)
{
	return head->dims >= 1 && head->dims <= VECAM_MAX_DIMS &&
		head->metric <= VECAM_METRIC_IP && head->kind <= VECAM_KIND_HNSW &&
		head->m >= 2 && head->m <= VECAM_MAX_M &&
		head->sketch_bits <= VECAM_MAX_DIMS &&
		(head->fine_bits == 0 || head->fine_bits == VECAM_FINE_BITS) &&
		head->entry_level < LEVELS && head->has_mean <= 1 &&
		head->ef_construction >= VECAM_MIN_EF_CONSTRUCTION &&
		head->ef_construction <= VECAM_MAX_EF_CONSTRUCTION &&
		head->ef_construction >= head->m &&
		isfinite(head->max_norm) && head->max_norm >= 0;
}

/* Chunk 0: the head and the mean, and nothing else. */
static VecamCheckpointResult
read_head(VecamCheckpointReader *reader)
{
	VecamCheckpointHead *head = &reader->head;
	VecamMetaPageData meta;
	VecamNodeLayout layout;

	if (!take(reader, head, sizeof(*head)))
		return damaged(reader, "The header is too short.");
	if (head->version != VECAM_CHECKPOINT_VERSION)
		return VECAM_CHECKPOINT_VERSION_UNKNOWN;
	if (!head_is_possible(head))
		return damaged(reader, "The header has impossible values.");
	if ((Size) (reader->end - reader->at) !=
		(head->has_mean ? sizeof(float) * head->dims : 0))
		return damaged(reader, "The mean has another length.");

	if (head->has_mean)
	{
		reader->mean = palloc(sizeof(float) * head->dims);
		(void) take(reader, reader->mean, sizeof(float) * head->dims);
		for (int i = 0; i < head->dims; i++)
		{
			if (!isfinite(reader->mean[i]))
				return damaged(reader, "The mean is not finite.");
		}
	}
	vecam_meta_init(&meta, head->dims, head->metric, head->kind, head->m,
					head->ef_construction, head->sketch_bits,
					head->fine_bits > 0, head->seed);
	if (meta.fine_bits != head->fine_bits)
		return damaged(reader, "The header has impossible values.");
	vecam_node_layout(&layout, head->dims, head->metric, meta.nextents,
					  head->m, head->sketch_bits, head->fine_bits > 0);
	reader->m0 = layout.m0;
	return VECAM_CHECKPOINT_NO_NODE;
}

/*
 * Begin with the next chunk, whose bytes must stay until its last node has been
 * read.  NO_NODE: it is sound so far.
 */
VecamCheckpointResult
vecam_checkpoint_read_chunk(VecamCheckpointReader *reader, const void *chunk,
							Size bytes)
{
	VecamChunkHead head;

	if (bytes < sizeof(head))
		return damaged(reader, "It is shorter than its header.");
	memcpy(&head, chunk, sizeof(head));
	if (head.magic != VECAM_CHECKPOINT_MAGIC)
		return damaged(reader, "It does not begin as a chunk of a checkpoint.");
	if (head.length != bytes - sizeof(head))
		return damaged(reader, "It has another length than its header says.");
	reader->at = (const uint8 *) chunk + sizeof(head);
	reader->end = reader->at + head.length;
	if (chunk_crc(&head, reader->at) != head.crc)
		return damaged(reader, "Its checksum does not match.");
	if (head.number != reader->nchunks)
		return damaged(reader, "It is not the chunk that comes next.");
	return reader->nchunks++ == 0 ? read_head(reader) : VECAM_CHECKPOINT_NO_NODE;
}

/* Edges lead to other nodes, each to another one. */
static bool
edges_are_possible(const VecamCheckpointReader *reader,
				   const VecamCheckpointNode *node)
{
	uint32		edges[2 * VECAM_MAX_M];

	memcpy(edges, node->edges, sizeof(uint32) * node->degree);
	for (int i = 0; i < node->degree; i++)
	{
		if (edges[i] >= reader->head.nnodes || edges[i] == reader->nnodes)
			return false;
		for (int j = 0; j < i; j++)
		{
			if (edges[j] == edges[i])
				return false;
		}
	}
	return true;
}

static bool
code_is_possible(const VecamSq8Header *sq8)
{
	return isfinite(sq8->lo) && isfinite(sq8->delta) && sq8->delta >= 0 &&
		isfinite(sq8->norm2) && sq8->norm2 >= 0;
}

/*
 * The next node of the chunk.
 */
VecamCheckpointResult
vecam_checkpoint_next_node(VecamCheckpointReader *reader,
						   VecamCheckpointNode *node)
{
	uint8		head[4];
	Size		rest;

	if (reader->at == reader->end)
		return VECAM_CHECKPOINT_NO_NODE;
	if (reader->nnodes == reader->head.nnodes)
		return damaged(reader, "It has more nodes than there should be.");

	memset(node, 0, sizeof(*node));
	if (!take(reader, head, sizeof(head)) ||
		!take(reader, &node->sq8, 3 * sizeof(float)))
		return damaged(reader, "It ends within a node.");
	node->dead = head[0] & DEAD_FLAG;
	node->level = head[1];
	node->degree = head[2];
	if (head[0] > DEAD_FLAG || node->level >= LEVELS ||
		node->degree > reader->m0 || head[3] != 0)
		return damaged(reader, "A node has impossible values.");
	if (!code_is_possible(&node->sq8))
		return damaged(reader, "A node has an impossible code.");

	rest = reader->head.dims + (Size) node->degree * (sizeof(uint32) + 1);
	if ((Size) (reader->end - reader->at) < rest)
		return damaged(reader, "It ends within a node.");
	node->code = reader->at;
	node->edges = node->code + reader->head.dims;
	node->occlusions = node->edges + sizeof(uint32) * node->degree;
	if (!edges_are_possible(reader, node))
		return damaged(reader, "A node has impossible edges.");
	reader->at += rest;
	reader->nnodes++;
	return VECAM_CHECKPOINT_NODE;
}

/*
 * Was the chunk read last the last one?
 */
bool
vecam_checkpoint_is_complete(const VecamCheckpointReader *reader)
{
	return reader->nchunks > 0 && reader->at == reader->end &&
		reader->nnodes == reader->head.nnodes;
}

static void
put(VecamCheckpointWriter *writer, const void *data, Size bytes)
{
	memcpy(writer->buffer + writer->used, data, bytes);
	writer->used += bytes;
}

/* Emit what the buffer holds as a chunk. */
static void
flush_chunk(VecamCheckpointWriter *writer)
{
	VecamChunkHead head;

	head.magic = VECAM_CHECKPOINT_MAGIC;
	head.number = writer->nchunks;
	head.length = writer->used - sizeof(head);
	head.crc = chunk_crc(&head, writer->buffer + sizeof(head));
	memcpy(writer->buffer, &head, sizeof(head));
	writer->emit(writer->arg, writer->nchunks++, writer->buffer, writer->used);
	writer->used = sizeof(head);
}

/*
 * Begin a checkpoint; the caller has set emit and arg.  The buffer is taken from
 * the current memory context.
 */
void
vecam_checkpoint_write_head(VecamCheckpointWriter *writer,
							const VecamCheckpointHead *head, const float *mean)
{
	writer->buffer = palloc(sizeof(VecamChunkHead) + VECAM_CHUNK_BYTES +
							MAX_NODE_BYTES);
	writer->nchunks = 0;
	writer->used = sizeof(VecamChunkHead);
	put(writer, head, sizeof(*head));
	if (mean)
		put(writer, mean, sizeof(float) * head->dims);
	flush_chunk(writer);
}

void
vecam_checkpoint_write_node(VecamCheckpointWriter *writer, int dims,
							const VecamCheckpointNode *node)
{
	uint8		head[4] = {node->dead ? DEAD_FLAG : 0, node->level, node->degree, 0};

	put(writer, head, sizeof(head));
	put(writer, &node->sq8, 3 * sizeof(float));
	put(writer, node->code, dims);
	put(writer, node->edges, sizeof(uint32) * node->degree);
	put(writer, node->occlusions, node->degree);
	if (writer->used > sizeof(VecamChunkHead) + VECAM_CHUNK_BYTES)
		flush_chunk(writer);
}

void
vecam_checkpoint_write_end(VecamCheckpointWriter *writer)
{
	if (writer->used > sizeof(VecamChunkHead))
		flush_chunk(writer);
	pfree(writer->buffer);
}
