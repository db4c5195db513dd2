/*-------------------------------------------------------------------------
 *
 * page.c
 *	  Initialising and checking pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "page/page.h"
#include "utils/rel.h"

/*
 * Make the page, which is one of ours or all zeroes, an empty page of the given
 * kind.  The caller holds it exclusively or owns the image.
 */
void
vecam_page_init(Page page, VecamPageKind kind)
{
	uint8		generation = PageIsNew(page) ? 0 :
		VecamPageGetOpaque(page)->generation;
	VecamPageOpaque opaque;

	PageInit(page, BLCKSZ, sizeof(VecamPageOpaqueData));
	opaque = VecamPageGetOpaque(page);
	opaque->next = InvalidBlockNumber;
	opaque->kind = kind;
	opaque->generation = generation;
	opaque->page_id = VECAM_PAGE_ID;
}

/*
 * Let a page image be a copy of another page, but for what belongs to its block.
 */
void
vecam_page_copy(Page to, Page from)
{
	uint8		generation = PageIsNew(to) ? 0 :
		VecamPageGetOpaque(to)->generation;

	memcpy(to, from, BLCKSZ);
	VecamPageGetOpaque(to)->generation = generation;
}

/*
 * Say how many bytes of the contents are in use.  Generic WAL zeroes what lies
 * between pd_lower and pd_upper, so this must cover every byte that matters.
 */
void
vecam_page_set_used(Page page, Size bytes)
{
	Assert(bytes <= VECAM_PAGE_CAPACITY);
	((PageHeader) page)->pd_lower = PageGetContents(page) + bytes - (char *) page;
}

/* The bytes of the contents in use. */
Size
vecam_page_used(Page page)
{
	return (char *) page + ((PageHeader) page)->pd_lower - PageGetContents(page);
}

/*
 * Turn the page into a free page.  The caller logs the change and, once no
 * list names the page any more, tells the free space map.
 */
void
vecam_page_free(Page page)
{
	vecam_page_init(page, VECAM_PAGE_FREE);
}

/*
 * Raise ERRCODE_INDEX_CORRUPTED for a block of the index.
 */
void
vecam_corrupt(Relation index, BlockNumber blkno, const char *fmt,...)
{
	char		what[256];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);

	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is damaged at block %u: %s",
					RelationGetRelationName(index), blkno, what),
			 errhint("Please REINDEX it.")));
}

/* A slot page's counters and size must agree with one another (INV-3). */
static const char *
slot_page_damage(Page page)
{
	VecamSlotPage *slots = VecamPageGetSlots(page);

	if (slots->slot_size < sizeof(VecamTidEntry) ||
		slots->slot_size % sizeof(uint32) != 0)
		return psprintf("slot size %u", slots->slot_size);
	if (slots->nslots > VECAM_SLOTS_PER_PAGE(slots->slot_size))
		return psprintf("%u slots of %u bytes", slots->nslots,
						slots->slot_size);
	if (slots->nlive > slots->nslots)
		return psprintf("%u live of %u slots", slots->nlive, slots->nslots);
	if (slots->list >= VECAM_NLISTS ||
		vecam_list_kind(slots->list) != VecamPageGetOpaque(page)->kind)
		return psprintf("list %u on a page of kind %u", slots->list,
						VecamPageGetOpaque(page)->kind);
	if (vecam_page_used(page) != sizeof(VecamSlotPage) +
		(Size) slots->slot_size * slots->nslots)
		return psprintf("%zu bytes for %u slots of %u bytes",
						vecam_page_used(page), slots->nslots,
						slots->slot_size);
	return NULL;
}

static const char *
directory_page_damage(Page page)
{
	VecamDirectoryPage *dir = VecamPageGetDirectory(page);

	if (dir->nblocks > VECAM_DIRECTORY_CAPACITY)
		return psprintf("directory of %u blocks", dir->nblocks);
	if (dir->list >= VECAM_NLISTS)
		return psprintf("list %u", dir->list);
	if (vecam_page_used(page) != offsetof(VecamDirectoryPage, blocks) +
		sizeof(BlockNumber) * dir->nblocks)
		return psprintf("%zu bytes for a directory of %u blocks",
						vecam_page_used(page), dir->nblocks);
	return NULL;
}

/*
 * What is wrong with a page as far as it can be told from it alone (INV-19), or
 * NULL.  The caller holds at least a share lock, or has a copy.  All-zero pages
 * are legal (a crash after the relation was extended leaves them) and must be
 * tested before.
 */
const char *
vecam_page_damage(Page page)
{
	VecamPageOpaque opaque;
	PageHeader	header = (PageHeader) page;

	if (PageGetPageSize(page) != BLCKSZ ||
		header->pd_special != BLCKSZ - MAXALIGN(sizeof(VecamPageOpaqueData)) ||
		header->pd_lower < SizeOfPageHeaderData ||
		header->pd_lower > header->pd_upper ||
		header->pd_upper != header->pd_special)
		return "page header";

	opaque = VecamPageGetOpaque(page);
	if (opaque->page_id != VECAM_PAGE_ID)
		return psprintf("page id %04X, not %04X", opaque->page_id,
						VECAM_PAGE_ID);

	switch (opaque->kind)
	{
		case VECAM_PAGE_GROWING:
		case VECAM_PAGE_TIDS:
		case VECAM_PAGE_ENTRY:
			return slot_page_damage(page);
		case VECAM_PAGE_DIRECTORY:
			return directory_page_damage(page);
		default:
			if (opaque->kind >= VECAM_NPAGEKINDS)
				return psprintf("page kind %u", opaque->kind);
			return NULL;
	}
}

/*
 * The same; errors out on damage.
 */
void
vecam_page_check(Relation index, BlockNumber blkno, Page page)
{
	const char *damage = vecam_page_damage(page);

	if (damage)
		vecam_corrupt(index, blkno, "%s", damage);
}

/*
 * Is the locked page a sound page of this kind?  False means that the page has
 * been freed, or reused for something else, since its number was read, which
 * every reader takes as normal; damage is an error.
 */
bool
vecam_page_is(Relation index, Buffer buf, VecamPageKind kind)
{
	Page		page = BufferGetPage(buf);

	if (PageIsNew(page))
		return false;
	vecam_page_check(index, BufferGetBlockNumber(buf), page);
	return VecamPageGetOpaque(page)->kind == kind;
}

/*
 * Read a block whose number comes from a page, and lock it.  A number beyond
 * the end is damage; ReadBuffer would add a page for InvalidBlockNumber.
 */
Buffer
vecam_read_page(Relation index, BlockNumber blkno, int lockmode)
{
	Buffer		buf;

	if (blkno >= RelationGetNumberOfBlocks(index))
		vecam_corrupt(index, blkno, "no such block");
	buf = ReadBuffer(index, blkno);
	LockBuffer(buf, lockmode);
	return buf;
}
