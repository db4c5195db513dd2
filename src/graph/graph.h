/*-------------------------------------------------------------------------
 *
 * graph.h
 *	  The graph: searching it and changing it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_GRAPH_H
#define VECAM_GRAPH_H

#include "access/genam.h"
#include "graph/heap.h"
#include "math/bound.h"
#include "page/counters.h"
#include "page/listwriter.h"
#include "page/meta.h"
#include "page/store.h"

/*
 * Entry points in memory: those of a build, of a session of sealing, or as a
 * backend keeps them for its searches.  Item i has its sketch at sketches + i
 * * words of a sketch.
 */
typedef struct VecamEntrySet
{
	int			n;
	int			allocated;
	int			level;			/* nodes of this level or more belong here */
	VecamEntryPoint *heads;
	VecamSketchFactors *factors;
	uint64	   *sketches;
} VecamEntrySet;

/* A graph as one operation sees it. */
typedef struct VecamGraph
{
	VecamStore *store;
	VecamIndex *ix;
	VecamEntrySet *entries;		/* NULL: read them from their list */
	VecamListWriter *chunks;	/* build: writer of TID chunks */
	BlockNumber target;			/* node page with a free slot */
	BlockNumber chunk_target;	/* tid page with room for a chunk */
	VecamSearchCounters *counters;	/* may be NULL */
} VecamGraph;

/*
 * A vector to search for or to link, in the rotated space of the codes, with
 * what distances to codes and sketches need.
 */
typedef struct VecamPoint
{
	float	   *y;				/* dims */
	double		norm2;			/* |y|^2 */
	float		extra;			/* inner product: the extra coordinate */
	VecamSq8Query sq8;
	VecamSketchQuery sketch;
	int16	   *q16;
	uint64	   *digits;
} VecamPoint;

/* A node that a search has expanded and may return. */
typedef struct VecamHit
{
	double		key;			/* searches: bound; linking: distance */
	double		upper;			/* searches: of the operator's value */
	bool		refined;		/* the finer code has been looked at */
	bool		asked;			/* the table's page has been read ahead */
	float		distance2;
	VecamRef	ref;
	VecamRef	overflow;
	uint8		generation;
	uint8		ntids;
	ItemPointerData tids[VECAM_NODE_TIDS];
	struct VecamHitCode *code;	/* linking: copy of the code */
} VecamHit;

/* What linking keeps of an expanded node. */
typedef struct VecamHitCode
{
	VecamSq8Header sq8;
	float		extra;
	uint32		sum;			/* of the code bytes */
	uint8		code[FLEXIBLE_ARRAY_MEMBER];
} VecamHitCode;

struct visited_hash;

/*
 * A search under way.  Hits wait in a window sorted by key; those that a full
 * window pushes out wait in an unsorted rest.
 */
typedef struct VecamSearch
{
	VecamGraph *graph;
	const VecamPoint *point;
	const VecamCodecQuery *bound;	/* NULL: linking */
	bool		bound_of_point; /* bounds are of the point's quantised query */
	const VecamSq8Header *equal_head;	/* linking: a node with this code ends */
	const uint8 *equal_code;	/* the search; NULL: none does */
	bool		equal_found;
	VecamHit	equal;
	int			lookahead;
	VecamFrontier frontier;
	struct visited_hash *visited;
	VecamHit   *window;
	int			nwindow;
	int			window_size;
	VecamHit   *rest;
	int			nrest;
	double		rest_min;		/* smallest key of the rest */
	int			rest_allocated;
	int64		popped;
	VecamFrontierItem loaded[4];	/* the last ones that were prefetched */
	unsigned	nloaded;
	BlockNumber asked[32];		/* blocks read ahead, by low bits */
	int64		reads_before;	/* this backend's buffer misses at the start */
	uint8	   *long_code;		/* a code from extent pages */
	float	   *decoded;		/* a finer code */
	float	   *estimates;		/* m0 */
	BlockNumber nblocks;		/* of the relation, when last asked */
} VecamSearch;

/* point.c */
extern void vecam_point_alloc(VecamPoint *point, const VecamIndex *ix);
extern void vecam_point_set(VecamPoint *point, const VecamIndex *ix,
							double error, float extra);
extern void vecam_point_share(VecamPoint *point, const VecamIndex *ix,
							  const VecamSq8Query *sq8, float extra);
extern float vecam_extra_coordinate(const VecamIndex *ix,
									const VecamSq8Header *head,
									const uint8 *code);

/* search.c */
extern void vecam_search_init(VecamSearch *search, VecamGraph *graph,
							  const VecamPoint *point,
							  const VecamCodecQuery *bound, int lookahead,
							  Size memory);
extern void vecam_search_run(VecamSearch *search);
extern bool vecam_search_pop(VecamSearch *search, VecamHit *hit);
extern double vecam_search_next_bound(const VecamSearch *search);
extern bool vecam_search_visited(VecamSearch *search, VecamRef ref,
								 uint8 generation);
extern VecamNodeHeader *vecam_node_of_pin(VecamGraph *graph, VecamPin *pin,
										  int slot);
extern const uint8 *vecam_node_code(VecamGraph *graph, VecamNodeHeader *node,
									uint8 *long_code);

/* prefetch.c */
extern void vecam_search_prefetch(VecamSearch *search);
extern void vecam_search_prefetch_rows(VecamSearch *search, Relation heap);

/* neighbours.c */
extern int	vecam_choose_neighbours(const VecamIndex *ix, VecamHit *hits,
									int nhits, int want, int *chosen);
extern double vecam_hit_distance2(const VecamIndex *ix, const VecamHitCode *a,
								  const VecamHitCode *b);

/*
 * With fewer entry points than this more are taken, from a lower level: a set
 * that a raised level has left has about 64.
 */
#define VECAM_MIN_ENTRIES 48

/* entries.c */
extern int	vecam_node_level(const VecamIndex *ix, const VecamSq8Header *head,
							 const uint8 *code);
extern void vecam_entries_init(VecamEntrySet *set, const VecamIndex *ix,
							   int level);
extern bool vecam_entries_add(VecamEntrySet *set, const VecamIndex *ix,
							  VecamRef ref, uint8 generation, int level,
							  float extra, const float *y, bool any_level);
extern void vecam_entries_filter(VecamEntrySet *set, const VecamIndex *ix,
								 bool (*keep) (void *arg,
											   const VecamEntryPoint *entry),
								 void *arg);
extern int	vecam_entries_load(VecamEntrySet *set, Relation index,
							   const VecamIndex *ix);
extern void vecam_entries_store_last(VecamEntrySet *set, Relation index,
									 const VecamIndex *ix);
extern void vecam_entries_seed(VecamSearch *search);
extern char *vecam_entry_slot(const VecamEntrySet *set, const VecamIndex *ix,
							  int i);

/*
 * A row to be linked: its code, what stands for it in a slot (code and finer
 * code, or extent blocks), and where it is to go.
 */
typedef struct VecamLink
{
	VecamPoint	point;			/* y is the decoded code */
	VecamSq8Header head;
	const uint8 *code;			/* dims bytes */
	const uint8 *payload;
	int			level;
	bool		is_equal;		/* a node with the same code was found */
	VecamHit	equal;			/* ... this one; there are no candidates then */
	VecamHit   *hits;			/* candidates by distance */
	int			nhits;
	int		   *chosen;			/* numbers of the neighbours among them */
	int			nchosen;
	VecamRef	ref;			/* the node once it is written */
	uint8		generation;
	VecamRef	anchor;			/* the node that has an anchor to it, if any */
	float	   *decoded;		/* scratch, dims */

	/* Must the edge stay, though it is no anchor?  NULL: none must. */
	bool		(*is_needed) (void *arg, VecamRef from, VecamRef to);
	void	   *needed_arg;
} VecamLink;

/* A change of one more page that belongs into the same record. */
typedef struct VecamAlso
{
	VecamPin   *pin;			/* exclusively in hand, locked before the node */
	void		(*apply) (Page page, void *arg);
	void	   *arg;
} VecamAlso;

/* What a repair did and found. */
typedef struct VecamRepairStats
{
	int64		live;			/* nodes */
	int64		dead;			/* nodes freed */
	int64		spliced;		/* nodes that got edges for lost ones */
	int64		edges;			/* edges that they had lost */
	int64		linked;			/* nodes that no path led to */
} VecamRepairStats;

/* link.c */
extern void vecam_link_alloc(VecamLink *link, const VecamIndex *ix);
extern void vecam_link_prepare(VecamLink *link, VecamGraph *graph,
							   const VecamSq8Header *head, const uint8 *code,
							   const uint8 *payload, int ef_construction,
							   bool join);
extern void vecam_set_edge(VecamGraph *graph, VecamNodeHeader *node, int i,
						   VecamRef ref, uint8 generation, float distance2,
						   float extra, const float *x, const float *centre);
extern void vecam_link_reserve_slot(VecamGraph *graph);
extern bool vecam_link_write_node(VecamLink *link, VecamGraph *graph,
								  VecamNodeState state, ItemPointer tid,
								  VecamAlso *also);
extern void vecam_link_neighbours(VecamLink *link, VecamGraph *graph);
extern bool vecam_link_publish(VecamLink *link, VecamGraph *graph,
							   ItemPointer tid, VecamAlso *also);
extern bool vecam_link_offer_edge(VecamGraph *graph, VecamLink *link,
								  VecamNodeHeader *node, const float *decoded,
								  double distance2, double alpha);

/* delete.c */
extern void vecam_nodes_delete_rows(IndexVacuumInfo *info, VecamIndex *ix,
									IndexBulkDeleteResult *stats,
									IndexBulkDeleteCallback callback,
									void *callback_state);

/* repair.c */
extern void vecam_graph_repair(VecamGraph *graph, VecamLink *link,
							   MemoryContext scratch, bool free_orphans,
							   bool all, void (*delay) (void),
							   VecamRepairStats *stats);

/* move.c */
extern void vecam_node_follow(VecamGraph *graph, VecamRef *ref,
							  uint8 *generation);
extern bool vecam_make_node_page(VecamGraph *graph, BlockNumber blkno);
extern int	vecam_move_nodes(VecamGraph *graph, BlockNumber from,
							 BlockNumber to, int *left);
extern int64 vecam_finish_moves(VecamGraph *graph,
								void (*pause) (void *arg), void *arg);

#endif							/* VECAM_GRAPH_H */
