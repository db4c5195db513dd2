/*-------------------------------------------------------------------------
 *
 * unit.c
 *	  A small checker for programs that test src/math without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHOWN_FAILURES 5
#define MAX_GUARDED 64

static char case_name[200];
static bool case_open = false;
static long case_failures = 0;
static int	passed = 0;
static int	failed = 0;

static uint64 random_state = 1;

static struct
{
	void	   *base;
	size_t		size;
}			guarded[MAX_GUARDED];
static int	n_guarded = 0;

static void
close_case(void)
{
	if (!case_open)
		return;
	if (case_failures == 0)
		passed++;
	else
	{
		failed++;
		printf("FAILED: %s (%ld checks)\n", case_name, case_failures);
	}
	case_open = false;
}

void
unit_case(const char *format,...)
{
	va_list		args;

	close_case();
	va_start(args, format);
	vsnprintf(case_name, sizeof(case_name), format, args);
	va_end(args);
	case_open = true;
	case_failures = 0;
}

void
unit_check(bool ok, const char *format,...)
{
	va_list		args;

	if (ok)
		return;
	if (case_failures++ >= SHOWN_FAILURES)
		return;
	printf("  %s: ", case_name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

int
unit_finish(void)
{
	close_case();
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}

void
unit_seed(uint64 seed)
{
	random_state = seed;
}

uint64
unit_random(void)
{
	uint64		z = (random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

double
unit_uniform(void)
{
	return (double) (unit_random() >> 11) / 9007199254740992.0;
}

/*
 * Irwin-Hall: a sum of 12 uniform numbers.  Sums and products only, so that
 * the numbers are the same with every C library.
 */
double
unit_normal(void)
{
	double		sum = -6.0;
	int			i;

	for (i = 0; i < 3; i++)
	{
		uint64		bits = unit_random();

		sum += (double) (bits & 0xFFFF) / 65536.0;
		sum += (double) ((bits >> 16) & 0xFFFF) / 65536.0;
		sum += (double) ((bits >> 32) & 0xFFFF) / 65536.0;
		sum += (double) (bits >> 48) / 65536.0;
	}
	return sum;
}

int
unit_range(int first, int last)
{
	return first + (int) (unit_random() % (uint64) (last - first + 1));
}

void
unit_normal_vector(int n, float *x, double scale)
{
	int			i;

	for (i = 0; i < n; i++)
		x[i] = (float) (scale * unit_normal());
}

void *
unit_alloc(size_t size)
{
	void	   *p = malloc(size > 0 ? size : 1);

	if (p == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return p;
}

void *
unit_guarded(size_t size)
{
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		body = (size + page - 1) / page * page;
	char	   *base;

	base = mmap(NULL, body + page, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED || n_guarded >= MAX_GUARDED ||
		mprotect(base + body, page, PROT_NONE) != 0)
	{
		fprintf(stderr, "could not map guarded memory\n");
		exit(2);
	}
	guarded[n_guarded].base = base;
	guarded[n_guarded].size = body + page;
	n_guarded++;
	memset(base, 0x7F, body);
	return base + body - size;
}

void
unit_free_guarded(void)
{
	while (n_guarded > 0)
	{
		n_guarded--;
		munmap(guarded[n_guarded].base, guarded[n_guarded].size);
	}
}

int
unit_levels(VecamSimdLevel *levels)
{
	static const char *const names[VECAM_SIMD_NLEVELS] = {
		"scalar", "neon", "avx2", "avx512"
	};
	int			n = 0;
	int			i;

	for (i = 0; i < VECAM_SIMD_NLEVELS; i++)
	{
		if (vecam_simd_supported((VecamSimdLevel) i))
		{
			levels[n++] = (VecamSimdLevel) i;
			printf("level %s: tested\n", names[i]);
		}
		else
			printf("level %s: SKIPPED, not supported by this CPU or build\n",
				   names[i]);
	}
	return n;
}

uint64
unit_hash(uint64 hash, const void *data, size_t size)
{
	const uint8 *p = data;
	size_t		i;

	for (i = 0; i < size; i++)
		hash = (hash ^ p[i]) * UINT64CONST(0x100000001B3);
	return hash;
}

float *
unit_load_u8bin(const char *folder, const char *name, int *n, int *dims)
{
	char		path[1000];
	uint32		shape[2];
	FILE	   *file;
	uint8	   *bytes;
	float	   *x;
	size_t		count;
	size_t		i;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (file == NULL || fread(shape, sizeof(shape), 1, file) != 1)
	{
		printf("SKIPPED: no real data, %s cannot be read\n", path);
		return NULL;
	}
	count = (size_t) shape[0] * shape[1];
	bytes = unit_alloc(count);
	if (fread(bytes, 1, count, file) != count)
	{
		fprintf(stderr, "%s is cut off\n", path);
		exit(2);
	}
	fclose(file);
	x = unit_alloc(count * sizeof(float));
	for (i = 0; i < count; i++)
		x[i] = bytes[i];
	free(bytes);
	*n = (int) shape[0];
	*dims = (int) shape[1];
	return x;
}
