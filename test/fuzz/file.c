/*-------------------------------------------------------------------------
 *
 * file.c
 *	  Temporary files as those of the C library.
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include "storage/buffile.h"

struct BufFile
{
	FILE	   *file;
};

BufFile *
BufFileCreateTemp(bool inter_xact)
{
	BufFile    *file = palloc(sizeof(BufFile));

	file->file = tmpfile();
	if (file->file == NULL)
		abort();
	return file;
}

void
BufFileClose(BufFile *file)
{
	fclose(file->file);
	pfree(file);
}

int
BufFileSeekBlock(BufFile *file, long blknum)
{
	return fseeko(file->file, (off_t) blknum * BLCKSZ, SEEK_SET);
}

size_t
BufFileRead(BufFile *file, void *ptr, size_t size)
{
	return fread(ptr, 1, size, file->file);
}

void
BufFileWrite(BufFile *file, void *ptr, size_t size)
{
	if (fwrite(ptr, 1, size, file->file) != size)
		abort();
}
