/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far the maintenance of an index is, for the view vecam_progress.
 *
 * PostgreSQL has an entry in shared memory for each backend, with the command
 * that reports its progress and twenty numbers, of which the commands use the
 * first ones.  vecam puts its own into the last three, so they stand beside
 * those of VACUUM and CREATE INDEX, and go with the command, be that by success
 * or by error.  The functions of vecam begin a command themselves:
 * a CREATE INDEX that says of itself neither CREATE nor REINDEX, so that it is
 * in pg_stat_progress_create_index too.
 *
 * Other commands run while an index is changed, COPY for instance.  Then there
 * is no phase, and nothing is reported.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/progress.h"
#include "compat.h"
#include "page/progress.h"

/* The parameters, counted from 0. */
#define PARAM_PHASE		17		/* phase << 32 + OID of the index; 0: none */
#define PARAM_TOTAL		18		/* or VECAM_PROGRESS_UNKNOWN */
#define PARAM_DONE		19

StaticAssertDecl(PARAM_PHASE > PROGRESS_SCAN_BLOCKS_DONE &&
				 PARAM_DONE < PGSTAT_NUM_PROGRESS_PARAM,
				 "parameters that commands do not use");
StaticAssertDecl((int) VECAM_PROGRESS_INITIALIZE ==
				 PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE,
				 "the phase that a build starts in");

static const char *const phase_names[] = {
	[VECAM_PROGRESS_INITIALIZE] = "initializing",
	[VECAM_PROGRESS_SAMPLE] = "sampling rows for the mean",
	[VECAM_PROGRESS_LOAD] = "loading rows",
	[VECAM_PROGRESS_LINK] = "linking rows",
	[VECAM_PROGRESS_WRITE] = "writing pages",
	[VECAM_PROGRESS_LOG] = "logging pages",
	[VECAM_PROGRESS_TEST_CHECKPOINT] = "testing the checkpoint",
	[VECAM_PROGRESS_RESTORE_NODES] = "restoring nodes",
	[VECAM_PROGRESS_RESTORE_EDGES] = "restoring edges",
	[VECAM_PROGRESS_NUMBER_NODES] = "numbering nodes",
	[VECAM_PROGRESS_WRITE_NODES] = "writing nodes",
	[VECAM_PROGRESS_SEAL] = "sealing rows",
	[VECAM_PROGRESS_FINISH_ROWS] = "finishing rows half sealed",
	[VECAM_PROGRESS_DELETE_ROWS] = "removing rows from lists",
	[VECAM_PROGRESS_DELETE_NODES] = "removing rows from nodes",
	[VECAM_PROGRESS_DELETE_CHUNKS] = "removing rows from TID chunks",
	[VECAM_PROGRESS_TRIM_CHUNKS] = "freeing TID chunks",
	[VECAM_PROGRESS_FREE_PAGES] = "freeing empty pages",
	[VECAM_PROGRESS_SURVEY] = "surveying pages",
	[VECAM_PROGRESS_NOTE_NODES] = "looking for dead nodes",
	[VECAM_PROGRESS_SPLICE] = "splicing out dead nodes",
	[VECAM_PROGRESS_ADD_ENTRIES] = "adding entry points",
	[VECAM_PROGRESS_FOLLOW_EDGES] = "following edges from the entry points",
	[VECAM_PROGRESS_LINK_UNREACHED] = "linking nodes that nothing leads to",
	[VECAM_PROGRESS_FREE_NODES] = "freeing dead nodes",
	[VECAM_PROGRESS_MOVE] = "moving nodes and rows",
	[VECAM_PROGRESS_COLLECT_MOVES] = "collecting moved nodes",
	[VECAM_PROGRESS_REWRITE] = "rewriting edges to moved nodes",
	[VECAM_PROGRESS_FREE_MOVED] = "freeing places of moved nodes",
	[VECAM_PROGRESS_NOTE_OWNERS] = "looking for owners of extents",
	[VECAM_PROGRESS_MOVE_EXTENTS] = "moving extents",
	[VECAM_PROGRESS_TRUNCATE] = "truncating",
	[VECAM_PROGRESS_CHECK_PAGES] = "checking pages",
	[VECAM_PROGRESS_CHECK_LISTS] = "checking lists",
	[VECAM_PROGRESS_CHECK_NODES] = "checking nodes",
	[VECAM_PROGRESS_CHECK_EDGES] = "checking edges",
	[VECAM_PROGRESS_CHECK_PATHS] = "checking paths to nodes",
	[VECAM_PROGRESS_CHECK_TABLE] = "checking rows of the table",
	[VECAM_PROGRESS_CHECK_TIDS] = "checking where TIDs lead",
};

/*
 * What a phase is called; NULL if there is none of this number.
 */
const char *
vecam_progress_phase_name(int64 phase)
{
	return phase > 0 && phase < (int64) lengthof(phase_names) ?
		phase_names[phase] : NULL;
}

/* This backend's entry, if a command reports its progress there. */
static PgBackendStatus *
running_entry(void)
{
	return MyBEEntry &&
		MyBEEntry->st_progress_command != PROGRESS_COMMAND_INVALID ?
		MyBEEntry : NULL;
}

/* Is the command one that vecam_progress_start began? */
static bool
is_ours(const PgBackendStatus *entry)
{
	return entry->st_progress_command == PROGRESS_COMMAND_CREATE_INDEX &&
		entry->st_progress_param[PROGRESS_CREATEIDX_COMMAND] == 0;
}

/*
 * Begin to report progress, unless a command does so already: then that one is
 * reported with, and false is returned.
 */
bool
vecam_progress_start(Relation index)
{
	const int	params[] = {PROGRESS_CREATEIDX_INDEX_OID,
		PROGRESS_CREATEIDX_ACCESS_METHOD_OID, PROGRESS_CREATEIDX_PHASE};
	const int64 values[] = {RelationGetRelid(index), index->rd_rel->relam,
	PROGRESS_CREATEIDX_PHASE_BUILD};

	if (running_entry())
		return false;
	pgstat_progress_start_command(PROGRESS_COMMAND_CREATE_INDEX,
								  index->rd_index->indrelid);
	pgstat_progress_update_multi_param(lengthof(params), params, values);
	return true;
}

/*
 * Begin a phase, which ends with the next one, or with vecam_progress_end.
 * total: how much there is to do, or VECAM_PROGRESS_UNKNOWN.
 */
void
vecam_progress_begin(Relation index, VecamProgressPhase phase, int64 total)
{
	const PgBackendStatus *entry = running_entry();
	const int	params[] = {PARAM_PHASE, PARAM_TOTAL, PARAM_DONE,
		PROGRESS_CREATEIDX_SUBPHASE, PROGRESS_SCAN_BLOCKS_TOTAL,
	PROGRESS_SCAN_BLOCKS_DONE};
	const int64 values[] = {((int64) phase << 32) | RelationGetRelid(index),
	total, 0, phase, Max(total, 0), 0};
	int			n = 3;

	if (entry == NULL)
		return;
	if (is_ours(entry))
		n = 6;
	else if (entry->st_progress_command == PROGRESS_COMMAND_CREATE_INDEX)
		n = 4;					/* which counts blocks of the table itself */
	pgstat_progress_update_multi_param(n, params, values);
}

/*
 * So much of the phase is done.  What turns out to be more than was to be done
 * at the beginning, as indexes grow, raises the total.
 */
void
vecam_progress_update(int64 done)
{
	const PgBackendStatus *entry = running_entry();
	const int	params[] = {PARAM_TOTAL, PARAM_DONE,
	PROGRESS_SCAN_BLOCKS_TOTAL, PROGRESS_SCAN_BLOCKS_DONE};
	int64		values[] = {0, done, 0, done};

	if (entry == NULL || entry->st_progress_param[PARAM_PHASE] == 0)
		return;
	values[0] = entry->st_progress_param[PARAM_TOTAL];
	if (values[0] != VECAM_PROGRESS_UNKNOWN)
		values[0] = Max(values[0], done);
	values[2] = Max(values[0], 0);
	pgstat_progress_update_multi_param(is_ours(entry) ? 4 : 2, params, values);
}

/*
 * One more is done.
 */
void
vecam_progress_advance(void)
{
	const PgBackendStatus *entry = running_entry();

	if (entry)
		vecam_progress_update(entry->st_progress_param[PARAM_DONE] + 1);
}

/*
 * Nothing of vecam's is under way any more.
 */
void
vecam_progress_end(void)
{
	const PgBackendStatus *entry = running_entry();

	if (entry == NULL)
		return;
	if (is_ours(entry))
		pgstat_progress_end_command();
	else
		pgstat_progress_update_param(PARAM_PHASE, 0);
}
