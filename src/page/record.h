/*-------------------------------------------------------------------------
 *
 * record.h
 *	  One WAL record: a change of up to four pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_RECORD_H
#define VECAM_RECORD_H

#include "access/generic_xlog.h"
#include "storage/buf.h"
#include "storage/bufpage.h"
#include "utils/relcache.h"

#define VECAM_RECORD_PAGES MAX_GENERIC_XLOG_PAGES

typedef struct VecamRecord VecamRecord;

extern VecamRecord *vecam_record_start(Relation index);
extern Page vecam_record_page(VecamRecord *record, Buffer buf, bool whole);
extern void vecam_record_finish(VecamRecord *record);

#endif							/* VECAM_RECORD_H */
