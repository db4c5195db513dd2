/*-------------------------------------------------------------------------
 *
 * checkcodes.c
 *	  vecam_check: codes of rows, in growing slots and in nodes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "admin/check.h"

/*
 * Squared norms and residuals are compared with what double arithmetic gives
 * in another order of additions.
 */
#define TOLERANCE 1e-5

/*
 * Put a code together (dims bytes) from a payload, whose extent pages have
 * been looked at before; false if one of them is not what it should be.
 */
bool
vecam_check_read_code(VecamCheck *check, const uint8 *payload, uint8 *code)
{
	const VecamMetaPageData *meta = &check->ix->meta;
	BlockNumber blocks[VECAM_MAX_EXTENTS];
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;

	if (meta->nextents == 0)
	{
		memcpy(code, payload, meta->dims);
		return true;
	}
	memcpy(blocks, payload, sizeof(BlockNumber) * meta->nextents);
	for (int i = 0; i < meta->nextents; i++)
	{
		Size		bytes = vecam_extent_bytes(meta->dims, i);

		if (!vecam_check_block_exists(check, blocks[i]) ||
			(blocks[i] < check->nblocks &&
			 check->blocks[blocks[i]].kind == VECAM_CHECK_DAMAGED))
			return false;
		vecam_check_copy_page(check, blocks[i], page);
		if (PageIsNew(page) || vecam_page_damage(page) != NULL ||
			VecamPageGetOpaque(page)->kind != VECAM_PAGE_EXTENT ||
			vecam_page_used(page) != bytes)
			return false;
		memcpy(code + (Size) i * VECAM_PAGE_CAPACITY, PageGetContents(page),
			   bytes);
	}
	return true;
}

/*
 * The same for the slot or node that the extent pages belong to, which is to
 * be found out here.
 */
bool
vecam_check_own_code(VecamCheck *check, BlockNumber blkno, int slot,
					 const uint8 *payload, uint8 *code)
{
	const VecamMetaPageData *meta = &check->ix->meta;
	BlockNumber blocks[VECAM_MAX_EXTENTS];
	PGAlignedBlock copy;
	Page		page = (Page) copy.data;

	memcpy(blocks, payload, sizeof(BlockNumber) * meta->nextents);
	for (int i = 0; i < meta->nextents; i++)
	{
		if (!vecam_check_own(check, 6, blocks[i], VECAM_PAGE_EXTENT, blkno,
							 slot, page))
			return false;
		if (vecam_page_used(page) != vecam_extent_bytes(meta->dims, i))
		{
			vecam_check_report(check, 6, blocks[i], -1,
							   "%zu bytes of a code, not %zu",
							   vecam_page_used(page),
							   vecam_extent_bytes(meta->dims, i));
			return false;
		}
	}
	return vecam_check_read_code(check, payload, code);
}

/* |y~|^2 */
static double
code_norm2(int dims, const VecamSq8Header *head, const uint8 *code)
{
	double		norm2 = 0;

	for (int i = 0; i < dims; i++)
	{
		double		v = (double) head->lo + (double) head->delta * code[i];

		norm2 += v * v;
	}
	return norm2;
}

/* The norm of what the finer code adds to the code. */
static double
fine_step(int dims, const VecamSq8Header *head, const uint8 *fine)
{
	const uint8 *nibbles = fine + sizeof(uint16);
	int			half = (dims + 1) / 2;
	double		sum = 0;

	for (int i = 0; i < dims; i++)
	{
		int			f = i < half ? nibbles[i] & 15 : nibbles[i - half] >> 4;
		double		step = (f - 7.5) / 16;

		sum += step * step;
	}
	return head->delta * sqrt(sum);
}

/* Both codes are within their residuals of one vector. */
static void
check_fine(VecamCheck *check, BlockNumber blkno, int slot,
		   const VecamSq8Header *head, const uint8 *fine)
{
	int			dims = check->ix->meta.dims;
	double		residual = vecam_fine_residual(fine);
	double		step;

	if (dims % 2 == 1 && fine[VECAM_FINE_BYTES(dims) - 1] >> 4 != 0)
		vecam_check_report(check, 9, blkno, slot,
						   "finer code beyond the last dimension");
	if (!(residual >= 0))
		vecam_check_report(check, 9, blkno, slot, "finer residual %g",
						   residual);
	else if (residual <= FLT_MAX)
	{
		step = fine_step(dims, head, fine);
		if (!((step <= (residual + head->residual) * (1 + TOLERANCE))))
			vecam_check_report(check, 9, blkno, slot,
							   "codes %g apart, although of residuals %g and %g",
							   step, head->residual, residual);
	}
}

/*
 * Look at a code; fine may be NULL.
 */
void
vecam_check_code(VecamCheck *check, BlockNumber blkno, int slot,
				 const VecamSq8Header *head, const uint8 *code,
				 const uint8 *fine)
{
	double		norm2 = code_norm2(check->ix->meta.dims, head, code);

	if (!isfinite(head->lo) || !(head->delta >= 0 && head->delta <= FLT_MAX) ||
		!(head->residual >= 0))
		vecam_check_report(check, 9, blkno, slot,
						   "code from %g in steps of %g with residual %g",
						   head->lo, head->delta, head->residual);
	else if (!(fabs(head->norm2 - Min(norm2, FLT_MAX)) <=
			   TOLERANCE * Min(norm2, FLT_MAX) + FLT_MIN))
		vecam_check_report(check, 9, blkno, slot,
						   "squared norm %g of a code whose is %g",
						   head->norm2, norm2);
	else if (fine)
		check_fine(check, blkno, slot, head, fine);
}

/* A row whose linking was interrupted names its node. */
static void
check_claim(VecamCheck *check, BlockNumber blkno, int slot, VecamRef ref)
{
	VecamCheckNode *node = vecam_check_node_of(check, ref);

	if (node == NULL || node->state != VECAM_NODE_BUILDING)
		vecam_check_report(check, 14, blkno, slot,
						   "names node %u, which is not being built", ref);
	else if (node->claimed)
		vecam_check_report(check, 14, blkno, slot,
						   "names node %u, as another slot does", ref);
	else
		node->claimed = true;
}

/*
 * Look at a live slot of the growing list.
 */
void
vecam_check_growing_slot(VecamCheck *check, BlockNumber blkno, int slot,
						 VecamGrowingEntry *entry)
{
	uint8	   *payload = VecamGrowingPayload(entry);

	/* the extent pages are the node's by now, if there is one */
	if (entry->node != VECAM_INVALID_REF)
	{
		check_claim(check, blkno, slot, entry->node);
		if (check->ix->meta.nextents > 0)
			return;
	}
	if (vecam_check_own_code(check, blkno, slot, payload, check->code))
		vecam_check_code(check, blkno, slot, &entry->sq8, check->code,
						 check->ix->nodes.fine ?
						 payload + check->ix->meta.dims : NULL);
}
