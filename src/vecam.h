/*-------------------------------------------------------------------------
 *
 * vecam.h
 *	  Module-wide settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_H
#define VECAM_H

#include "postgres.h"

/* vecam.c */
extern PGDLLIMPORT int vecam_scan_mem;	/* vecam.scan_mem, kilobytes */
extern PGDLLIMPORT int vecam_build_seed;	/* vecam.build_seed */

#endif							/* VECAM_H */
