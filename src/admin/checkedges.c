/*-------------------------------------------------------------------------
 *
 * checkedges.c
 *	  vecam_check: edges and entry points, which repeat what nodes say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "admin/check.h"
#include "math/kernels.h"

/*
 * Distances of edges come from 16-bit queries and lose all but 8 bits: they are
 * right to a hundredth of themselves and of the norms.
 */
#define DISTANCE_TOLERANCE 0.01

/*
 * Decode the code of a node into x (dims); false if that cannot be done, for
 * reasons that are reported elsewhere.
 */
static bool
decode(VecamCheck *check, VecamNodeHeader *node, float *x)
{
	const VecamIndex *ix = check->ix;

	if (!isfinite(node->sq8.lo) ||
		!(node->sq8.delta >= 0 && node->sq8.delta <= FLT_MAX) ||
		!vecam_check_read_code(check, VecamNodeCode(&ix->nodes, node),
							   check->code))
		return false;
	vecam_sq8_decode(ix->meta.dims, &node->sq8, check->code, x);
	return true;
}

/* Is this the sketch of x relative to the centre, to the last bit? */
static bool
sketch_is_right(VecamCheck *check, const float *x, const float *centre,
				const void *sketch, float add, float mul)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	VecamSketchFactors factors;

	vecam_sketch_encode(&nl->sketch, x, centre, check->sketch, &factors);
	return factors.add == add && factors.mul == mul &&
		memcmp(check->sketch, sketch, nl->sketch_bytes) == 0;
}

/* Is this the distance of two nodes, as exactly as edges know it? */
static bool
distance_is_right(VecamCheck *check, VecamNodeHeader *a, VecamNodeHeader *b,
				  float distance2)
{
	double		diff = (double) a->extra - b->extra;
	double		right = sqrt(vecam_kernels->l2_squared(check->ix->meta.dims,
													   check->x, check->centre) +
							 diff * diff);
	double		norms = sqrt((double) a->sq8.norm2) + fabs(a->extra) +
		sqrt((double) b->sq8.norm2) + fabs(b->extra);

	if (distance2 > FLT_MAX)
		return right > sqrt(FLT_MAX) / 2;
	return fabs(sqrt(distance2) - right) <=
		DISTANCE_TOLERANCE * (right + norms) + FLT_MIN;
}

/* What edge i of a node says of the node that it leads to. */
static void
check_edge_data(VecamCheck *check, BlockNumber blkno, int slot,
				VecamNodeHeader *node, int i, VecamNodeHeader *target)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	VecamSketchFactors *factors = &VecamNodeFactors(nl, node)[i];
	float		distance2 = vecam_unpack_distance(VecamNodeDistances(nl, node)[i]);

	if (!sketch_is_right(check, check->x, check->centre,
						 VecamNodeSketch(nl, node, i), factors->add,
						 factors->mul))
		vecam_check_report(check, 23, blkno, slot,
						   "edge %d has not the sketch of its nodes", i);
	if (nl->has_extras && VecamNodeExtras(nl, node)[i] != target->extra)
		vecam_check_report(check, 23, blkno, slot,
						   "edge %d has the extra coordinate %g, not %g", i,
						   VecamNodeExtras(nl, node)[i], target->extra);
	if (!distance_is_right(check, node, target, distance2))
		vecam_check_report(check, 23, blkno, slot,
						   "edge %d has the squared distance %g, not %g", i,
						   distance2,
						   vecam_kernels->l2_squared(check->ix->meta.dims,
													 check->x, check->centre));
}

/* Where edge i of a node leads, from the node alone. */
static bool
check_ref(VecamCheck *check, BlockNumber blkno, int slot,
		  VecamNodeHeader *node, int i)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	VecamRef	ref = VecamNodeRefs(nl, node)[i];

	if (VecamRefBlock(nl, ref) == VECAM_META_BLKNO ||
		VecamRefBlock(nl, ref) >= check->nblocks ||
		VecamRefSlot(nl, ref) >= nl->per_page)
	{
		vecam_check_report(check, 22, blkno, slot,
						   "edge %d leads to slot %d of block %u", i,
						   VecamRefSlot(nl, ref), VecamRefBlock(nl, ref));
		return false;
	}
	if (ref == VecamMakeRef(nl, blkno, slot))
	{
		vecam_check_report(check, 22, blkno, slot,
						   "edge %d leads to its own node", i);
		return false;
	}
	for (int j = 0; j < i; j++)
	{
		if (VecamNodeRefs(nl, node)[j] == ref)
		{
			vecam_check_report(check, 22, blkno, slot,
							   "edges %d and %d lead to the same node", j, i);
			return false;
		}
	}
	return true;
}

/* The node that edge i of a live node leads to, and what it says of that. */
static void
check_target(VecamCheck *check, BlockNumber blkno, int slot,
			 VecamNodeHeader *node, int i)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	VecamRef	ref = VecamNodeRefs(nl, node)[i];
	VecamCheckNode *note = vecam_check_node_of(check, ref);
	VecamNodeHeader *target;
	PGAlignedBlock copy;

	if (note == NULL)
	{
		if (check->blocks[VecamRefBlock(nl, ref)].kind != VECAM_CHECK_DAMAGED)
			vecam_check_report(check, 11, blkno, slot,
							   "edge %d leads to block %u, which has no nodes",
							   i, VecamRefBlock(nl, ref));
		return;
	}
	if (note->generation != VecamNodeGenerations(nl, node)[i])
		return;					/* the node that it led to is gone */
	if (note->state == VECAM_NODE_FREE)
	{
		vecam_check_report(check, 11, blkno, slot,
						   "edge %d leads to free slot %d of block %u", i,
						   VecamRefSlot(nl, ref), VecamRefBlock(nl, ref));
		return;
	}
	if (!vecam_check_copy_nodes(check, VecamRefBlock(nl, ref),
								(Page) copy.data))
		return;
	target = vecam_check_node_at(check, (Page) copy.data,
								 VecamRefSlot(nl, ref));
	if (target && decode(check, target, check->x))
		check_edge_data(check, blkno, slot, node, i, target);
}

/*
 * Look at the edges of a node.  Those of dead nodes and of nodes being built
 * may lead to slots that are free by now.
 */
void
vecam_check_edges(VecamCheck *check, BlockNumber blkno, int slot,
				  VecamNodeHeader *node)
{
	bool		has_code = decode(check, node, check->centre);

	for (int i = 0; i < node->degree; i++)
	{
		if (check_ref(check, blkno, slot, node, i) && has_code &&
			node->state == VECAM_NODE_LIVE)
			check_target(check, blkno, slot, node, i);
	}
}

/*
 * Look at an entry point; searches start there.
 */
void
vecam_check_entry(VecamCheck *check, BlockNumber blkno, int slot,
				  VecamEntryPoint *entry)
{
	const VecamNodeLayout *nl = &check->ix->nodes;
	BlockNumber node_blkno = ItemPointerGetBlockNumberNoCheck(&entry->node);
	int			node_slot = ItemPointerGetOffsetNumberNoCheck(&entry->node) - 1;
	VecamRef	ref = VecamMakeRef(nl, node_blkno, node_slot);
	VecamNodeHeader *node = NULL;
	PGAlignedBlock copy;

	if (node_slot < nl->per_page &&
		vecam_check_copy_nodes(check, node_blkno, (Page) copy.data))
		node = vecam_check_node_at(check, (Page) copy.data, node_slot);
	if (node == NULL || node->generation != entry->generation)
	{
		vecam_check_report(check, 25, blkno, slot,
						   "entry point for slot %d of block %u, which is no such node",
						   node_slot, node_blkno);
		return;
	}
	vecam_check_reach(check, ref, entry->generation);

	if (entry->level != node->level || entry->extra != node->extra)
		vecam_check_report(check, 25, blkno, slot,
						   "entry point of level %u and extra coordinate %g, not %u and %g",
						   entry->level, entry->extra, node->level,
						   node->extra);
	memset(check->centre, 0, sizeof(float) * check->ix->meta.dims);
	if (decode(check, node, check->x) &&
		!sketch_is_right(check, check->x, check->centre,
						 (char *) entry + VECAM_ENTRY_HEAD, entry->add,
						 entry->mul))
		vecam_check_report(check, 25, blkno, slot,
						   "entry point without the sketch of its node");
}
