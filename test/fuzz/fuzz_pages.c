/*-------------------------------------------------------------------------
 *
 * fuzz_pages.c
 *	  Searches, inserts, sealing, VACUUM and compaction on damaged pages.
 *
 * An input names an index that was built here, a list of operations, and
 * damages:
 *
 *		byte 0		which index
 *		byte 1		operations, one bit each
 *		then		damages of 8 bytes: block, how, offset (2), value (4)
 *
 * Every operation must end without an error or with the error that tells of
 * damage; the sanitizers watch what it touches.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <math.h>

#include "access/genam.h"
#include "am/am.h"
#include "flat/compact.h"
#include "flat/rowscan.h"
#include "flat/seal.h"
#include "page/listwriter.h"
#include "vecam.h"

/* What an index is built from, and its pages. */
typedef struct Base
{
	int			dims;
	VecamMetric metric;
	VecamKind	kind;
	int			m;
	int			rows;
	bool		has_mean;
	BlockNumber npages;
	PGAlignedBlock *pages;
} Base;

static Base bases[] = {
	{5, VECAM_METRIC_COSINE, VECAM_KIND_FLAT, 4, 250, true},
	{6, VECAM_METRIC_L2, VECAM_KIND_HNSW, 4, 60, false},
	{9, VECAM_METRIC_IP, VECAM_KIND_HNSW, 2, 50, true},
	{200, VECAM_METRIC_COSINE, VECAM_KIND_HNSW, 16, 20, true},
	{8200, VECAM_METRIC_L2, VECAM_KIND_FLAT, 2, 3, false},
	{4100, VECAM_METRIC_L2, VECAM_KIND_HNSW, 2, 6, false},
};

typedef struct Damage
{
	uint8		block;
	uint8		how;
	uint16		offset;
	uint32		value;
} Damage;

#define MAX_DAMAGES 32

/* Rows that a search returns at most before its caller has had enough. */
#define MAX_ROWS 2000

static const Base *base;
static PGAlignedBlock copy[SERVER_MAX_BLOCKS];

/* Whether VACUUM and inserts find the growing list too long. */
static bool wants_seal;

bool
vecam_wants_seal(Relation index, const VecamIndex *ix, int64 growing_rows,
				 double factor)
{
	return wants_seal && ix->meta.kind != VECAM_KIND_FLAT;
}

VecamOptions
vecam_options_of(Relation index)
{
	VecamOptions options = {.compact_threshold = 0.3};

	return options;
}

static void
make_vector(float *x, int dims, int i)
{
	uint32		state = i % 20 * 2654435761U + 1;

	for (int k = 0; k < dims; k++)
	{
		state = state * 1664525 + 1013904223;
		x[k] = i % 17 == 0 ? 0 : (float) (state >> 16) / 4096 - 8 + i % 7;
	}
}

static void
insert_rows(int first, int n)
{
	Relation	index = server_relation(base->dims);
	VecamIndex *ix = vecam_index_open(index);
	float	   *x = palloc(sizeof(float) * ix->meta.dims);
	VecamRow	row;

	vecam_row_init(&row, ix);
	for (int i = first; i < first + n; i++)
	{
		ItemPointerData tid;

		ItemPointerSet(&tid, i / 10, i % 10 + 1);
		make_vector(x, ix->meta.dims, i);
		vecam_row_form(&row, ix, &tid, i % 13 == 0 ? NULL : x);
		vecam_row_append(index, ix, &row);
	}
}

static void
seal(void *arg)
{
	VecamSealer *sealer = vecam_sealer_begin(server_relation(base->dims),
											 VECAM_SEAL_SHARED, true);

	vecam_seal_rows(sealer, *(int64 *) arg, NULL);
	vecam_sealer_end(sealer);
}

static bool
is_dead(ItemPointer tid, void *arg)
{
	return ItemPointerGetBlockNumberNoCheck(tid) % 3 == 1;
}

static void
vacuum_index(void *arg)
{
	IndexVacuumInfo info = {.index = server_relation(base->dims)};
	IndexBulkDeleteResult *stats;

	stats = vecam_bulkdelete(&info, NULL, is_dead, NULL);
	(void) vecam_vacuumcleanup(&info, stats);
}

static void
no_delay(void)
{
}

static void
compact(void *arg)
{
	Relation	index = server_relation(base->dims);
	VecamCompactStats stats;

	vecam_compact_index(index, PG_INT64_MAX, no_delay, &stats);
	vecam_truncate_index(index);
}

static void
insert(void *arg)
{
	insert_rows(5000, 6);
}

/* Read all rows, those without a distance too. */
static void
search(void *arg)
{
	Relation	index = server_relation(base->dims);
	VecamIndex *ix = vecam_index_open(index);
	int			dims = ix->meta.dims;
	float	   *q = palloc(sizeof(float) * dims);
	float	   *rotated = palloc(sizeof(float) * dims);
	VecamRowScan *scan = palloc(sizeof(VecamRowScan));
	VecamTidScan *tids = palloc(sizeof(VecamTidScan));
	VecamSearchCounters counters;
	VecamCodecQuery query;
	ItemPointerData tid;
	double		bound;
	bool		certain;
	int			rows = 0;

	memset(&counters, 0, sizeof(counters));
	make_vector(q, dims, 3);
	vecam_codec_query_init(&query, &ix->codec, q, rotated,
						   palloc(sizeof(int16) * dims));
	vecam_rows_begin(scan, index, index, ix, q, query.undefined ? NULL : &query,
					 rotated, 8, *(bool *) arg, 65536, &counters);
	while (rows < MAX_ROWS && vecam_rows_next(scan, &tid, &bound, &certain))
		rows++;
	for (VecamList list = VECAM_LIST_UNDEFINED; list <= VECAM_LIST_NULL; list++)
	{
		vecam_tids_begin(tids, index, ix, list, &counters);
		while (rows < MAX_ROWS && vecam_tids_next(tids, &tid))
			rows++;
	}
}

/* Write an empty index, as a build does. */
static void
write_meta(void *arg)
{
	Relation	index = server_relation(base->dims);
	VecamMetaPageData meta;
	VecamStore	store;
	float	   *mean = palloc0(sizeof(float) * base->dims);
	Buffer		buf;

	vecam_meta_init(&meta, base->dims, base->metric, base->kind, base->m, 20, 0,
					true, 1);
	meta.max_norm = base->metric == VECAM_METRIC_IP ? 100 : 0;
	buf = vecam_extend_relation(index);
	vecam_meta_fill_page(BufferGetPage(buf), &meta);
	UnlockReleaseBuffer(buf);
	if (!base->has_mean)
		return;

	mean[0] = 1;
	vecam_store_init(&store, index, VECAM_STORE_LOGGED, 0);
	meta.mean = vecam_mean_write(&store, base->dims, mean);
	buf = ReadBuffer(index, VECAM_META_BLKNO);
	LockBuffer(buf, BUFFER_LOCK_EXCLUSIVE);
	vecam_meta_fill_page(BufferGetPage(buf), &meta);
	UnlockReleaseBuffer(buf);
}

static void
insert_base_rows(void *arg)
{
	insert_rows(1, base->rows);
}

static void
make_base(Base *new)
{
	int64		most = new->rows * 3 / 4;
	bool		strict = false;

	base = new;
	server_set_pages(NULL, 0);
	if (!server_try(write_meta, NULL))
		server_finding("meta page: %s", server_message);

	/* a build does not log its pages one by one */
	server_set_pages(copy, server_get_pages(copy));
	if (!server_try(insert_base_rows, NULL) ||
		(base->kind == VECAM_KIND_HNSW && !server_try(seal, &most)) ||
		!server_try(search, &strict))
		server_finding("index of %d dimensions: %s", new->dims, server_message);
	vecam_cache_forget(server_relation(base->dims));
	new->npages = server_get_pages(copy);
	new->pages = malloc(sizeof(PGAlignedBlock) * new->npages);
	memcpy(new->pages, copy, sizeof(PGAlignedBlock) * new->npages);
}

/* Change one value on a page, or put a page in another's place. */
static void
apply_damage(const Damage *damage)
{
	char	   *page = copy[damage->block % base->npages].data;
	static const int widths[] = {1, 2, 4, 4};
	int			width = widths[damage->how & 3];
	uint32		value = damage->how & 4 ? damage->value % base->npages :
		damage->value;
	int			offset;

	switch (damage->how >> 3 & 7)
	{
		case 0:
			memcpy(page, copy[value % base->npages].data, BLCKSZ);
			return;
		case 1:					/* page header */
			offset = damage->offset % 24;
			break;
		case 2:					/* special space */
			offset = BLCKSZ - 8 + damage->offset % 8;
			break;
		case 3:					/* beginning of the contents */
		case 4:
			offset = 24 + damage->offset % 128;
			break;
		default:
			offset = damage->offset % BLCKSZ;
			break;
	}
	memcpy(page + offset, &value, Min(width, BLCKSZ - offset));
}

/* Only damage may be complained of. */
static void
run(void (*operation) (void *arg), void *arg)
{
	if (!server_try(operation, arg) &&
		server_errcode != ERRCODE_INDEX_CORRUPTED &&
		strstr(server_message, "format version") == NULL)
		server_finding("error: %s", server_message);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	vecam_kernels_init();
	for (size_t i = 0; i < lengthof(bases); i++)
		make_base(&bases[i]);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	int64		some = 5;
	bool		strict;

	if (size < 2)
		return -1;
	base = &bases[data[0] % lengthof(bases)];
	memcpy(copy, base->pages, sizeof(PGAlignedBlock) * base->npages);
	for (size_t i = 0; i < MAX_DAMAGES && size >= 2 + (i + 1) * sizeof(Damage); i++)
	{
		Damage		damage;

		memcpy(&damage, data + 2 + i * sizeof(Damage), sizeof(Damage));
		apply_damage(&damage);
	}
	server_set_pages(copy, base->npages);

	strict = data[1] & 1;
	wants_seal = data[1] & 2;
	run(search, &strict);
	if (data[1] & 4)
		run(insert, NULL);
	if (data[1] & 8 && base->kind == VECAM_KIND_HNSW)
		run(seal, &some);
	if (data[1] & 16)
		run(vacuum_index, NULL);
	if (data[1] & 32)
		run(compact, NULL);
	run(search, &strict);
	vecam_cache_forget(server_relation(base->dims));
	return 0;
}
