/*-------------------------------------------------------------------------
 *
 * bigarray.c
 *	  Arrays that may be larger than the memory they may take.
 *
 * What does not fit is divided into parts of one block each.  Some frames hold
 * parts; when all do, the clock algorithm (as in PostgreSQL's buffer manager)
 * chooses the one to be given up, which goes to a temporary file.  Temporary
 * files go with the transaction, and count for temp_file_limit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "page/bigarray.h"
#include "port/pg_bitutils.h"
#include "postmaster/autovacuum.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

/*
 * A debugging build has arrays of some hundred elements in files, so that its
 * tests do what else only large indexes do.
 */
#ifdef VECAM_DEBUG
#define PART_BYTES 512
#define MIN_FRAMES 4
#define MAX_MEMORY (MIN_FRAMES * PART_BYTES)
#else
#define PART_BYTES BLCKSZ
#define MIN_FRAMES 16
#define MAX_MEMORY MaxAllocHugeSize
#endif

/* Where a part is. */
typedef struct Part
{
	uint32		frame;			/* + 1; 0: in none */
	uint32		block;			/* of the file, + 1; 0: it was never written */
} Part;

typedef struct Frame
{
	uint32		part;			/* + 1; 0: empty */
	bool		used;			/* since the clock's hand was here */
} Frame;

typedef struct VecamBigArrayParts
{
	int			shift;			/* elements of a part, as a power of two */
	uint32		nframes;
	uint32		hand;
	uint32		nblocks;		/* of the file */
	BufFile    *file;
	Part	   *parts;
	Frame	   *frames;
	char	   *data;			/* of the frames */
} VecamBigArrayParts;

/* Bytes that maintenance may take, as PostgreSQL's own VACUUM has them. */
Size
vecam_maintenance_memory(void)
{
	int			kilobytes = maintenance_work_mem;

	if (MyBackendType == B_AUTOVAC_WORKER && autovacuum_work_mem != -1)
		kilobytes = autovacuum_work_mem;
	return mul_size(kilobytes, 1024);
}

static VecamBigArrayParts *
create_parts(Size n, Size element_size, Size memory)
{
	VecamBigArrayParts *parts = palloc0(sizeof(VecamBigArrayParts));
	Size		nparts;

	parts->shift = pg_leftmost_one_pos32(PART_BYTES / element_size);
	nparts = (n >> parts->shift) + 1;
	if (nparts >= PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the index is too large for its maintenance")));
	parts->nframes = Max(memory / PART_BYTES, MIN_FRAMES);
	parts->file = BufFileCreateTemp(false);
	parts->parts = palloc_extended(mul_size(nparts, sizeof(Part)),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	parts->frames = palloc_extended(mul_size(parts->nframes, sizeof(Frame)),
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	parts->data = palloc_extended(mul_size(parts->nframes, PART_BYTES),
								  MCXT_ALLOC_HUGE);
	return parts;
}

/*
 * An array of n elements, all bytes zero, in the current memory context.  An
 * element has no more bytes than a part.  Of `memory` bytes it takes what it
 * needs, and in a file what does not fit.
 */
VecamBigArray *
vecam_bigarray_create(Size n, Size element_size, Size memory)
{
	VecamBigArray *array = palloc0(sizeof(VecamBigArray));
	Size		size = mul_size(n, element_size);

	Assert(element_size <= PART_BYTES);
	array->element_size = element_size;
	if (size <= Min(memory, MAX_MEMORY))
		array->whole = palloc_extended(Max(size, 1),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	else
		array->parts = create_parts(n, element_size, Min(memory, MAX_MEMORY));
	return array;
}

static char *
frame_data(VecamBigArrayParts *parts, uint32 frame)
{
	return parts->data + (Size) frame * PART_BYTES;
}

static void
seek_block(VecamBigArrayParts *parts, uint32 block)
{
	if (BufFileSeekBlock(parts->file, block) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek to block %u of temporary file", block)));
}

/* Write the part in a frame to the file. */
static void
write_part(VecamBigArrayParts *parts, uint32 frame)
{
	Part	   *part = &parts->parts[parts->frames[frame].part - 1];

	if (part->block == 0)
		part->block = ++parts->nblocks;
	seek_block(parts, part->block - 1);
	BufFileWrite(parts->file, frame_data(parts, frame), PART_BYTES);
	part->frame = 0;
}

static void
read_part(VecamBigArrayParts *parts, Part *part, char *data)
{
	if (part->block == 0)
	{
		memset(data, 0, PART_BYTES);
		return;
	}
	seek_block(parts, part->block - 1);
	if (BufFileRead(parts->file, data, PART_BYTES) != PART_BYTES)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read block %u of temporary file",
						part->block - 1)));
}

/* A frame without a part. */
static uint32
clear_frame(VecamBigArrayParts *parts)
{
	uint32		frame;

	while (parts->frames[parts->hand].used)
	{
		parts->frames[parts->hand].used = false;
		parts->hand = (parts->hand + 1) % parts->nframes;
	}
	frame = parts->hand;
	parts->hand = (parts->hand + 1) % parts->nframes;
	if (parts->frames[frame].part != 0)
		write_part(parts, frame);
	return frame;
}

/* Element i of an array that is not in memory as a whole. */
void *
vecam_bigarray_load(VecamBigArray *array, Size i)
{
	VecamBigArrayParts *parts = array->parts;
	Size		number = i >> parts->shift;
	Size		place = i & (((Size) 1 << parts->shift) - 1);
	Part	   *part = &parts->parts[number];

	if (part->frame == 0)
	{
		uint32		frame = clear_frame(parts);

		read_part(parts, part, frame_data(parts, frame));
		part->frame = frame + 1;
		parts->frames[frame].part = number + 1;
	}
	parts->frames[part->frame - 1].used = true;
	return frame_data(parts, part->frame - 1) + place * array->element_size;
}

void
vecam_bigarray_free(VecamBigArray *array)
{
	if (array->whole)
		pfree(array->whole);
	else
	{
		BufFileClose(array->parts->file);
		pfree(array->parts->data);
		pfree(array->parts->frames);
		pfree(array->parts->parts);
		pfree(array->parts);
	}
	pfree(array);
}
