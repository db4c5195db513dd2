/*-------------------------------------------------------------------------
 *
 * page.h
 *	  On-disk formats of a vecam index.
 *
 * Every page has a standard page header, contents of its kind, and a special
 * area whose last two bytes are VECAM_PAGE_ID:
 *
 *		offset	size
 *		0		24		PageHeaderData; pd_lower is the end of the used contents
 *		24		...		contents (structs below)
 *		8184	4		next page of a chain (directory and mean pages)
 *		8188	1		kind
 *		8189	1		generation, see VecamPageOpaqueData
 *		8190	2		VECAM_PAGE_ID
 *
 * Byte offsets here are those of 8 kB blocks.  src/README.md has the states,
 * the invariants (INV-n) and the locks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_PAGE_H
#define VECAM_PAGE_H

#include "postgres.h"

#include "math/sq8.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

#define VECAM_MAGIC			0x4D434556	/* "VECM" in a little-endian dump */
#define VECAM_VERSION		1
#define VECAM_PAGE_ID		0xFF9E
#define VECAM_META_BLKNO	0

/* Dimensions that can be indexed: all that the type can have. */
#define VECAM_MAX_DIMS		16000

/* Limits of the options m and ef_construction. */
#define VECAM_MAX_M			100
#define VECAM_MIN_EF_CONSTRUCTION 4
#define VECAM_MAX_EF_CONSTRUCTION 2000

/* Values are on disk. */
typedef enum VecamPageKind
{
	VECAM_PAGE_FREE = 0,		/* in no list; the free space map may know it */
	VECAM_PAGE_META = 1,
	VECAM_PAGE_DIRECTORY = 2,	/* block numbers of the pages of a list */
	VECAM_PAGE_GROWING = 3,		/* rows with their codes, scanned flat */
	VECAM_PAGE_TIDS = 4,		/* rows without a code */
	VECAM_PAGE_EXTENT = 5,		/* a piece of something too long for a slot */
	VECAM_PAGE_NODE = 6,		/* nodes of the base graph */
	VECAM_PAGE_ENTRY = 7,		/* entry points of the graph */
} VecamPageKind;

#define VECAM_NPAGEKINDS 8

/*
 * `generation`: that of the last node that stood on this block before it last
 * became a node page.  A scan tells by it whether a node is the one that it has
 * seen in that place, so a block keeps it, whatever it is used for.
 */
typedef struct VecamPageOpaqueData
{
	BlockNumber next;
	uint8		kind;
	uint8		generation;
	uint16		page_id;
} VecamPageOpaqueData;

typedef VecamPageOpaqueData *VecamPageOpaque;

StaticAssertDecl(sizeof(VecamPageOpaqueData) == 8, "page opaque is on disk");

/* A function, as the macro beneath evaluates its argument twice before 16. */
static inline VecamPageOpaque
VecamPageGetOpaque(Page page)
{
	return (VecamPageOpaque) PageGetSpecialPointer(page);
}

/* ItemPointerEquals is for valid ones only, which a freed slot has not. */
static inline bool
vecam_same_tid(const ItemPointerData *a, const ItemPointerData *b)
{
	return memcmp(a, b, sizeof(ItemPointerData)) == 0;
}

/* Bytes for contents on one page: 8,160. */
#define VECAM_PAGE_CAPACITY \
	(BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - \
	 MAXALIGN(sizeof(VecamPageOpaqueData)))

/*
 * A list is a set of slot pages, found through directory pages (pagelist.c).
 * Rows of a list are equal in the eyes of insert and VACUUM; lists differ in
 * what a slot holds and in when a scan returns it.  Values are on disk.
 */
typedef enum VecamList
{
	VECAM_LIST_GROWING = 0,		/* VecamGrowingEntry, by distance */
	VECAM_LIST_UNDEFINED = 1,	/* VecamTidEntry: distance is NaN */
	VECAM_LIST_NULL = 2,		/* VecamTidEntry: the vector is NULL */
	VECAM_LIST_OVERFLOW = 3,	/* VecamTidChunk: more TIDs of nodes */
	VECAM_LIST_ENTRIES = 4,		/* VecamEntryPoint: where searches start */
} VecamList;

#define VECAM_NLISTS 5

/* The kind of the slot pages of a list. */
static inline VecamPageKind
vecam_list_kind(VecamList list)
{
	switch (list)
	{
		case VECAM_LIST_GROWING:
			return VECAM_PAGE_GROWING;
		case VECAM_LIST_ENTRIES:
			return VECAM_PAGE_ENTRY;
		default:
			return VECAM_PAGE_TIDS;
	}
}

/* The lists whose slots are rows of the table. */
#define VECAM_NROWLISTS 3

/* The pages that joined a list last, which inserts try first. */
#define VECAM_NEWEST_PAGES 4

/* Contents of a directory page: block numbers, InvalidBlockNumber = hole. */
typedef struct VecamDirectoryPage
{
	uint16		nblocks;		/* entries in use, holes included */
	uint8		list;
	uint8		unused;
	uint32		ordinal;		/* number of directory pages before this one */
	BlockNumber newest[VECAM_NEWEST_PAGES]; /* added last, newest first */
	BlockNumber blocks[FLEXIBLE_ARRAY_MEMBER];
} VecamDirectoryPage;

StaticAssertDecl(offsetof(VecamDirectoryPage, blocks) == 24,
				 "directory page is on disk");

#define VECAM_DIRECTORY_CAPACITY \
	((int) ((VECAM_PAGE_CAPACITY - offsetof(VecamDirectoryPage, blocks)) / \
			sizeof(BlockNumber)))

/*
 * Contents of a slot page (kinds GROWING and TIDS): this header, then slots of
 * one size.  Slots are never moved within a page (INV-4).
 */
typedef struct VecamSlotPage
{
	uint16		slot_size;
	uint16		nslots;			/* slots used at some time; pd_lower ends them */
	uint16		nlive;			/* those that hold a row */
	uint8		list;
	uint8		unused;
} VecamSlotPage;

StaticAssertDecl(sizeof(VecamSlotPage) == 8, "slot page is on disk");

#define VECAM_SLOTS_PER_PAGE(slot_size) \
	((int) ((VECAM_PAGE_CAPACITY - sizeof(VecamSlotPage)) / (slot_size)))

/*
 * A row without a code; also the first 8 bytes of every other slot.  An
 * invalid TID marks a slot that is free.
 */
typedef struct VecamTidEntry
{
	ItemPointerData tid;
	uint16		flags;			/* zero */
} VecamTidEntry;

StaticAssertDecl(sizeof(VecamTidEntry) == 8, "tid entry is on disk");

/*
 * Block and slot of a node in four bytes: the slot takes the low bits, as many
 * as the index's nodes per page need (VecamLayout.node_slot_bits).
 */
typedef uint32 VecamRef;

#define VECAM_INVALID_REF ((VecamRef) 0)	/* block 0 is the meta page */

/*
 * A row of the growing segment.  The code follows this head, or, where a code
 * does not fit a page, the block numbers of its extent pages (nextents).
 */
typedef struct VecamGrowingEntry
{
	ItemPointerData tid;
	uint16		flags;			/* zero */
	VecamRef	node;			/* set while a sealer links the row */
	VecamSq8Header sq8;
} VecamGrowingEntry;

StaticAssertDecl(sizeof(VecamGrowingEntry) == 28, "growing entry is on disk");

/*
 * TIDs of a node that do not fit the node.  Chunks form a chain from the
 * node's overflow; node and generation say whose they are.
 */
#define VECAM_CHUNK_TIDS 8

typedef struct VecamTidChunk
{
	ItemPointerData node;		/* block, slot + 1; invalid: free */
	uint16		ntids;
	VecamRef	next;			/* chunk: block << 8 | slot, or invalid */
	uint8		generation;		/* of the node */
	uint8		unused[3];
	ItemPointerData tids[VECAM_CHUNK_TIDS];
} VecamTidChunk;

StaticAssertDecl(sizeof(VecamTidChunk) == 64, "tid chunk is on disk");

/*
 * An entry point: a node with a sketch relative to the mean, so that a search
 * can choose among all of them from a few pages.
 */
typedef struct VecamEntryPoint
{
	ItemPointerData node;		/* block, slot + 1; invalid: free */
	uint8		generation;
	uint8		level;
	float		extra;			/* as in the node */
	float		add;			/* VecamSketchFactors */
	float		mul;
} VecamEntryPoint;				/* the sketch follows, at offset 24 */

StaticAssertDecl(sizeof(VecamEntryPoint) == 20, "entry point is on disk");

#define VECAM_ENTRY_HEAD 24

/*
 * Longer codes are kept on extent pages, so that a page holds two growing rows
 * and a node has room for sketches.
 */
#define VECAM_INLINE_DIMS 4000

/* Extent pages of one code at most: 16,000 dimensions need two. */
#define VECAM_MAX_EXTENTS 2

/* Values are on disk. */
typedef enum VecamKind
{
	VECAM_KIND_AUTO = 0,
	VECAM_KIND_FLAT = 1,
	VECAM_KIND_HNSW = 2,
} VecamKind;

/*
 * The first directory page of a list, and the one to which pages are added;
 * invalid while the list is empty.
 */
typedef struct VecamListRoot
{
	BlockNumber head;
	BlockNumber target;
} VecamListRoot;

/*
 * Contents of the meta page.  Everything above "mean" is fixed when the index
 * is built.
 */
typedef struct VecamMetaPageData
{
	uint32		magic;
	uint32		version;
	uint64		seed;			/* of the rotation and of the levels */
	uint16		dims;
	uint8		metric;			/* VecamMetric */
	uint8		kind;			/* VecamKind */
	uint16		m;
	uint16		ef_construction;
	uint16		growing_size;	/* bytes of a growing entry */
	uint16		nextents;		/* extent pages of one code, 0: code inline */
	uint16		sketch_bits;	/* the option */
	uint16		node_size;
	BlockNumber mean;			/* first page of the mean, or invalid: zero */
	float		max_norm;		/* inner product: M of the extra coordinate */
	uint8		has_graph;		/* rows have been sealed */
	uint8		entry_level;	/* nodes of this level or more are entry points */
	uint8		fine_bits;		/* of the finer codes, 0: there are none */
	uint8		moving;			/* there may be nodes in state MOVED */
	VecamListRoot lists[VECAM_NLISTS];
	uint32		entry_changes;	/* of the entry points, and what else readers
								 * have to notice, see README.md */
} VecamMetaPageData;

StaticAssertDecl(sizeof(VecamMetaPageData) == 88, "meta page is on disk");
StaticAssertDecl(offsetof(VecamMetaPageData, lists) == 44,
				 "meta page is on disk");

#define VecamPageGetMeta(page)		((VecamMetaPageData *) PageGetContents(page))
#define VecamPageGetDirectory(page)	((VecamDirectoryPage *) PageGetContents(page))
#define VecamPageGetSlots(page)		((VecamSlotPage *) PageGetContents(page))

/* page.c */
extern void vecam_page_init(Page page, VecamPageKind kind);
extern void vecam_page_set_used(Page page, Size bytes);
extern Size vecam_page_used(Page page);
extern void vecam_page_free(Page page);
extern void vecam_page_copy(Page to, Page from);
extern const char *vecam_page_damage(Page page);
extern void vecam_page_check(Relation index, BlockNumber blkno, Page page);
extern bool vecam_page_is(Relation index, Buffer buf, VecamPageKind kind);
extern void vecam_corrupt(Relation index, BlockNumber blkno,
						  const char *fmt,...) pg_attribute_printf(3, 4) pg_attribute_noreturn();

extern Buffer vecam_read_page(Relation index, BlockNumber blkno, int lockmode);

/* alloc.c */
extern Buffer vecam_alloc_page(Relation index);
extern Buffer vecam_claim_free_page(Relation index, BlockNumber blkno);
extern void vecam_record_free_page(Relation index, BlockNumber blkno);
extern void vecam_record_free_space(Relation index, BlockNumber blkno,
									Size space);
extern BlockNumber vecam_find_space(Relation index, Size space);

#endif							/* VECAM_PAGE_H */
