/*-------------------------------------------------------------------------
 *
 * kernels.c
 *	  Choice of the kernels at run time.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include "math/kernels.h"

const VecamKernels *vecam_kernels = &vecam_scalar_table;

/*
 * Does this CPU have the instructions of a level?  __builtin_cpu_supports()
 * also asks the operating system whether it saves the wide registers.
 */
static bool
cpu_has_level(VecamSimdLevel level)
{
	switch (level)
	{
		case VECAM_SIMD_SCALAR:
			return true;
		case VECAM_SIMD_NEON:
			/* part of the AArch64 base architecture */
			return true;
		case VECAM_SIMD_AVX2:
#if defined(__x86_64__)
			__builtin_cpu_init();
			return __builtin_cpu_supports("avx2") &&
				__builtin_cpu_supports("fma") &&
				__builtin_cpu_supports("popcnt");
#else
			return false;
#endif
		case VECAM_SIMD_AVX512:
#if defined(__x86_64__)
			return cpu_has_level(VECAM_SIMD_AVX2) &&
				__builtin_cpu_supports("avx512f") &&
				__builtin_cpu_supports("avx512bw") &&
				__builtin_cpu_supports("avx512dq") &&
				__builtin_cpu_supports("avx512vl");
#else
			return false;
#endif
	}
	return false;
}

static const VecamKernels *
built_table(VecamSimdLevel level)
{
	switch (level)
	{
		case VECAM_SIMD_SCALAR:
			return vecam_kernels_scalar();
		case VECAM_SIMD_NEON:
			return vecam_kernels_neon();
		case VECAM_SIMD_AVX2:
			return vecam_kernels_avx2();
		case VECAM_SIMD_AVX512:
			return vecam_kernels_avx512();
	}
	return NULL;
}

const VecamKernels *
vecam_kernels_for(VecamSimdLevel level)
{
	return cpu_has_level(level) ? built_table(level) : NULL;
}

bool
vecam_simd_supported(VecamSimdLevel level)
{
	return vecam_kernels_for(level) != NULL;
}

VecamSimdLevel
vecam_simd_best(void)
{
	int			level;

	for (level = VECAM_SIMD_NLEVELS - 1; level > VECAM_SIMD_SCALAR; level--)
	{
		if (vecam_simd_supported((VecamSimdLevel) level))
			break;
	}
	return (VecamSimdLevel) level;
}

void
vecam_kernels_use(VecamSimdLevel level)
{
	const VecamKernels *kernels = vecam_kernels_for(level);

	if (kernels == NULL)
		kernels = vecam_kernels_for(vecam_simd_best());
	vecam_kernels = kernels;
}

void
vecam_kernels_init(void)
{
	vecam_kernels_use(vecam_simd_best());
}
