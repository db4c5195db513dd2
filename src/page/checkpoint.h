/*-------------------------------------------------------------------------
 *
 * checkpoint.h
 *	  The format of a checkpoint: the graph of an index without its rows.
 *
 * A checkpoint is a sequence of chunks.  Each has a head of 16 bytes
 *
 *		magic, number of the chunk from 0, bytes that follow, CRC-32C of all
 *
 * and then a piece of the contents: in chunk 0 a VecamCheckpointHead and the
 * mean, if there is one; in all the others whole nodes, by their ordinals:
 *
 *		flags (1: dead), level, degree, zero	4 bytes
 *		lo, delta, norm2 of the code			12
 *		code									dims
 *		edges, as ordinals						4 each
 *		occlusions								1 each
 *
 * What follows from codes and rows is not there: sketches, distances, finer
 * codes, residuals, TIDs.  Numbers are little-endian.
 *
 * The reader is a function of the bytes, whoever has written them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_CHECKPOINT_H
#define VECAM_CHECKPOINT_H

#include "page/meta.h"

#define VECAM_CHECKPOINT_MAGIC		0x504B4356	/* "VCKP" */
#define VECAM_CHECKPOINT_VERSION	1

/* A chunk ends with the node that makes it longer than this. */
#define VECAM_CHUNK_BYTES (256 * 1024)

typedef struct VecamChunkHead
{
	uint32		magic;
	uint32		number;
	uint32		length;			/* of what follows */
	uint32		crc;			/* of the fields above and what follows */
} VecamChunkHead;

StaticAssertDecl(sizeof(VecamChunkHead) == 16, "chunk head is a file format");

typedef struct VecamCheckpointHead
{
	uint32		version;
	uint32		nnodes;
	uint64		seed;
	uint16		dims;
	uint8		metric;			/* VecamMetric */
	uint8		kind;			/* VecamKind */
	uint16		m;
	uint16		sketch_bits;	/* the option */
	uint8		fine_bits;
	uint8		entry_level;
	uint8		has_mean;		/* it follows, dims float4 */
	uint8		unused;
	float		max_norm;
	uint16		ef_construction;
	uint16		unused_too[3];
} VecamCheckpointHead;

StaticAssertDecl(sizeof(VecamCheckpointHead) == 40,
				 "checkpoint head is a file format");

/* A node; the pointers lead into the chunk, whose bytes are not aligned. */
typedef struct VecamCheckpointNode
{
	bool		dead;
	int			level;
	int			degree;
	VecamSq8Header sq8;			/* residual 0 */
	const uint8 *code;
	const uint8 *edges;			/* 4 * degree bytes */
	const uint8 *occlusions;	/* degree bytes */
} VecamCheckpointNode;

typedef enum VecamCheckpointResult
{
	VECAM_CHECKPOINT_NODE,		/* here is the next node */
	VECAM_CHECKPOINT_NO_NODE,	/* the chunk has no more */
	VECAM_CHECKPOINT_DAMAGED,	/* see reader->damage */
	VECAM_CHECKPOINT_VERSION_UNKNOWN,
} VecamCheckpointResult;

typedef struct VecamCheckpointReader
{
	VecamCheckpointHead head;	/* once chunk 0 is read */
	float	   *mean;			/* dims, or NULL */
	int			m0;				/* edges of a node at most */
	uint32		nchunks;		/* read so far */
	uint32		nnodes;
	const uint8 *at;			/* in the chunk */
	const uint8 *end;
	const char *damage;			/* a sentence */
} VecamCheckpointReader;

/* Where a checkpoint is written to: a function that takes each chunk. */
typedef struct VecamCheckpointWriter
{
	void		(*emit) (void *arg, uint32 number, const char *chunk, Size bytes);
	void	   *arg;
	uint32		nchunks;		/* emitted */
	Size		used;			/* bytes of the buffer, head included */
	char	   *buffer;
} VecamCheckpointWriter;

/* checkpoint.c */
extern void vecam_checkpoint_reader_init(VecamCheckpointReader *reader);
extern VecamCheckpointResult vecam_checkpoint_read_chunk(VecamCheckpointReader *reader,
														 const void *chunk,
														 Size bytes);
extern VecamCheckpointResult vecam_checkpoint_next_node(VecamCheckpointReader *reader,
														VecamCheckpointNode *node);
extern bool vecam_checkpoint_is_complete(const VecamCheckpointReader *reader);

static inline uint32
vecam_checkpoint_edge(const VecamCheckpointNode *node, int i)
{
	uint32		ordinal;

	memcpy(&ordinal, node->edges + sizeof(uint32) * i, sizeof(uint32));
	return ordinal;
}

extern void vecam_checkpoint_write_head(VecamCheckpointWriter *writer,
										const VecamCheckpointHead *head,
										const float *mean);
extern void vecam_checkpoint_write_node(VecamCheckpointWriter *writer,
										int dims,
										const VecamCheckpointNode *node);
extern void vecam_checkpoint_write_end(VecamCheckpointWriter *writer);

#endif							/* VECAM_CHECKPOINT_H */
