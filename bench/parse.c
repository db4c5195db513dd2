/*-------------------------------------------------------------------------
 *
 * parse.c
 *	  Times and checks the parser of vector text against strtof.
 *
 * parse time [dim [vectors]]	text of random unit vectors, ns per component
 * parse check [tokens]			random tokens, results compared bit by bit
 *
 * Built and run by parse.sh.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#include "types/parse_float.h"

/* port.h sends these to libpgport, which a standalone program lacks */
#undef printf
#undef fprintf
#undef snprintf

#define MAX_TOKEN 128

/* long enough for any number printed below, and its separator */
#define NUMBER_SPACE 32

/* best of so many passes over the same text, to leave out interruptions */
#define PASSES 7

static uint64 random_state = 20240607;

/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014) */
static uint64
random_bits(void)
{
	uint64		z = (random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static double
random_uniform(void)
{
	return (double) (random_bits() >> 11) / (double) (UINT64CONST(1) << 53);
}

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

/* What vector_in did with strtof: the yardstick, with the same signature. */
static pg_noinline float
strtof_parse(const char *s, const char **end, bool *overflow)
{
	char	   *stop;
	float		result;

	errno = 0;
	result = strtof(s, &stop);
	*end = stop;
	*overflow = (errno == ERANGE && isinf(result));
	return result;
}

typedef float (*Parser) (const char *s, const char **end, bool *overflow);

/* Parses comma-separated numbers; returns ns per number, the best pass. */
static double
time_parser(Parser parse, const char *text, long numbers, double *sum)
{
	double		best = 0;

	for (int pass = 0; pass < PASSES; pass++)
	{
		const char *s = text;
		double		start = now_ns();
		double		elapsed;
		bool		overflow;

		*sum = 0;
		for (long i = 0; i < numbers; i++)
		{
			*sum += parse(s, &s, &overflow);
			s++;
		}
		elapsed = now_ns() - start;
		if (pass == 0 || elapsed < best)
			best = elapsed;
	}
	return best / (double) numbers;
}

/* Times both parsers on numbers printed with a format. */
static bool
time_format(const char *label, const char *format, int dim, int vectors)
{
	long		numbers = (long) dim * vectors;
	char	   *text = malloc((size_t) numbers * NUMBER_SPACE + 1);
	char	   *s = text;
	double		ours;
	double		theirs;
	double		our_sum;
	double		their_sum;

	if (text == NULL)
		return false;
	for (long i = 0; i < numbers; i++)
	{
		double		x = (random_uniform() * 2 - 1) * sqrt(3.0 / dim);

		s += snprintf(s, NUMBER_SPACE, format, x);
		*s++ = ',';
	}
	*s = '\0';

	theirs = time_parser(strtof_parse, text, numbers, &their_sum);
	ours = time_parser(vecam_parse_float, text, numbers, &our_sum);
	printf("%-28s strtof %6.1f ns  vecam %6.1f ns  ratio %5.2f\n",
		   label, theirs, ours, theirs / ours);
	free(text);
	return our_sum == their_sum;
}

static int
time_all(int dim, int vectors)
{
	bool		equal = true;

	printf("%d vectors of %d components, per component:\n", vectors, dim);
	equal &= time_format("float4 (%.8g)", "%.8g", dim, vectors);
	equal &= time_format("float4 (%.9g)", "%.9g", dim, vectors);
	equal &= time_format("float8 (%.17g)", "%.17g", dim, vectors);
	equal &= time_format("fixed (%.6f)", "%.6f", dim, vectors);
	equal &= time_format("scientific (%.8e)", "%.8e", dim, vectors);
	if (!equal)
		fprintf(stderr, "the parsers disagree\n");
	return equal ? 0 : 1;
}

/* A float with random bits, or next to one, with a random precision. */
static void
make_number(char *token)
{
	uint32		bits = (uint32) random_bits();
	float		value;
	int			precision = (int) (random_bits() % 25);

	memcpy(&value, &bits, sizeof(value));
	switch (random_bits() % 4)
	{
		case 0:
			snprintf(token, MAX_TOKEN, "%.*e", precision, value);
			break;
		case 1:
			snprintf(token, MAX_TOKEN, "%.*f", precision,
					 random_uniform() * 2 - 1);
			break;
		case 2:

			/* the midpoint between two floats, or a digit beside it */
			snprintf(token, MAX_TOKEN, "%.*g", precision,
					 ((double) value + (double) nextafterf(value, 0)) / 2);
			break;
		default:
			snprintf(token, MAX_TOKEN, "%.*g", precision,
					 random_uniform() * pow(10, (double) (random_bits() % 60) - 30));
			break;
	}
}

/* Integers half way between two floats, scaled down by powers of ten. */
static void
make_midpoint(char *token)
{
	uint64		mantissa = (random_bits() >> 40 | UINT64CONST(1) << 23) * 2 + 1;
	int			shift = (int) (random_bits() % 39);

	mantissa <<= shift;
	mantissa += random_bits() % 3 - 1;
	snprintf(token, MAX_TOKEN, "%llue%d", (unsigned long long) mantissa,
			 (int) (random_bits() % 3) * -(int) (random_bits() % 24));
}

/* A few characters of those that numbers are made of, in any order. */
static void
make_garbage(char *token)
{
	static const char alphabet[] = "00123456789.-+eE, xXpPaf_infty(])";
	int			length = (int) (random_bits() % 30);

	for (int i = 0; i < length; i++)
		token[i] = alphabet[random_bits() % (sizeof(alphabet) - 1)];
	token[length] = '\0';
}

static bool
results_agree(const char *token)
{
	const char *end1;
	const char *end2;
	bool		overflow1;
	bool		overflow2;
	float		value1 = vecam_parse_float(token, &end1, &overflow1);
	float		value2 = strtof_parse(token, &end2, &overflow2);

	/* bit by bit, so that -0 is not 0 and a NaN is a NaN */
	if (memcmp(&value1, &value2, sizeof(float)) == 0 &&
		end1 == end2 && overflow1 == overflow2)
		return true;
	fprintf(stderr, "\"%s\": vecam %.9g, %d bytes; strtof %.9g, %d bytes\n",
			token, value1, (int) (end1 - token), value2, (int) (end2 - token));
	return false;
}

static int
check_all(long tokens)
{
	char		token[MAX_TOKEN];
	long		wrong = 0;

	for (long i = 0; i < tokens; i++)
	{
		switch (random_bits() % 4)
		{
			case 0:
				make_garbage(token);
				break;
			case 1:
				make_midpoint(token);
				break;
			default:
				make_number(token);
				break;
		}
		wrong += !results_agree(token);
	}
	printf("%ld tokens, %ld differ from strtof\n", tokens, wrong);
	return wrong == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "time") == 0)
		return time_all(argc > 2 ? atoi(argv[2]) : 1536,
						argc > 3 ? atoi(argv[3]) : 500);
	if (argc >= 2 && strcmp(argv[1], "check") == 0)
		return check_all(argc > 2 ? atol(argv[2]) : 5000000);
	fprintf(stderr, "usage: %s time [dim [vectors]] | check [tokens]\n",
			argv[0]);
	return 2;
}
