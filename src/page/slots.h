/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  Slot pages: pages of the lists, with slots of one size.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_SLOTS_H
#define VECAM_SLOTS_H

#include "page/meta.h"

/* Slot number `slot` of a slot page, 0-based. */
static inline VecamTidEntry *
vecam_slot(VecamSlotPage *slots, int slot)
{
	return (VecamTidEntry *) ((char *) (slots + 1) +
							  (Size) slot * slots->slot_size);
}

static inline bool
vecam_slot_is_live(const VecamTidEntry *entry)
{
	return ItemPointerIsValid(&entry->tid);
}

/* Bytes that new rows can take on this page. */
static inline Size
vecam_slots_free_space(const VecamSlotPage *slots)
{
	return (Size) slots->slot_size *
		(VECAM_SLOTS_PER_PAGE(slots->slot_size) - slots->nlive);
}

/* slots.c */
extern void vecam_slots_init(Page page, VecamList list, int slot_size);
extern bool vecam_slots_are_of(Relation index, Buffer buf, VecamList list);
extern VecamSlotPage *vecam_slots_of_buffer(Relation index, Buffer buf,
											const VecamIndex *ix,
											VecamList list);
extern int	vecam_slots_find_free(const VecamSlotPage *slots);
extern void vecam_slots_put(Page page, int slot, const void *entry);
extern void vecam_slots_remove(Page page, int slot);
extern int	vecam_slots_count_rows(Page page);

#endif							/* VECAM_SLOTS_H */
