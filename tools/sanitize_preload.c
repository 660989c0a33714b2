/*
 * sanitize_preload.c
 *		What a server needs besides the sanitizers' own libraries: ./dev sanitize
 *		preloads it into the server, together with them.
 *
 * AddressSanitizer's run-time library of GCC 12 hangs when a program calls
 * bindtextdomain() early, as postgres does: it takes a lock of the dynamic linker
 * that the first call of an intercepted function holds. Messages stay in English
 * here anyway, so these two do nothing.
 *
 * And what the server starts in its turn, such as archive_command, is none of our
 * business: its environment names no library to preload any more.
 */
#include <stdlib.h>

char	   *bindtextdomain(const char *domain, const char *directory);
char	   *bind_textdomain_codeset(const char *domain, const char *codeset);

char *
bindtextdomain(const char *domain, const char *directory)
{
	(void) domain;
	return (char *) directory;
}

char *
bind_textdomain_codeset(const char *domain, const char *codeset)
{
	(void) domain;
	return (char *) codeset;
}

static void __attribute__((constructor))
forget_preload(void)
{
	unsetenv("LD_PRELOAD");
}
