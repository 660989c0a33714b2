/*
 * A clock that a test sets: to be loaded before the C library (LD_PRELOAD), for what asks it
 * for the time of day. What goes on steadily (CLOCK_MONOTONIC), and so all timeouts, is not
 * touched. Every process that is forked from one of these sees each step at the same moment.
 *
 * The file that MVSTORE_TEST_CLOCK names says how the faked time goes on from a moment of the
 * real one: see FakeClock.pm, which writes it. Of its two lines that which is not read is
 * written anew.
 *
 * Packaged libraries for this (libfaketime) leave out a process that is forked in a signal
 * handler, as PostgreSQL 15's postmaster does with background workers.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Seconds from 1970 to 2000, from where it is counted as PostgreSQL does, which goes further. */
#define EPOCH 946684800

struct line
{
	int64_t		real;			/* from that moment on, in microseconds since 2000 ... */
	int64_t		fake;			/* ... it goes on from this one ... */
	double		rate;			/* ... so fast */
};

struct clock
{
	int64_t		current;		/* which line holds */
	struct line lines[2];
};

static volatile struct clock *settings = NULL;

__attribute__((constructor)) static void
open_settings(void)
{
	const char *name = getenv("MVSTORE_TEST_CLOCK");
	int			file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	void	   *memory;

	if (file < 0)
		return;
	memory = mmap(NULL, sizeof(struct clock), PROT_READ, MAP_SHARED, file, 0);
	if (memory != MAP_FAILED)
		settings = memory;
	close(file);
}

int
clock_gettime(clockid_t clock, struct timespec *time)
{
	int			result = (int) syscall(SYS_clock_gettime, clock, time);

	if (result == 0 && settings && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
	{
		struct line line = settings->lines[settings->current];
		int64_t		now = (time->tv_sec - EPOCH) * INT64_C(1000000) + time->tv_nsec / 1000;

		now = line.fake + (int64_t) ((double) (now - line.real) * line.rate);
		time->tv_sec = now / 1000000 + EPOCH;
		time->tv_nsec = now % 1000000 * 1000;
	}
	return result;
}

int
gettimeofday(struct timeval *restrict value, void *restrict zone)
{
	struct timespec time;

	(void) clock_gettime(CLOCK_REALTIME, &time);
	value->tv_sec = time.tv_sec;
	value->tv_usec = time.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *result)
{
	struct timespec time;

	(void) clock_gettime(CLOCK_REALTIME, &time);
	if (result)
		*result = time.tv_sec;
	return time.tv_sec;
}
