/*-------------------------------------------------------------------------
 *
 * test_rotation.c
 *	  The random rotation: orthogonal for every n, the same bits everywhere,
 *	  and off by no more than vecam_rotation_error() says.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "math/rotation.h"

static const int sizes[] = {
	1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15, 16, 17, 23, 31, 32, 33, 47, 63, 64, 65,
	96, 100, 127, 128, 129, 200, 256, 300, 384, 511, 512, 513, 768, 784, 960,
	1000, 1024, 1536, 2000, 3072, 4095, 4096, 4097, 8191, 16000
};

#define MAX_SIZE 16000

static uint8 signs[VECAM_ROTATION_SIGN_BYTES(MAX_SIZE)];

static VecamRotation
make_rotation(int n, uint64 seed)
{
	VecamRotation rot;

	vecam_rotation_signs(n, seed, signs);
	rot.n = n;
	rot.signs = signs;
	return rot;
}

/*
 * The transform as rotation.h describes it, in double and written down anew:
 * the Hadamard matrix by recursion, the pairs one by one.
 */
static void
hadamard(int n, double *x)
{
	int			half = n / 2;
	int			i;

	if (n == 1)
		return;
	for (i = 0; i < half; i++)
	{
		double		a = x[i];

		x[i] = (a + x[half + i]) * sqrt(0.5);
		x[half + i] = (a - x[half + i]) * sqrt(0.5);
	}
	hadamard(half, x);
	hadamard(half, x + half);
}

static void
rotate_exactly(const VecamRotation *rot, double *x)
{
	int			n = rot->n;
	int			stride = (n + 7) / 8;
	int			t = 1;
	int			round;
	int			i;

	while (2 * t <= n)
		t *= 2;
	for (round = 0; round < 4; round++)
	{
		for (i = 0; i < n; i++)
		{
			if ((rot->signs[round * stride + i / 8] >> (i % 8)) & 1)
				x[i] = -x[i];
		}
		hadamard(t, round % 2 == 0 ? x : x + n - t);
		if (t == n)
			continue;
		for (i = 0; i < n / 2; i++)
		{
			double		a = x[i];
			double		b = x[i + (n + 1) / 2];

			x[i] = (a + b) * sqrt(0.5);
			x[i + (n + 1) / 2] = (a - b) * sqrt(0.5);
		}
	}
}

static double
dot(int n, const float *x, const float *y)
{
	return vecam_kernels_scalar()->inner_product(n, x, y);
}

static void
test_levels(const VecamSimdLevel *levels, int n_levels)
{
	size_t		s;
	int			l;

	unit_case("the same bits on every level");
	for (s = 0; s < lengthof(sizes); s++)
	{
		int			n = sizes[s];
		VecamRotation rot = make_rotation(n, 1000 + n);
		float	   *x = unit_guarded(n * sizeof(float));
		float	   *y = unit_guarded(n * sizeof(float));
		float	   *z = unit_guarded(n * sizeof(float));

		unit_normal_vector(n, x, 3.0);
		memcpy(y, x, n * sizeof(float));
		vecam_kernels_use(VECAM_SIMD_SCALAR);
		vecam_rotate(&rot, y);
		for (l = 0; l < n_levels; l++)
		{
			memcpy(z, x, n * sizeof(float));
			vecam_kernels_use(levels[l]);
			vecam_rotate(&rot, z);
			unit_check(memcmp(y, z, n * sizeof(float)) == 0,
					   "n = %d, level %d", n, (int) levels[l]);
		}
		unit_free_guarded();
	}
	vecam_kernels_init();
}

static void
check_error(int n, double scale)
{
	VecamRotation rot = make_rotation(n, 7 * n);
	float	   *x = unit_alloc(n * sizeof(float));
	double	   *y = unit_alloc(n * sizeof(double));
	double		error2 = 0.0;
	double		norm;
	int			i;

	unit_normal_vector(n, x, scale);
	norm = sqrt(dot(n, x, x));
	for (i = 0; i < n; i++)
		y[i] = x[i];
	rotate_exactly(&rot, y);
	vecam_rotate(&rot, x);
	for (i = 0; i < n; i++)
		error2 += (x[i] - y[i]) * (x[i] - y[i]);
	unit_check(sqrt(error2) <= vecam_rotation_error(n) * norm +
			   VECAM_ROTATION_UNDERFLOW,
			   "n = %d, scale %g: error %g of norm %g", n, scale, sqrt(error2),
			   norm);
	free(x);
	free(y);
}

static void
test_error(void)
{
	static const double scales[] = {1.0, 1e-30, 1e30, 1e-38, 1e-42, 1e-44};
	size_t		s;
	size_t		i;

	unit_case("the error is within its bound");
	for (s = 0; s < lengthof(sizes); s++)
	{
		unit_check(vecam_rotation_error(sizes[s]) < 1e-5,
				   "n = %d: the bound is loose", sizes[s]);
		for (i = 0; i < lengthof(scales); i++)
			check_error(sizes[s], scales[i]);
	}
}

static void
test_isometry(void)
{
	size_t		s;

	unit_case("norms and inner products are kept");
	for (s = 0; s < lengthof(sizes); s++)
	{
		int			n = sizes[s];
		VecamRotation rot = make_rotation(n, 3 * n);
		double		slack = 2.5 * vecam_rotation_error(n);
		float	   *x = unit_alloc(n * sizeof(float));
		float	   *y = unit_alloc(n * sizeof(float));
		double		xx;
		double		yy;
		double		xy;

		unit_normal_vector(n, x, 1.0);
		unit_normal_vector(n, y, 1.0);
		xx = dot(n, x, x);
		yy = dot(n, y, y);
		xy = dot(n, x, y);
		vecam_rotate(&rot, x);
		vecam_rotate(&rot, y);
		unit_check(fabs(dot(n, x, x) - xx) <= slack * xx, "n = %d: norm", n);
		unit_check(fabs(dot(n, x, y) - xy) <= slack * sqrt(xx * yy),
				   "n = %d: inner product", n);
		free(x);
		free(y);
	}
}

/* Columns P e_i are orthonormal: all of them, or 40 spread over the range. */
static void
test_orthogonality(void)
{
	size_t		s;

	unit_case("the columns are orthonormal");
	for (s = 0; s < lengthof(sizes); s++)
	{
		int			n = sizes[s];
		int			count = n <= 129 ? n : 40;
		VecamRotation rot = make_rotation(n, 5 * n);
		float	   *columns = unit_alloc((size_t) count * n * sizeof(float));
		int			i;
		int			j;

		memset(columns, 0, (size_t) count * n * sizeof(float));
		for (i = 0; i < count; i++)
		{
			float	   *column = columns + (size_t) i * n;

			column[(int64) i * (n - 1) / Max(count - 1, 1)] = 1.0f;
			vecam_rotate(&rot, column);
		}
		for (i = 0; i < count; i++)
		{
			for (j = 0; j <= i; j++)
			{
				double		d = dot(n, columns + (size_t) i * n,
									columns + (size_t) j * n);

				unit_check(fabs(d - (i == j)) <= 2.5 * vecam_rotation_error(n),
						   "n = %d: columns %d and %d give %g", n, i, j, d);
			}
		}
		free(columns);
	}
}

/*
 * The fourth moment of the rotated coordinates, averaged over 50 seeds: 1 for
 * equal magnitudes, 3 for normal ones, n where one coordinate has everything.
 */
static double
fourth_moment(int n, bool single)
{
	double		moment = 0.0;
	float	   *x = unit_alloc(n * sizeof(float));
	int			seed;
	int			i;

	for (seed = 0; seed < 50; seed++)
	{
		VecamRotation rot = make_rotation(n, 9000 + seed);

		for (i = 0; i < n; i++)
			x[i] = single ? 0.0f : (float) sqrt(1.0 / n);
		if (single)
			x[(seed * 37) % n] = 1.0f;
		vecam_rotate(&rot, x);
		for (i = 0; i < n; i++)
			moment += pow(x[i], 4.0) * n / 50;
	}
	free(x);
	return moment;
}

/* Four rounds leave a trace of a single coordinate unless n is near T. */
static void
test_spreading(void)
{
	static const int large[] = {100, 300, 768, 784, 1000, 1536};
	size_t		s;

	unit_case("vectors spread over all coordinates");
	for (s = 0; s < lengthof(large); s++)
	{
		double		dense = fourth_moment(large[s], false);
		double		single = fourth_moment(large[s], true);

		unit_check(dense > 2.5 && dense < 3.5,
				   "n = %d: moment %g of a constant vector", large[s], dense);
		unit_check(single < 10.0,
				   "n = %d: moment %g of a unit vector", large[s], single);
	}
}

static void
test_seeds(void)
{
	uint8		other[VECAM_ROTATION_SIGN_BYTES(784)];
	int			bits = 0;
	size_t		i;
	float		x[784];
	VecamRotation rot;
	uint64		hash;

	unit_case("seeds");
	vecam_rotation_signs(784, 1, signs);
	vecam_rotation_signs(784, 2, other);
	for (i = 0; i < sizeof(other); i++)
		bits += __builtin_popcount(signs[i] ^ other[i]);
	unit_check(abs(bits - 4 * 392) < 150, "seeds 1 and 2 differ in %d bits", bits);

	/* the first outputs of splitmix64 for the state 0, as published */
	unit_case("the sign bits are those of splitmix64");
	vecam_rotation_signs(32, 0, signs);
	unit_check(memcmp(signs, "\xaf\xcd\x1d\x7b\x39\xa8\x20\xe2"
					  "\xf4\x65\xb9\xa1\x6a\x9e\x78\x6e", 16) == 0,
			   "another generator");

	unit_case("rotations on disk stay valid");
	rot = make_rotation(784, 42);
	for (i = 0; i < 784; i++)
		x[i] = (float) ((int) (i * i % 97) - 48) / 16.0f;
	vecam_rotate(&rot, x);
	hash = unit_hash(UNIT_HASH_START, x, sizeof(x));
	unit_check(hash == UINT64CONST(0xC670CD227C0710BF), "hash %016llx",
			   (unsigned long long) hash);
}

static void
test_overflow(void)
{
	float		x[100];
	VecamRotation rot = make_rotation(100, 1);
	bool		finite = true;
	int			i;

	unit_case("overflow shows in the result");
	for (i = 0; i < 100; i++)
		x[i] = 3e38f;
	vecam_rotate(&rot, x);
	for (i = 0; i < 100; i++)
		finite = finite && isfinite(x[i]);
	unit_check(!finite, "all coordinates finite");
}

int
main(void)
{
	VecamSimdLevel levels[VECAM_SIMD_NLEVELS];
	int			n = unit_levels(levels);

	unit_seed(2);
	vecam_kernels_init();
	test_levels(levels, n);
	test_error();
	test_isometry();
	test_orthogonality();
	test_spreading();
	test_seeds();
	test_overflow();
	return unit_finish();
}
