/*-------------------------------------------------------------------------
 *
 * admin.h
 *	  What the SQL functions on indexes share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_ADMIN_H
#define VECAM_ADMIN_H

#include "fmgr.h"
#include "utils/relcache.h"
#include "utils/tuplestore.h"

/* Who called, while a function acts as the table's owner. */
typedef struct VecamUserContext
{
	Oid			user;
	int			flags;
	int			nest_level;
} VecamUserContext;

/* open.c */
extern Relation vecam_admin_open(Oid index_oid);
extern void vecam_admin_close(Relation index);
extern Relation vecam_admin_open_for_maintenance(Oid index_oid,
												 Relation *table, bool nowait);
extern void vecam_admin_close_after_maintenance(Relation index,
												Relation table);
extern Relation vecam_admin_open_for_check(Oid index_oid, bool recovery,
										   Relation *table);
extern void vecam_admin_close_after_check(Relation index, bool recovery,
										  Relation table);
extern Relation vecam_admin_open_for_rebuild(Oid index_oid, Relation *table);
extern void vecam_admin_become_owner(VecamUserContext *saved, Relation table);
extern void vecam_admin_restore_user(VecamUserContext *saved);

/* result.c */
extern Datum vecam_admin_make_row(FunctionCallInfo fcinfo, Datum *values,
								  int nvalues);
extern Tuplestorestate *vecam_admin_start_rows(FunctionCallInfo fcinfo,
											   int ncolumns, TupleDesc *desc);

#endif							/* VECAM_ADMIN_H */
