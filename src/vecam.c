/*-------------------------------------------------------------------------
 *
 * vecam.c
 *	  Loading the module, and its settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/am.h"
#include "compat.h"
#include "fmgr.h"
#include "math/kernels.h"
#include "page/stop.h"
#include "utils/guc.h"
#include "vecam.h"

PG_MODULE_MAGIC;

/* vecam.simd = auto: whatever this CPU does best */
#define SIMD_AUTO (-1)

int			vecam_scan_mem = 65536;
int			vecam_build_seed = 1;
bool		vecam_build_flat = false;
int			vecam_seal_workers = 2;

int			vecam_ef_search = 0;
double		vecam_recall = 0.98;
bool		vecam_recall_is_set = false;
int			vecam_scan_order = VECAM_ORDER_STRICT;
int			vecam_max_scan_tuples = -1;

static int	simd_setting = SIMD_AUTO;

static const struct config_enum_entry order_values[] = {
	{"strict", VECAM_ORDER_STRICT, false},
	{"relaxed", VECAM_ORDER_RELAXED, false},
	{NULL, 0, false}
};

static const struct config_enum_entry simd_values[] = {
	{"auto", SIMD_AUTO, false},
	{"scalar", VECAM_SIMD_SCALAR, false},
	{"neon", VECAM_SIMD_NEON, false},
	{"avx2", VECAM_SIMD_AVX2, false},
	{"avx512", VECAM_SIMD_AVX512, false},
	{NULL, 0, false}
};

void		_PG_init(void);

static bool
check_simd(int *newval, void **extra, GucSource source)
{
	if (*newval == SIMD_AUTO || vecam_simd_supported(*newval))
		return true;
	GUC_check_errdetail("This CPU or this build does not have these instructions.");
	return false;
}

static void
assign_simd(int newval, void *extra)
{
	vecam_kernels_use(newval == SIMD_AUTO ? vecam_simd_best() :
					  (VecamSimdLevel) newval);
}

/* Remember whether somebody has set it: else the index's option counts. */
static bool
check_recall(double *newval, void **extra, GucSource source)
{
	bool	   *is_set = vecam_guc_alloc(sizeof(bool));

	if (is_set == NULL)
		return false;
	*is_set = source > PGC_S_DYNAMIC_DEFAULT;
	*extra = is_set;
	return true;
}

static void
assign_recall(double newval, void *extra)
{
	vecam_recall_is_set = *(bool *) extra;
}

static void
define_search_settings(void)
{
	DefineCustomIntVariable("vecam.ef_search",
							"Sets the look-ahead of graph searches.",
							"0 takes it from the index's ef_search, or from the wanted recall.",
							&vecam_ef_search, 0, 0, 10000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("vecam.recall",
							 "Sets the recall that graph searches aim at.",
							 NULL, &vecam_recall, 0.98, 0.5, 1.0,
							 PGC_USERSET, 0, check_recall, assign_recall, NULL);
	DefineCustomEnumVariable("vecam.scan_order",
							 "Sets whether rows that a graph search finds too late are dropped or returned late.",
							 NULL, &vecam_scan_order, VECAM_ORDER_STRICT,
							 order_values, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("vecam.max_scan_tuples",
							"Sets the number of rows that one index scan returns at most.",
							"-1 means no limit.",
							&vecam_max_scan_tuples, -1, -1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_settings(void)
{
	DefineCustomEnumVariable("vecam.simd",
							 "Sets the instructions that distance computations use.",
							 "All give the same results.",
							 &simd_setting, SIMD_AUTO, simd_values,
							 PGC_USERSET, 0, check_simd, assign_simd, NULL);
	DefineCustomIntVariable("vecam.scan_mem",
							"Sets the memory that one index scan may use for its candidates.",
							"A scan that runs out of it goes through the index again.",
							&vecam_scan_mem, 65536, 64, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("vecam.build_seed",
							"Sets the seed of the random choices that an index build makes.",
							"Equal data and seed give equal index contents.",
							&vecam_build_seed, 1, 0, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("vecam.build_flat",
							 "Builds indexes as if their option kind were flat.",
							 "For indexes that vecam_restore() is going to build anew.",
							 &vecam_build_flat, false,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("vecam.seal_workers",
							"Sets the number of background workers that link inserted rows into graphs.",
							"0 leaves that to VACUUM, vecam_seal() and inserting sessions.",
							&vecam_seal_workers, 2, 0, 1024,
							PGC_SUSET, 0, NULL, NULL, NULL);
	define_search_settings();
#ifdef VECAM_DEBUG
	vecam_stop_init();
#endif
	MarkGUCPrefixReserved("vecam");
}

void
_PG_init(void)
{
	vecam_kernels_init();
	define_settings();
	vecam_options_init();
	vecam_plan_init();
}
