/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Errors, which are a longjmp to server_try.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <signal.h>
#include <stdio.h>

#include "utils/memutils.h"

#undef vsnprintf
#undef vfprintf
#undef fprintf

volatile sig_atomic_t InterruptPending = false;

jmp_buf		server_error;
int			server_errcode;
char		server_message[1024];

static int	level;

bool
errstart(int elevel, const char *domain)
{
	level = elevel;
	server_errcode = ERRCODE_INTERNAL_ERROR;
	server_message[0] = '\0';
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (level >= ERROR)
		longjmp(server_error, 1);
}

int
errcode(int sqlerrcode)
{
	server_errcode = sqlerrcode;
	return 0;
}

int
errcode_for_file_access(void)
{
	return errcode(ERRCODE_IO_ERROR);
}

int
errmsg(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(server_message, sizeof(server_message), fmt, args);
	va_end(args);
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(server_message, sizeof(server_message), fmt, args);
	va_end(args);
	return 0;
}

int
errhint(const char *fmt,...)
{
	return 0;
}

int
errdetail_internal(const char *fmt,...)
{
	return 0;
}

void
ProcessInterrupts(void)
{
}

void
ExceptionalCondition(const char *condition, const char *type,
					 const char *file, int line)
{
	server_finding("%s: %s at %s:%d", type, condition, file, line);
}

void
server_finding(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	fputs("finding: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}
