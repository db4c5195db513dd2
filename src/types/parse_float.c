/*-------------------------------------------------------------------------
 *
 * parse_float.c
 *	  Decimal text to float4, faster than strtof and with its results.
 *
 * Most components that clients send have at most 19 significant digits and a
 * small exponent.  Their value is mantissa * 10^exponent with a mantissa that
 * fits uint64 and a power of ten that a double holds exactly, which takes two
 * roundings in double: one of the mantissa (none below 2^53) and one of the
 * multiplication or division.  Each is off by at most half an ulp relative to
 * its result, so the double is within 2 ulps of the true value, and rounding
 * it to float gives what rounding the true value gives, unless a midpoint
 * between two floats lies in between.  Near a midpoint, and for whatever else
 * the fast path does not cover, strtof decides.
 *
 * The idea is Clinger's ("How to read floating point numbers accurately",
 * PLDI 1990, section 3), with the target narrower than the arithmetic.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <errno.h>
#include <float.h>
#include <math.h>

#include "types/parse_float.h"

/* 10^0 .. 10^22: all the powers of ten that a double holds exactly */
#define MAX_EXACT_POW10 22

static const double exact_pow10[MAX_EXACT_POW10 + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

/* any number of so many decimal digits fits uint64 */
#define MAX_MANTISSA_DIGITS 19

/* beyond the range of any float, and far from overflowing an int */
#define MAX_EXPONENT 100000

/*
 * The bits of a double's significand that a float lacks, the value they have
 * exactly half way between two floats, and how far from it they must be, in
 * ulps of the double, for the double to round as the true value does.
 */
#define EXTRA_BITS		(DBL_MANT_DIG - FLT_MANT_DIG)
#define EXTRA_MASK		((UINT64CONST(1) << EXTRA_BITS) - 1)
#define EXTRA_MIDPOINT	(UINT64CONST(1) << (EXTRA_BITS - 1))
#define EXTRA_MARGIN	UINT64CONST(4)

/* A decimal number: [-] mantissa * 10^exponent */
typedef struct Decimal
{
	uint64		mantissa;
	int			exponent;
	bool		negative;
} Decimal;

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Appends a run of digits to the mantissa, which wraps around when there are
 * too many; the caller counts them.  Returns the end of the run.
 */
static inline const char *
scan_digits(const char *s, uint64 *mantissa)
{
	uint64		m = *mantissa;

	while (is_digit(*s))
		m = m * 10 + (uint64) (*s++ - '0');
	*mantissa = m;
	return s;
}

/*
 * Adds the exponent that starts at the letter s to *exponent.  Returns its
 * end, or NULL when no digits follow.
 */
static const char *
scan_exponent(const char *s, int *exponent)
{
	bool		negative;
	int			value = 0;

	s++;
	negative = (*s == '-');
	if (*s == '-' || *s == '+')
		s++;
	if (!is_digit(*s))
		return NULL;
	for (; is_digit(*s); s++)
	{
		if (value < MAX_EXPONENT)
			value = value * 10 + (*s - '0');
	}
	*exponent += negative ? -value : value;
	return s;
}

/* The zeros before the first other digit of a run of digits and points. */
static int
count_leading_zeros(const char *s)
{
	int			zeros = 0;

	for (; *s == '0' || *s == '.'; s++)
		zeros += (*s == '0');
	return zeros;
}

/*
 * Reads a decimal number.  Returns its end, or NULL when it has a form left to
 * strtof: no digits (inf, nan, no number), hexadecimal, too many digits, or an
 * exponent without digits.
 */
static inline const char *
scan_decimal(const char *s, Decimal *d)
{
	const char *digits;
	const char *point;
	int			ndigits;

	d->mantissa = 0;
	d->exponent = 0;
	d->negative = (*s == '-');
	if (*s == '-' || *s == '+')
		s++;

	digits = s;
	s = scan_digits(s, &d->mantissa);
	ndigits = (int) (s - digits);
	if (*s == '.')
	{
		point = s++;
		s = scan_digits(s, &d->mantissa);
		d->exponent = (int) (point + 1 - s);
		ndigits -= d->exponent;
	}

	if (ndigits > MAX_MANTISSA_DIGITS &&
		ndigits - count_leading_zeros(digits) > MAX_MANTISSA_DIGITS)
		return NULL;
	if (ndigits == 0 || *s == 'x' || *s == 'X')
		return NULL;
	if (*s == 'e' || *s == 'E')
		return scan_exponent(s, &d->exponent);
	return s;
}

/*
 * Rounds a decimal number to float.  Returns false when it is out of the
 * range of the fast path or too near a midpoint to be sure.
 */
static inline bool
round_decimal(const Decimal *d, float *result)
{
	double		value = (double) d->mantissa;
	uint64		bits;
	uint64		extra;

	if (d->mantissa != 0)
	{
		if (d->exponent < -MAX_EXACT_POW10 || d->exponent > MAX_EXACT_POW10)
			return false;
		if (d->exponent < 0)
			value /= exact_pow10[-d->exponent];
		else
			value *= exact_pow10[d->exponent];

		/* 1e-22 at least, so never below the normal floats */
		if (value > FLT_MAX)
			return false;

		memcpy(&bits, &value, sizeof(bits));
		extra = bits & EXTRA_MASK;
		if (extra >= EXTRA_MIDPOINT - EXTRA_MARGIN &&
			extra <= EXTRA_MIDPOINT + EXTRA_MARGIN)
			return false;
	}

	*result = d->negative ? -(float) value : (float) value;
	return true;
}

/*
 * Reads one number from a string in the C locale, as strtof does.
 *
 * s is null-terminated.  *end is set behind the number, to s when there is
 * none.  The result is the float nearest to the number (ties to even), a
 * denormal or zero when it is very small; infinite with *overflow set when it
 * is too large.  Infinities and NaNs that are spelled out are returned as
 * such.
 */
float
vecam_parse_float(const char *s, const char **end, bool *overflow)
{
	Decimal		decimal;
	float		result;
	char	   *stop;

	*overflow = false;
	*end = scan_decimal(s, &decimal);
	if (*end != NULL && round_decimal(&decimal, &result))
		return result;

	errno = 0;
	result = strtof(s, &stop);
	*end = stop;
	*overflow = (errno == ERANGE && isinf(result));
	return result;
}
