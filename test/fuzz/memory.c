/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  Memory contexts in pieces of malloc.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

/* A context, and a piece of memory with the context it belongs to. */
typedef struct Context
{
	MemoryContextData header;
	dlist_head	pieces;
	Size		bytes;
} Context;

typedef struct Piece
{
	dlist_node	node;
	Size		size;
	Context    *context;		/* directly before the memory, as in a server */
} Piece;

static Context top = {.header = {.type = T_AllocSetContext, .name = "top"}};

MemoryContext TopMemoryContext = &top.header;
MemoryContext CurrentMemoryContext = &top.header;

static void *
allocate(MemoryContext context, Size size)
{
	Context    *owner = (Context *) context;
	Piece	   *piece = malloc(sizeof(Piece) + size);

	if (piece == NULL)
		abort();
	if (owner->pieces.head.next == NULL)
		dlist_init(&owner->pieces);
	piece->size = size;
	piece->context = owner;
	owner->bytes += size;
	dlist_push_head(&owner->pieces, &piece->node);

	/* nothing may depend on what malloc leaves there */
	memset(piece + 1, 0x7F, size);
	return piece + 1;
}

/* A damaged page must not decide how much memory is asked for. */
static void *
allocate_checked(MemoryContext context, Size size)
{
	if (!AllocSizeIsValid(size))
		server_finding("allocation of %zu bytes", size);
	return allocate(context, size);
}

void *
palloc(Size size)
{
	return allocate_checked(CurrentMemoryContext, size);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return memset(allocate_checked(context, size), 0, size);
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	void	   *p = allocate(context, size);

	return flags & MCXT_ALLOC_ZERO ? memset(p, 0, size) : p;
}

void *
palloc_extended(Size size, int flags)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, size, flags);
}

void
pfree(void *pointer)
{
	Piece	   *piece = (Piece *) pointer - 1;

	dlist_delete(&piece->node);
	piece->context->bytes -= piece->size;
	free(piece);
}

void *
repalloc_huge(void *pointer, Size size)
{
	Piece	   *piece = (Piece *) pointer - 1;
	void	   *p = allocate(&piece->context->header, size);

	memcpy(p, pointer, Min(size, piece->size));
	pfree(pointer);
	return p;
}

void *
repalloc(void *pointer, Size size)
{
	if (!AllocSizeIsValid(size))
		server_finding("allocation of %zu bytes", size);
	return repalloc_huge(pointer, size);
}

char *
pnstrdup(const char *s, Size len)
{
	Size		n = strnlen(s, len);
	char	   *copy = palloc(n + 1);

	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name,
							  Size min, Size init, Size max)
{
	Context    *context = calloc(1, sizeof(Context));

	context->header.type = T_AllocSetContext;
	context->header.name = name;
	context->header.parent = parent;
	context->header.nextchild = parent->firstchild;
	if (parent->firstchild)
		parent->firstchild->prevchild = &context->header;
	parent->firstchild = &context->header;
	dlist_init(&context->pieces);
	return &context->header;
}

void
MemoryContextRegisterResetCallback(MemoryContext context,
								   MemoryContextCallback *callback)
{
	callback->next = context->reset_cbs;
	context->reset_cbs = callback;
}

void
MemoryContextReset(MemoryContext context)
{
	Context    *owner = (Context *) context;

	while (context->firstchild)
		MemoryContextDelete(context->firstchild);
	while (context->reset_cbs)
	{
		MemoryContextCallback *callback = context->reset_cbs;

		context->reset_cbs = callback->next;
		callback->func(callback->arg);
	}
	while (owner->pieces.head.next && !dlist_is_empty(&owner->pieces))
		pfree(dlist_container(Piece, node, dlist_head_node(&owner->pieces)) + 1);
}

void
MemoryContextDelete(MemoryContext context)
{
	MemoryContextReset(context);
	if (context->prevchild)
		context->prevchild->nextchild = context->nextchild;
	else
		context->parent->firstchild = context->nextchild;
	if (context->nextchild)
		context->nextchild->prevchild = context->prevchild;
	free(context);
}

Size
MemoryContextMemAllocated(MemoryContext context, bool recurse)
{
	return ((Context *) context)->bytes;
}

Size
mul_size(Size a, Size b)
{
	if (b > 0 && a > SIZE_MAX / b)
		server_finding("size %zu * %zu", a, b);
	return a * b;
}
