/*-------------------------------------------------------------------------
 *
 * node.h
 *	  Node pages: fixed-size slots, each a node of the graph.
 *
 * A node carries its own code, its edges, and for every edge a sketch of the
 * neighbour relative to the node, so that one page visit estimates the
 * distances of all neighbours.  All arrays of a node have m0 elements:
 *
 *		header (48 bytes), sketches, factors, refs, [extras,] distances,
 *		code and finer code or extent blocks, generations, occlusions
 *
 * The sizes and offsets depend on dimensions, m, sketch_bits and fine_bits
 * only and are computed by vecam_node_layout; the meta page repeats them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_NODE_H
#define VECAM_NODE_H

#include "math/fine.h"
#include "math/metric.h"
#include "math/sketch.h"
#include "page/page.h"

/* Values are on disk. */
typedef enum VecamNodeState
{
	VECAM_NODE_FREE = 0,		/* the slot may be used */
	VECAM_NODE_BUILDING = 1,	/* traversed, not returned: has no TIDs yet */
	VECAM_NODE_LIVE = 2,
	VECAM_NODE_DEAD = 3,		/* traversed, not returned: its rows are gone */
	VECAM_NODE_MOVED = 4,		/* see forward */
} VecamNodeState;

/* Heap TIDs in the node itself; more go to TID chunks. */
#define VECAM_NODE_TIDS 2

typedef struct VecamNodeHeader
{
	uint8		state;			/* VecamNodeState */
	uint8		level;			/* see entry points in graph/entries.c */
	uint8		degree;			/* edges in use */
	uint8		generation;		/* counts the uses of the slot */
	uint16		ntids;			/* TIDs below */
	uint16		forward_generation; /* MOVED: of the node at forward */
	VecamRef	overflow;		/* first TID chunk, or invalid */
	VecamRef	forward;		/* MOVED: where to */
	float		extra;			/* inner product: sqrt(M^2 - |x|^2), else 0 */
	VecamSq8Header sq8;
	ItemPointerData tids[VECAM_NODE_TIDS];
} VecamNodeHeader;

StaticAssertDecl(sizeof(VecamNodeHeader) == 48, "node header is on disk");
StaticAssertDecl(offsetof(VecamNodeHeader, sq8) == 20,
				 "node header is on disk");

/*
 * Contents of a node page: this header, then nslots slots of node_size.  Those
 * behind pd_lower have never been used: they are zeroes, and so free.
 */
typedef struct VecamNodePage
{
	uint16		node_size;
	uint16		nslots;			/* always as many as fit */
	uint16		nfree;			/* slots in state FREE */
	uint16		unused;
} VecamNodePage;

StaticAssertDecl(sizeof(VecamNodePage) == 8, "node page is on disk");

/* Where the parts of a node are, in bytes from its start. */
typedef struct VecamNodeLayout
{
	int			m0;				/* edges */
	VecamSketchShape sketch;
	int			sketch_bytes;	/* of one sketch */
	bool		has_extras;		/* inner product */
	int			payload_bytes;	/* code and finer code, or extent blocks */
	int			fine;			/* finer code, at the end of the payload, or 0 */
	int			sketches;
	int			factors;
	int			refs;
	int			extras;
	int			distances;
	int			code;
	int			generations;
	int			occlusions;
	int			node_size;
	int			per_page;
	int			slot_bits;		/* low bits of a VecamRef */
} VecamNodeLayout;

#define VecamPageGetNodes(page)	((VecamNodePage *) PageGetContents(page))

#define VecamRefBlock(layout, ref)	((BlockNumber) ((ref) >> (layout)->slot_bits))
#define VecamRefSlot(layout, ref) \
	((int) ((ref) & ((1U << (layout)->slot_bits) - 1)))
#define VecamMakeRef(layout, blkno, slot) \
	((VecamRef) (((blkno) << (layout)->slot_bits) | (uint32) (slot)))

static inline VecamNodeHeader *
vecam_node_at(const VecamNodeLayout *layout, Page page, int slot)
{
	return (VecamNodeHeader *) (PageGetContents(page) + sizeof(VecamNodePage) +
								(Size) slot * layout->node_size);
}

#define VecamNodePart(node, offset, type)	((type *) ((char *) (node) + (offset)))
#define VecamNodeSketches(l, node)	VecamNodePart(node, (l)->sketches, uint64)
#define VecamNodeSketch(l, node, i) \
	VecamNodePart(node, (l)->sketches + (i) * (l)->sketch_bytes, uint64)
#define VecamNodeFactors(l, node) \
	VecamNodePart(node, (l)->factors, VecamSketchFactors)
#define VecamNodeRefs(l, node)		VecamNodePart(node, (l)->refs, VecamRef)
#define VecamNodeExtras(l, node)	VecamNodePart(node, (l)->extras, float)
#define VecamNodeDistances(l, node)	VecamNodePart(node, (l)->distances, uint16)
#define VecamNodeCode(l, node)		VecamNodePart(node, (l)->code, uint8)
#define VecamNodeFine(l, node)		VecamNodePart(node, (l)->fine, uint8)
#define VecamNodeGenerations(l, node) \
	VecamNodePart(node, (l)->generations, uint8)
#define VecamNodeOcclusions(l, node) \
	VecamNodePart(node, (l)->occlusions, uint8)

static inline bool
vecam_node_has_edge(const VecamNodeLayout *nl, VecamNodeHeader *node,
					VecamRef ref)
{
	for (int i = 0; i < node->degree; i++)
	{
		if (VecamNodeRefs(nl, node)[i] == ref)
			return true;
	}
	return false;
}

/* node.c */
extern void vecam_node_copy_edge(const VecamNodeLayout *nl,
								 VecamNodeHeader *node, int to,
								 VecamNodeHeader *source, int from);
extern void vecam_node_drop_edge(const VecamNodeLayout *nl,
								 VecamNodeHeader *node, int i);
extern void vecam_node_layout(VecamNodeLayout *layout, int dims,
							  VecamMetric metric, int nextents, int m,
							  int sketch_bits, bool want_fine);
extern void vecam_node_page_init(Page page, const VecamNodeLayout *layout);
extern void vecam_node_page_free(Page page, const VecamNodeLayout *layout);
extern uint8 vecam_node_next_generation(Page page,
										const VecamNodeLayout *layout,
										int slot);
extern void vecam_node_page_use_slot(Page page, const VecamNodeLayout *layout,
									 int slot);
extern int	vecam_nodes_count_rows(const VecamNodeLayout *layout, Page page);
extern const char *vecam_node_page_damage(Page page,
										  const VecamNodeLayout *layout);
extern void vecam_node_page_check(Relation index, BlockNumber blkno,
								  Page page, const VecamNodeLayout *layout);

/*
 * Distances in nodes take two bytes: the upper half of a float4, which keeps
 * its range and 8 bits of precision.
 */
static inline uint16
vecam_pack_distance(float d)
{
	uint32		bits;

	memcpy(&bits, &d, sizeof(bits));
	return bits >> 16;
}

static inline float
vecam_unpack_distance(uint16 packed)
{
	uint32		bits = (uint32) packed << 16;
	float		d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

#endif							/* VECAM_NODE_H */
