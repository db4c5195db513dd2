/*-------------------------------------------------------------------------
 *
 * server.h
 *	  As much of a server as the fuzzed code needs.
 *
 * Memory contexts hand out pieces of malloc, so that AddressSanitizer sees
 * where each ends; an error is a longjmp; a relation is an array of pages of
 * their own, "logged" by copying images.  Locks are counted: what would wait
 * for itself forever stops the program instead.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_FUZZ_SERVER_H
#define VECAM_FUZZ_SERVER_H

#include "postgres.h"

#include <setjmp.h>

#include "utils/rel.h"

/* Pages that the relation may have; a longer one is damage of its own kind. */
#define SERVER_MAX_BLOCKS 256

/* Where errors go, and the last one; server_try sets it. */
extern jmp_buf server_error;
extern int	server_errcode;
extern char server_message[1024];

/*
 * Runs a function to its end, or to an error of the given or an acceptable
 * code.  True if it ended without an error; then no lock is left.  All memory
 * allocated meanwhile is freed.
 */
extern bool server_try(void (*function) (void *arg), void *arg);

/* The relation, and its pages for tests to change. */
extern Relation server_relation(int dims);
extern void server_set_pages(const PGAlignedBlock *pages, BlockNumber npages);
extern BlockNumber server_get_pages(PGAlignedBlock *pages);

/* Ends the program with a message, as a finding. */
extern void server_finding(const char *format,...)
			pg_attribute_printf(1, 2) pg_attribute_noreturn();

#endif							/* VECAM_FUZZ_SERVER_H */
