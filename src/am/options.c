/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Storage parameters of an index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "am/am.h"
#include "flat/seal.h"
#include "utils/rel.h"
#include "vecam.h"

#define DEFAULT_M 16
#define DEFAULT_EF_CONSTRUCTION 100
#define DEFAULT_FLAT_THRESHOLD 2000
#define DEFAULT_COMPACT_THRESHOLD 0.3

static relopt_kind vecam_relopt_kind;

static relopt_enum_elt_def kind_values[] = {
	{"auto", VECAM_KIND_AUTO},
	{"flat", VECAM_KIND_FLAT},
	{"hnsw", VECAM_KIND_HNSW},
	{NULL, 0}
};

static relopt_enum_elt_def rerank_values[] = {
	{"heap", VECAM_RERANK_HEAP},
	{"page", VECAM_RERANK_PAGE},
	{NULL, 0}
};

static void
add_int(const char *name, const char *description, int value, int min, int max)
{
	add_int_reloption(vecam_relopt_kind, name, description, value, min, max,
					  AccessExclusiveLock);
}

static void
add_real(const char *name, const char *description, double value, double min,
		 double max)
{
	add_real_reloption(vecam_relopt_kind, name, description, value, min, max,
					   AccessExclusiveLock);
}

/*
 * Register the parameters; once per backend, at load.
 */
void
vecam_options_init(void)
{
	vecam_relopt_kind = add_reloption_kind();

	add_enum_reloption(vecam_relopt_kind, "kind",
					   "How the index searches", kind_values, VECAM_KIND_AUTO,
					   "Valid values are \"auto\", \"flat\", and \"hnsw\".",
					   AccessExclusiveLock);
	add_enum_reloption(vecam_relopt_kind, "rerank",
					   "What decides the order of the nearest rows",
					   rerank_values, VECAM_RERANK_PAGE,
					   "Valid values are \"heap\" and \"page\".",
					   AccessExclusiveLock);
	add_int("m", "Neighbors of a node in the upper levels of the graph",
			DEFAULT_M, 2, VECAM_MAX_M);
	add_int("ef_construction", "Candidates examined when a row is linked",
			DEFAULT_EF_CONSTRUCTION, VECAM_MIN_EF_CONSTRUCTION,
			VECAM_MAX_EF_CONSTRUCTION);
	add_int("flat_threshold", "Rows up to which kind = auto searches flat",
			DEFAULT_FLAT_THRESHOLD, 0, INT_MAX);
	add_int("seal_threshold",
			"Growing rows from which they are linked, 0 = chosen",
			0, 0, INT_MAX);
	add_int("sketch_bits", "Dimensions kept in neighbor sketches, 0 = chosen",
			0, 0, VECAM_MAX_DIMS);
	add_int("ef_search", "Look-ahead of searches, 0 = from recall",
			0, 0, 10000);
	add_real("recall", "Recall that searches aim at, 0 = vecam.recall",
			 0, 0, 1);
	add_real("compact_threshold",
			 "Fragmentation from which VACUUM compacts, 0 = never",
			 DEFAULT_COMPACT_THRESHOLD, 0, 1);
}

/*
 * amoptions: parse and check the parameters.
 */
bytea *
vecam_options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt table[] = {
		{"kind", RELOPT_TYPE_ENUM, offsetof(VecamOptions, kind)},
		{"rerank", RELOPT_TYPE_ENUM, offsetof(VecamOptions, rerank)},
		{"m", RELOPT_TYPE_INT, offsetof(VecamOptions, m)},
		{"ef_construction", RELOPT_TYPE_INT,
		offsetof(VecamOptions, ef_construction)},
		{"flat_threshold", RELOPT_TYPE_INT,
		offsetof(VecamOptions, flat_threshold)},
		{"seal_threshold", RELOPT_TYPE_INT,
		offsetof(VecamOptions, seal_threshold)},
		{"sketch_bits", RELOPT_TYPE_INT, offsetof(VecamOptions, sketch_bits)},
		{"ef_search", RELOPT_TYPE_INT, offsetof(VecamOptions, ef_search)},
		{"recall", RELOPT_TYPE_REAL, offsetof(VecamOptions, recall)},
		{"compact_threshold", RELOPT_TYPE_REAL,
		offsetof(VecamOptions, compact_threshold)},
	};
	VecamOptions *options;

	options = (VecamOptions *) build_reloptions(reloptions, validate,
												vecam_relopt_kind,
												sizeof(VecamOptions),
												table, lengthof(table));
	if (validate && options && options->ef_construction < options->m)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_construction must be at least m"),
				 errdetail("ef_construction is %d and m is %d.",
						   options->ef_construction, options->m)));
	return (bytea *) options;
}

/*
 * The parameters of an index, defaults where it has none.
 */
VecamOptions
vecam_options_of(Relation index)
{
	VecamOptions options = {0};

	if (index->rd_options)
		return *(VecamOptions *) index->rd_options;

	options.kind = VECAM_KIND_AUTO;
	options.rerank = VECAM_RERANK_PAGE;
	options.m = DEFAULT_M;
	options.ef_construction = DEFAULT_EF_CONSTRUCTION;
	options.flat_threshold = DEFAULT_FLAT_THRESHOLD;
	options.compact_threshold = DEFAULT_COMPACT_THRESHOLD;
	return options;
}

/*
 * The look-ahead for a wanted recall.  Until an index is calibrated this is
 * one table for all.
 */
static int
lookahead_for_recall(double recall)
{
	static const struct
	{
		double		recall;
		int			lookahead;
	}			table[] = {
		{0.90, 16}, {0.95, 32}, {0.98, 64}, {0.99, 128}, {0.995, 256}
	};

	for (int i = 0; i < (int) lengthof(table); i++)
	{
		if (recall <= table[i].recall)
			return table[i].lookahead;
	}
	return 512;
}

/*
 * The look-ahead of a search: the session's setting if there is one, else the
 * index's option, else what the wanted recall takes.
 */
int
vecam_lookahead(Relation index)
{
	VecamOptions options = vecam_options_of(index);

	if (vecam_ef_search > 0)
		return vecam_ef_search;
	if (vecam_recall_is_set)
		return lookahead_for_recall(vecam_recall);
	if (options.ef_search > 0)
		return options.ef_search;
	return lookahead_for_recall(options.recall > 0 ? options.recall :
								vecam_recall);
}

/*
 * Is the growing list long enough for its rows to be linked?  `factor` times
 * the threshold, for an index that has a graph or is to have one.
 */
bool
vecam_wants_seal(Relation index, const VecamIndex *ix, int64 growing_rows,
				 double factor)
{
	VecamOptions options = vecam_options_of(index);
	int64		threshold = options.seal_threshold > 0 ?
		options.seal_threshold : vecam_choose_seal_threshold(ix);

	if (ix->meta.kind == VECAM_KIND_FLAT)
		return false;
	if (ix->meta.kind == VECAM_KIND_AUTO && !ix->meta.has_graph)
		threshold = Max(threshold, options.flat_threshold + 1);
	return growing_rows >= threshold * factor;
}
