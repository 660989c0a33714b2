# Build with PGXS: make, make install, make installcheck (a running server with
# shared_preload_libraries = 'mvstore' is needed for the last; ./dev test makes one),
# make PROVE_TESTS=t/pins_end_by_themselves.pl installcheck, and outside the tree:
# make -f ../mvstore/Makefile VPATH=../mvstore.

# Where the tree is.
TREE := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))

# The version of the SQL objects stands in mvstore.control alone, that of the release in
# META.json; ./dev lint looks that the packages go by them.
SQL_VERSION := $(shell sed -n "s/^default_version = '\(.*\)'$$/\1/p" $(TREE)/mvstore.control)
RELEASE := $(shell sed -n 's/^   "version": "\(.*\)",$$/\1/p' $(TREE)/META.json)

EXTENSION = mvstore
MODULE_big = mvstore
DATA = mvstore--$(SQL_VERSION).sql $(patsubst $(TREE)/%,%,$(wildcard $(TREE)/mvstore--*--*.sql))
DOCS = $(patsubst $(TREE)/%,%,$(filter-out %/testing.md %/coverage.md,$(wildcard $(TREE)/doc/*.md $(TREE)/doc/*.svg)))

OBJS = \
	src/base/arguments.o \
	src/base/cache.o \
	src/base/catalog.o \
	src/base/key.o \
	src/base/settings.o \
	src/base/text.o \
	src/functions/changes.o \
	src/functions/command.o \
	src/functions/drops.o \
	src/functions/erase.o \
	src/functions/estimate.o \
	src/functions/guard.o \
	src/functions/key_clause.o \
	src/functions/operate.o \
	src/functions/pins.o \
	src/functions/progress.o \
	src/functions/read.o \
	src/functions/reading.o \
	src/functions/revert.o \
	src/functions/scan_node.o \
	src/functions/scan_path.o \
	src/functions/stats.o \
	src/functions/stores.o \
	src/functions/stream.o \
	src/functions/versions.o \
	src/functions/write.o \
	src/mvstore.o \
	src/queue/erasures.o \
	src/queue/flush.o \
	src/queue/journal.o \
	src/queue/order.o \
	src/queue/queue.o \
	src/queue/transaction.o \
	src/shared/backlog.o \
	src/shared/counters.o \
	src/shared/database.o \
	src/shared/drop_stats.o \
	src/shared/droppers.o \
	src/shared/fault.o \
	src/shared/lock.o \
	src/shared/others.o \
	src/shared/pool.o \
	src/shared/progress.o \
	src/shared/standby.o \
	src/shared/wake.o \
	src/startup.o \
	src/store/calendar.o \
	src/store/entry.o \
	src/store/feed.o \
	src/store/floor.o \
	src/store/gather.o \
	src/store/pin.o \
	src/store/rule.o \
	src/store/statement.o \
	src/store/storage.o \
	src/store/store.o \
	src/version/as_of.o \
	src/version/clock.o \
	src/version/prepared.o \
	src/version/session.o \
	src/version/stable.o \
	src/version/version.o \
	src/worker/assistant.o \
	src/worker/batch.o \
	src/worker/claim.o \
	src/worker/crew.o \
	src/worker/ddl.o \
	src/worker/drop.o \
	src/worker/harvest.o \
	src/worker/keep.o \
	src/worker/launcher.o \
	src/worker/left.o \
	src/worker/maintain.o \
	src/worker/pace.o \
	src/worker/pass.o \
	src/worker/pending.o \
	src/worker/process.o \
	src/worker/replay.o \
	src/worker/request.o \
	src/worker/run.o \
	src/worker/share.o \
	src/worker/sleep.o \
	src/worker/steps.o \
	src/worker/sweep.o \
	src/worker/vacuum.o \
	src/worker/walk.o \
	src/worker/worker.o

PG_CPPFLAGS = -I$(TREE)/src -DMVSTORE_VERSION=$(SQL_VERSION) -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare

# make MVSTORE_FAULTS=1: fault points for tests, see src/shared/fault.h
ifdef MVSTORE_FAULTS
PG_CPPFLAGS += -DMVSTORE_FAULTS
endif

REGRESS = $(sort $(patsubst $(TREE)/sql/%.sql,%,$(wildcard $(TREE)/sql/*.sql)))
ISOLATION = $(sort $(patsubst $(TREE)/specs/%.spec,%,$(wildcard $(TREE)/specs/*.spec)))
TAP_TESTS = 1

# Their databases, whatever the server's default is: plans and estimates go by the collation.
ENCODING = UTF8
NO_LOCALE = 1

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# "reference.md" among the documentation of all extensions would tell nobody anything.
docmoduledir := extension/mvstore

# Every part may see the others' headers.
$(OBJS): $(wildcard $(TREE)/src/*.h $(TREE)/src/*/*.h)

# These say with which version of the SQL objects the library goes.
src/base/catalog.o src/worker/worker.o: $(TREE)/mvstore.control

# The archive of a release, of what is committed.
dist:
	git -C $(TREE) archive --prefix=mvstore-$(RELEASE)/ -o $(CURDIR)/mvstore-$(RELEASE).zip HEAD

.PHONY: dist

# Outside the tree there is no directory for the objects yet.
ifdef VPATH
$(shell mkdir -p $(sort $(dir $(OBJS))))
endif
