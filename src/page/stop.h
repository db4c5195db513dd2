/*-------------------------------------------------------------------------
 *
 * stop.h
 *	  Stop points: places where a test can hold a session up.
 *
 * They stand between two WAL records of an operation, where no content lock is
 * held, so that a test can let others do what it likes there, or kill the
 * server.  test/README.md says how.
 *
 * Compiled with VECAM_DEBUG, a session waits while another one holds the
 * advisory lock of the point's name.  Otherwise a server with injection points
 * has them under the name with "vecam-" before it, and others have nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_STOP_H
#define VECAM_STOP_H

#ifdef VECAM_DEBUG
#define VECAM_STOP(name)	vecam_stop(name)

extern bool vecam_stop_points;	/* setting vecam.stop_points */
extern void vecam_stop(const char *name);
extern void vecam_stop_init(void);
#else
#include "compat.h"

#define VECAM_STOP(name)	vecam_injection_point("vecam-" name)
#endif

#endif							/* VECAM_STOP_H */
