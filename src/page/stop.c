/*-------------------------------------------------------------------------
 *
 * stop.c
 *	  Stop points, in a library that is compiled with VECAM_DEBUG.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef VECAM_DEBUG

#include "common/hashfn.h"
#include "miscadmin.h"
#include "page/stop.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/guc.h"

/* First key of the points' advisory locks; the second is hashtext(name). */
#define STOP_CLASS 1986356065

/* What SQL's pg_advisory_lock(int, int) puts into the last field. */
#define TWO_KEYS 2

#define POLL_US 1000

bool		vecam_stop_points = false;

/* Does a transaction hold the lock? */
static bool
is_closed(const LOCKTAG *tag)
{
	VirtualTransactionId *holders;
	int			n;

	holders = GetLockConflicts(tag, ShareLock, &n);
	pfree(holders);
	return n > 0;
}

/*
 * Wait while a transaction has locked the point.  By looking again and again,
 * so that the lock tables look as they would without the stop.
 */
void
vecam_stop(const char *name)
{
	LOCKTAG		tag;

	if (!vecam_stop_points)
		return;
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, STOP_CLASS,
						 hash_bytes((const unsigned char *) name, strlen(name)),
						 TWO_KEYS);
	while (is_closed(&tag))
	{
		pgstat_report_wait_start(PG_WAIT_EXTENSION);
		pg_usleep(POLL_US);
		pgstat_report_wait_end();
		CHECK_FOR_INTERRUPTS();
	}
}

void
vecam_stop_init(void)
{
	DefineCustomBoolVariable("vecam.stop_points",
							 "Sets whether sessions wait at stop points that are locked.",
							 "Only in a library that is compiled for tests.",
							 &vecam_stop_points, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

#endif							/* VECAM_DEBUG */
