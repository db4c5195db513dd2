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
#include "page/progress.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(vecam_seal);

/*
 * vecam_seal(index regclass): link all rows of the growing list into the
 * graph, whatever the thresholds say; returns how many.  An index of kind flat
 * has no graph.
 */
Datum
vecam_seal(PG_FUNCTION_ARGS)
{
	Relation	table;
	Relation	index = vecam_admin_open_for_maintenance(PG_GETARG_OID(0), &table,
														 false);
	VecamMetaPageData meta;
	VecamUserContext user;
	VecamSealer *sealer;
	int64		sealed;

	vecam_meta_read(index, &meta);
	if (meta.kind == VECAM_KIND_FLAT)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" has kind flat and no graph",
						RelationGetRelationName(index))));

	vecam_admin_become_owner(&user, table);
	vecam_progress_start(index);
	sealer = vecam_sealer_begin(index, VECAM_SEAL_SHARED, true);
	vecam_seal_rows(sealer, PG_INT64_MAX, NULL);
	sealed = sealer->sealed;
	vecam_sealer_end(sealer);
	vecam_progress_end();
	vecam_admin_restore_user(&user);

	vecam_admin_close_after_maintenance(index, table);
	PG_RETURN_INT64(sealed);
}
