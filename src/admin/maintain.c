/*-------------------------------------------------------------------------
 *
 * maintain.c
 *	  vecam_seal
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "admin/admin.h"
#include "flat/seal.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(vecam_seal);

/* Become the table's owner in a security-restricted context, as VACUUM does. */
typedef struct UserContext
{
	Oid			user;
	int			flags;
	int			nest_level;
} UserContext;

static void
become_owner(UserContext *saved, Relation table)
{
	GetUserIdAndSecContext(&saved->user, &saved->flags);
	SetUserIdAndSecContext(table->rd_rel->relowner,
						   saved->flags | SECURITY_RESTRICTED_OPERATION);
	saved->nest_level = NewGUCNestLevel();
}

static void
restore_user(UserContext *saved)
{
	AtEOXact_GUC(false, saved->nest_level);
	SetUserIdAndSecContext(saved->user, saved->flags);
}

/*
 * vecam_seal(index regclass): link all rows of the growing list into the
 * graph, whatever the thresholds say; returns how many.  An index of kind flat
 * has no graph.
 */
Datum
vecam_seal(PG_FUNCTION_ARGS)
{
	Relation	table;
	Relation	index = vecam_admin_open_for_maintenance(PG_GETARG_OID(0), &table);
	VecamMetaPageData meta;
	UserContext user;
	VecamSealer *sealer;
	int64		sealed;

	vecam_meta_read(index, &meta);
	if (meta.kind == VECAM_KIND_FLAT)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" has kind flat and no graph",
						RelationGetRelationName(index))));

	become_owner(&user, table);
	sealer = vecam_sealer_begin(index, VECAM_SEAL_SHARED, true);
	vecam_seal_rows(sealer, PG_INT64_MAX, NULL);
	sealed = sealer->sealed;
	vecam_sealer_end(sealer);
	restore_user(&user);

	vecam_admin_close_after_maintenance(index, table);
	PG_RETURN_INT64(sealed);
}
