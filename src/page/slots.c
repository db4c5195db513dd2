/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Slot pages: pages of the lists, with slots of one size.
 *
 * Slots are overwritten in place and never move within a page, so a change is
 * logged in about as many bytes as it has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "page/slots.h"

void
vecam_slots_init(Page page, VecamList list, int slot_size)
{
	VecamSlotPage *slots;

	vecam_page_init(page, vecam_list_kind(list));
	slots = VecamPageGetSlots(page);
	slots->slot_size = slot_size;
	slots->list = list;
	vecam_page_set_used(page, sizeof(VecamSlotPage));
}

/*
 * Is the locked page a page of this list?
 */
bool
vecam_slots_are_of(Relation index, Buffer buf, VecamList list)
{
	return vecam_page_is(index, buf, vecam_list_kind(list)) &&
		VecamPageGetSlots(BufferGetPage(buf))->list == list;
}

/*
 * The slots of the locked page, or NULL if it is no page of this list (any
 * more).  Their size is checked against the index's.
 */
VecamSlotPage *
vecam_slots_of_buffer(Relation index, Buffer buf,
					  const VecamIndex *ix, VecamList list)
{
	VecamSlotPage *slots;

	if (!vecam_slots_are_of(index, buf, list))
		return NULL;

	slots = VecamPageGetSlots(BufferGetPage(buf));
	if (slots->slot_size != vecam_slot_size(ix, list))
		vecam_corrupt(index, BufferGetBlockNumber(buf),
					  "slots of %u bytes, not %d", slots->slot_size,
					  vecam_slot_size(ix, list));
	return slots;
}

/*
 * A slot for a new row, or -1 if the page is full.
 */
int
vecam_slots_find_free(const VecamSlotPage *slots)
{
	if (slots->nslots < VECAM_SLOTS_PER_PAGE(slots->slot_size))
		return slots->nslots;
	if (slots->nlive == slots->nslots)
		return -1;
	for (int i = 0; i < slots->nslots; i++)
	{
		if (!vecam_slot_is_live(vecam_slot(unconstify(VecamSlotPage *, slots), i)))
			return i;
	}
	return -1;
}

/*
 * Put a row (slot_size bytes) into a free slot of the page image.
 */
void
vecam_slots_put(Page page, int slot, const void *entry)
{
	VecamSlotPage *slots = VecamPageGetSlots(page);

	if (slot == slots->nslots)
	{
		slots->nslots++;
		vecam_page_set_used(page, sizeof(VecamSlotPage) +
							(Size) slots->slot_size * slots->nslots);
	}
	memcpy(vecam_slot(slots, slot), entry, slots->slot_size);
	slots->nlive++;
}

/*
 * Free a slot of the page image.  The code stays: logging its disappearance
 * would serve nobody.
 */
void
vecam_slots_remove(Page page, int slot)
{
	VecamSlotPage *slots = VecamPageGetSlots(page);
	VecamTidEntry *entry = vecam_slot(slots, slot);

	ItemPointerSetInvalid(&entry->tid);
	slots->nlive--;
}

/*
 * The rows of the table on a slot page: slots, or the TIDs of chunks.
 */
int
vecam_slots_count_rows(Page page)
{
	VecamSlotPage *slots = VecamPageGetSlots(page);
	int			rows = 0;

	if (slots->list < VECAM_NROWLISTS)
		return slots->nlive;
	for (int i = 0; slots->list == VECAM_LIST_OVERFLOW && i < slots->nslots; i++)
	{
		VecamTidEntry *slot = vecam_slot(slots, i);

		if (vecam_slot_is_live(slot))
			rows += ((VecamTidChunk *) slot)->ntids;
	}
	return rows;
}
