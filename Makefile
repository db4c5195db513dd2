# vecam: a PGXS extension.  make && make install && make installcheck
EXTENSION = vecam
EXTVERSION = 1.0
MODULE_big = vecam
DATA = vecam--1.0.sql
PGFILEDESC = "vecam - vector type and index access method"

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))

REGRESS = vector_type vector_functions vector_casts vector_aggregates vector_btree \
	vecam_security vecam_setup vecam_am vecam_graph vecam_order vecam_unseen \
	vecam_cache vecam_ddl vecam_plan vecam_errors vecam_check vecam_compact \
	vecam_restore vecam_progress
REGRESS_OPTS = --load-extension=vecam

ISOLATION = entry-cache insert-scan vacuum-scan row-locks serializable \
	create-index-concurrently reindex-concurrently restore seal-scan compact-scan
ISOLATION_OPTS = --inputdir=$(srcdir)/test/isolation --load-extension=vecam

TAP_TESTS = 1
PROVE_TESTS ?= $(sort $(wildcard test/t/*.pl))

# -ffp-contract=off: encodings and distances are bit-identical on all machines
# (src/math/kernels.h), so a compiler must not fuse a multiplication and an
# addition that the source keeps apart.
# make VECAM_DEBUG=1: with the stop points of src/page/stop.h, for tests.
PG_CPPFLAGS = -I$(srcdir)/src $(if $(VECAM_DEBUG),-DVECAM_DEBUG)
PG_CFLAGS = -ffp-contract=off -fno-math-errno $(VECAM_CFLAGS)

# No bitcode: code inlined by the JIT would be compiled with other flags.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The portable kernels are written for the auto-vectoriser.
src/math/%.o: CFLAGS += $(CFLAGS_VECTORIZE) -O3
src/math/%.o: CFLAGS += $(CFLAGS_VECTORIZE) -O3

# A header changed: build all again, which takes seconds.
$(OBJS): $(wildcard $(srcdir)/src/*.h $(srcdir)/src/*/*.h)
