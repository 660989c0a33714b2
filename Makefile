# Build with PGXS: make, make install, make installcheck (a running server with
# shared_preload_libraries = 'mvstore' is needed for the last; ./dev test makes one),
# make PROVE_TESTS=t/001_worker.pl installcheck, and outside the tree:
# make -f ../mvstore/Makefile VPATH=../mvstore.

# Where the tree is.
TREE := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))

EXTENSION = mvstore
MODULE_big = mvstore
DATA = mvstore--1.0.sql
DOCS = $(patsubst $(TREE)/%,%,$(filter-out %/testing.md %/coverage.md,$(wildcard $(TREE)/doc/*.md)))

OBJS = \
	src/batch.o \
	src/calendar.o \
	src/catalog.o \
	src/control.o \
	src/ddl.o \
	src/drop.o \
	src/enqueue.o \
	src/entry.o \
	src/erase.o \
	src/fault.o \
	src/floor.o \
	src/function.o \
	src/guard.o \
	src/journal.o \
	src/keep.o \
	src/launcher.o \
	src/left.o \
	src/maintain.o \
	src/mvstore.o \
	src/pin.o \
	src/plan.o \
	src/policy.o \
	src/pool.o \
	src/queue.o \
	src/read.o \
	src/request.o \
	src/rule.o \
	src/shmem.o \
	src/stable.o \
	src/standby.o \
	src/statement.o \
	src/stats.o \
	src/store.o \
	src/sweep.o \
	src/text.o \
	src/version.o \
	src/walk.o \
	src/worker.o \
	src/write.o

PG_CPPFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare

# make MVSTORE_FAULTS=1: fault points for tests, see src/fault.h
ifdef MVSTORE_FAULTS
PG_CPPFLAGS += -DMVSTORE_FAULTS
endif

REGRESS = $(sort $(patsubst $(TREE)/sql/%.sql,%,$(wildcard $(TREE)/sql/*.sql)))
ISOLATION = $(sort $(patsubst $(TREE)/specs/%.spec,%,$(wildcard $(TREE)/specs/*.spec)))
TAP_TESTS = 1

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# "reference.md" among the documentation of all extensions would tell nobody anything.
docmoduledir := extension/mvstore

# Every part may see the others' headers.
$(OBJS): $(wildcard $(TREE)/src/*.h)

# Outside the tree there is no directory for the objects yet.
ifdef VPATH
$(shell mkdir -p $(sort $(dir $(OBJS))))
endif
