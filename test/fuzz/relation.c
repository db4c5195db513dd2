/*-------------------------------------------------------------------------
 *
 * relation.c
 *	  One relation, its pages, locks and "log".
 *
 * Its buffers are numbered as those of a temporary relation, each a piece of
 * malloc: buffer -1 - n holds block n.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "access/generic_xlog.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/vacuum.h"
#include "executor/instrument.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "storage/smgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"

/* Registers of the server's shared buffers, of which there are none. */
int			NBuffers = 0;
int			NLocBuffer = SERVER_MAX_BLOCKS;
char	   *BufferBlocks = NULL;
BufferDescPadded *BufferDescriptors = NULL;
static Block blocks[SERVER_MAX_BLOCKS];
Block	   *LocalBufferBlockPointers = blocks;
BufferUsage pgBufferUsage;
int			wal_level = WAL_LEVEL_REPLICA;
int			maintenance_work_mem = 1024;
int			autovacuum_work_mem = -1;
BackendType MyBackendType = B_BACKEND;
volatile uint32 CritSectionCount = 0;

typedef struct BufferState
{
	int			pins;
	int			shared;
	bool		exclusive;
	Size		free;			/* what the free space map says */
} BufferState;

static BufferState states[SERVER_MAX_BLOCKS];
static BlockNumber nblocks;

/* What replay has made of the log, and the blocks of the record that is written. */
static PGAlignedBlock replayed[SERVER_MAX_BLOCKS];
static BlockNumber logged[MAX_GENERIC_XLOG_PAGES];
static int	nlogged;

static int	nclaims;

static SMgrRelationData smgr;
static FormData_pg_class form;
static FormData_pg_index index_form;
static RelationData relation;
static TupleDesc tupdesc;

/*
 * The relation, an index on a column of so many dimensions.
 */
Relation
server_relation(int dims)
{
	if (tupdesc == NULL)
		tupdesc = calloc(1, offsetof(TupleDescData, attrs) +
						 sizeof(FormData_pg_attribute));
	TupleDescAttr(tupdesc, 0)->atttypmod = dims;
	tupdesc->natts = 1;
	strcpy(NameStr(form.relname), "fuzzed");
	form.relpersistence = RELPERSISTENCE_PERMANENT;
	relation.rd_rel = &form;
	relation.rd_index = &index_form;
	relation.rd_att = tupdesc;
	relation.rd_id = 1;
	relation.rd_smgr = &smgr;
	smgr.smgr_targblock = InvalidBlockNumber;
	return &relation;
}

static void
add_block(void)
{
	if (blocks[nblocks] == NULL &&
		posix_memalign(&blocks[nblocks], MAXIMUM_ALIGNOF, BLCKSZ) != 0)
		abort();
	memset(blocks[nblocks], 0, BLCKSZ);
	memset(replayed[nblocks].data, 0, BLCKSZ);
	memset(&states[nblocks], 0, sizeof(BufferState));
	nblocks++;
}

/* Give the relation these pages; what was locked before is so no more. */
void
server_set_pages(const PGAlignedBlock *pages, BlockNumber npages)
{
	nblocks = 0;
	nclaims = 0;
	for (BlockNumber i = 0; i < npages; i++)
	{
		add_block();
		memcpy(blocks[i], pages[i].data, BLCKSZ);
		memcpy(replayed[i].data, pages[i].data, BLCKSZ);
	}
}

/* Copy the pages; returns how many they are. */
BlockNumber
server_get_pages(PGAlignedBlock *pages)
{
	for (BlockNumber i = 0; i < nblocks; i++)
		memcpy(pages[i].data, blocks[i], BLCKSZ);
	return nblocks;
}

/* Is a pin or a lock left? */
static void
check_nothing_held(void)
{
	if (nclaims != 0)
		server_finding("%d claims of sealers are left", nclaims);
	for (BlockNumber i = 0; i < nblocks; i++)
	{
		if (states[i].pins || states[i].shared || states[i].exclusive)
			server_finding("block %u is left pinned or locked", i);
	}
}

bool
server_try(void (*function) (void *arg), void *arg)
{
	MemoryContext context = AllocSetContextCreateInternal(TopMemoryContext,
														  "try", 0, 0, 0);
	volatile bool ended = false;

	CurrentMemoryContext = context;
	if (setjmp(server_error) == 0)
	{
		function(arg);
		ended = true;
		check_nothing_held();
	}
	for (BlockNumber i = 0; i < nblocks; i++)
		states[i].pins = states[i].shared = states[i].exclusive = 0;
	nclaims = 0;
	CurrentMemoryContext = TopMemoryContext;
	MemoryContextDelete(context);
	return ended;
}

static BufferState *
state_of(Buffer buf)
{
	if (!BufferIsLocal(buf) || (BlockNumber) (-1 - buf) >= nblocks ||
		states[-1 - buf].pins == 0)
		server_finding("buffer %d is not pinned", buf);
	return &states[-1 - buf];
}

BlockNumber
RelationGetNumberOfBlocksInFork(Relation rel, ForkNumber fork)
{
	return nblocks;
}

Buffer
ReadBufferExtended(Relation rel, ForkNumber fork, BlockNumber blkno,
				   ReadBufferMode mode, BufferAccessStrategy strategy)
{
	if (blkno == P_NEW)
	{
		/* a relation that grows so long from what it was does so without end */
		if (nblocks == SERVER_MAX_BLOCKS)
			server_finding("%u blocks and no end", nblocks);
		blkno = nblocks;
		add_block();
	}
	if (blkno >= nblocks)
		server_finding("block %u of %u is read", blkno, nblocks);

	/* so that the code that asks for pages ahead runs */
	pgBufferUsage.shared_blks_read++;
	states[blkno].pins++;
	if (mode == RBM_ZERO_AND_LOCK)
		LockBuffer(-1 - (Buffer) blkno, BUFFER_LOCK_EXCLUSIVE);
	return -1 - (Buffer) blkno;
}

Buffer
ReadBuffer(Relation rel, BlockNumber blkno)
{
	return ReadBufferExtended(rel, MAIN_FORKNUM, blkno, RBM_NORMAL, NULL);
}

bool
ReadRecentBuffer(RelFileNode node, ForkNumber fork, BlockNumber blkno,
				 Buffer recent)
{
	return false;
}

PrefetchBufferResult
PrefetchBuffer(Relation rel, ForkNumber fork, BlockNumber blkno)
{
	return (PrefetchBufferResult)
	{
		InvalidBuffer, false
	};
}

BlockNumber
BufferGetBlockNumber(Buffer buf)
{
	(void) state_of(buf);
	return -1 - buf;
}

bool
ConditionalLockBuffer(Buffer buf)
{
	BufferState *state = state_of(buf);

	if (state->exclusive || state->shared)
		return false;
	state->exclusive = true;
	return true;
}

/* A process that waits for a lock of its own waits forever. */
void
LockBuffer(Buffer buf, int mode)
{
	BufferState *state = state_of(buf);

	if (mode == BUFFER_LOCK_UNLOCK)
	{
		if (state->exclusive)
			state->exclusive = false;
		else if (state->shared-- == 0)
			server_finding("block %d is not locked", -1 - buf);
	}
	else if (state->exclusive ||
			 (state->shared > 0 && mode == BUFFER_LOCK_EXCLUSIVE))
		server_finding("block %d is locked twice", -1 - buf);
	else if (mode == BUFFER_LOCK_SHARE)
		state->shared++;
	else
		state->exclusive = true;
}

void
ReleaseBuffer(Buffer buf)
{
	state_of(buf)->pins--;
}

void
UnlockReleaseBuffer(Buffer buf)
{
	LockBuffer(buf, BUFFER_LOCK_UNLOCK);
	ReleaseBuffer(buf);
}

void
MarkBufferDirty(Buffer buf)
{
	if (!state_of(buf)->exclusive)
		server_finding("block %d is changed without a lock", -1 - buf);
}

bool
ConditionalLockRelation(Relation rel, LOCKMODE mode)
{
	return true;
}

void
UnlockRelation(Relation rel, LOCKMODE mode)
{
}

bool
LockHasWaitersRelation(Relation rel, LOCKMODE mode)
{
	return false;
}

TimestampTz
GetCurrentTimestamp(void)
{
	return 0;
}

bool
TimestampDifferenceExceeds(TimestampTz start, TimestampTz stop, int ms)
{
	return false;
}

void
CacheInvalidateRelcache(Relation rel)
{
}

void
RelationTruncate(Relation rel, BlockNumber length)
{
	if (length == 0 || length > nblocks)
		server_finding("%u blocks are cut to %u", nblocks, length);
	for (BlockNumber i = length; i < nblocks; i++)
	{
		if (states[i].pins)
			server_finding("block %u is cut off and pinned", i);
	}
	nblocks = length;
}

/* The locks of sealers.  Nobody else is here to wait for. */
void
LockTuple(Relation rel, ItemPointer tid, LOCKMODE mode)
{
	nclaims++;
}

bool
ConditionalLockTuple(Relation rel, ItemPointer tid, LOCKMODE mode)
{
	nclaims++;
	return true;
}

void
UnlockTuple(Relation rel, ItemPointer tid, LOCKMODE mode)
{
	if (nclaims-- == 0)
		server_finding("a claim that is not held is dropped");
}

void
LockRelationForExtension(Relation rel, LOCKMODE mode)
{
}

void
UnlockRelationForExtension(Relation rel, LOCKMODE mode)
{
}

BlockNumber
GetPageWithFreeSpace(Relation rel, Size needed)
{
	for (BlockNumber i = 0; i < nblocks; i++)
	{
		if (states[i].free >= needed)
			return i;
	}
	return InvalidBlockNumber;
}

void
RecordPageWithFreeSpace(Relation rel, BlockNumber blkno, Size space)
{
	if (blkno >= nblocks)
		server_finding("block %u of %u in the free space map", blkno, nblocks);
	states[blkno].free = space;
}

void
IndexFreeSpaceMapVacuum(Relation rel)
{
}

/*
 * The log's writer is under test, too: what replay makes of a record, on pages
 * of its own, must be the pages.
 */
void
XLogBeginInsert(void)
{
	nlogged = 0;
}

void
XLogRegisterBuffer(uint8 block_id, Buffer buf, uint8 flags)
{
	if (!state_of(buf)->exclusive)
		server_finding("block %d is changed without a lock", -1 - buf);
	if (block_id != nlogged || nlogged == lengthof(logged))
		server_finding("block %u of a record", block_id);
	logged[nlogged++] = -1 - buf;
	if (flags & REGBUF_FORCE_IMAGE)
		memcpy(replayed[-1 - buf].data, BufferGetPage(buf), BLCKSZ);
}

/* Fragments: offset, length, bytes. */
void
XLogRegisterBufData(uint8 block_id, char *data, int len)
{
	char	   *page = replayed[logged[block_id]].data;
	char	   *end = data + len;

	while (data < end)
	{
		OffsetNumber at[2];

		memcpy(at, data, sizeof(at));
		data += sizeof(at);
		if (at[0] + at[1] > BLCKSZ || at[1] > end - data)
			server_finding("fragment of %u bytes at %u", at[1], at[0]);
		memcpy(page + at[0], data, at[1]);
		data += at[1];
	}
}

XLogRecPtr
XLogInsert(RmgrId rmid, uint8 info)
{
	for (int i = 0; i < nlogged; i++)
	{
		char	   *page = replayed[logged[i]].data;
		PageHeader	header = (PageHeader) page;

		memset(page + header->pd_lower, 0, header->pd_upper - header->pd_lower);
		if (memcmp(page + sizeof(PageXLogRecPtr),
				   (char *) blocks[logged[i]] + sizeof(PageXLogRecPtr),
				   BLCKSZ - sizeof(PageXLogRecPtr)) != 0)
			server_finding("replay makes another page of block %u", logged[i]);
	}
	return InvalidXLogRecPtr;
}

void
PageInit(Page page, Size size, Size special)
{
	PageHeader	header = (PageHeader) page;

	memset(page, 0, size);
	header->pd_lower = SizeOfPageHeaderData;
	header->pd_upper = header->pd_special = size - MAXALIGN(special);
	PageSetPageSizeAndVersion(page, size, PG_PAGE_LAYOUT_VERSION);
}

bool
ItemPointerEquals(ItemPointer a, ItemPointer b)
{
	return memcmp(a, b, sizeof(ItemPointerData)) == 0;
}

int32
ItemPointerCompare(ItemPointer a, ItemPointer b)
{
	uint64		x = ((uint64) ItemPointerGetBlockNumberNoCheck(a) << 16) |
	ItemPointerGetOffsetNumberNoCheck(a);
	uint64		y = ((uint64) ItemPointerGetBlockNumberNoCheck(b) << 16) |
	ItemPointerGetOffsetNumberNoCheck(b);

	return (x > y) - (x < y);
}

void
vacuum_delay_point(void)
{
}

void
CacheRegisterRelcacheCallback(RelcacheCallbackFunction func, Datum arg)
{
}

void
pgstat_assoc_relation(Relation rel)
{
}

SMgrRelation
smgropen(RelFileNode node, BackendId backend)
{
	return &smgr;
}

void
smgrsetowner(SMgrRelation *owner, SMgrRelation reln)
{
	*owner = reln;
}

/* The only table of the fuzzed code has one entry: the relation's. */
static char table_entry[256];
static bool table_used;

HTAB *
hash_create(const char *name, long nelem, const HASHCTL *ctl, int flags)
{
	if (ctl->entrysize > sizeof(table_entry))
		server_finding("entries of %zu bytes", ctl->entrysize);
	return (HTAB *) table_entry;
}

void *
hash_search(HTAB *table, const void *key, HASHACTION action, bool *found)
{
	bool		used = table_used;

	if (action == HASH_ENTER)
		memcpy(table_entry, key, sizeof(RelFileNode));
	if (action == HASH_ENTER || action == HASH_REMOVE)
		table_used = action == HASH_ENTER;
	if (found)
		*found = used;
	return used || action == HASH_ENTER ? table_entry : NULL;
}

/* Nobody looks at the progress. */
PgBackendStatus *MyBEEntry = NULL;

void
pgstat_progress_start_command(ProgressCommandType type, Oid relation)
{
}

void
pgstat_progress_update_param(int param, int64 value)
{
}

void
pgstat_progress_update_multi_param(int n, const int *params,
								   const int64 *values)
{
}

void
pgstat_progress_end_command(void)
{
}
