/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nomem.c - the allocator behind --wrap. Decides which allocation fails, not what that means. */
#include "nomem.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Pointers that are alive, in an open-addressed table: free() is also called for what a library
 * allocated by itself, which is not counted.
 */
#define NOMEM_SLOTS ((size_t)1 << 20)

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *slots[NOMEM_SLOTS];
static long live;
static long countdown = -1;
static bool failed;

static size_t slot_of(const void *p)
{
	return (size_t)(((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 44) % NOMEM_SLOTS;
}

/* Returns where <p> is in the table, or the empty slot where it would be. */
static size_t find(const void *p)
{
	size_t i = slot_of(p);

	while (slots[i] && slots[i] != p)
		i = (i + 1) % NOMEM_SLOTS;
	return i;
}

/* Notes <p> (may be NULL) and returns it. */
static void *note(void *p)
{
	if (!p)
		return NULL;
	pthread_mutex_lock(&lock);
	if (live >= (long)NOMEM_SLOTS / 2)
		abort();
	slots[find(p)] = p;
	live++;
	pthread_mutex_unlock(&lock);
	return p;
}

/* Forgets <p>. Those behind it move up, so that they are still found. */
static void forget(const void *p)
{
	size_t hole, i, home;

	if (!p)
		return;
	pthread_mutex_lock(&lock);
	hole = find(p);
	if (slots[hole]) {
		live--;
		slots[hole] = NULL;
		for (i = (hole + 1) % NOMEM_SLOTS; slots[i]; i = (i + 1) % NOMEM_SLOTS) {
			home = slot_of(slots[i]);
			if ((i - home) % NOMEM_SLOTS < (i - hole) % NOMEM_SLOTS)
				continue;
			slots[hole] = slots[i];
			slots[i] = NULL;
			hole = i;
		}
	}
	pthread_mutex_unlock(&lock);
}

/* Whether the allocation that is being made is the one that fails. */
static bool fails(void)
{
	bool ret;

	pthread_mutex_lock(&lock);
	ret = countdown == 0;
	failed |= ret;
	if (countdown >= 0)
		countdown--;
	pthread_mutex_unlock(&lock);
	return ret;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : note(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : note(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
	void *ret;

	if (fails())
		return NULL;
	/* Forgotten before: another thread may get the old address at once. */
	forget(p);
	ret = note(__real_realloc(p, n));
	if (!ret)
		note(p);
	return ret;
}

char *__wrap_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *ret = __wrap_malloc(n);

	return ret ? memcpy(ret, s, n) : NULL;
}

void __wrap_free(void *p)
{
	forget(p);
	__real_free(p);
}

void nomem_fail(long n)
{
	pthread_mutex_lock(&lock);
	countdown = n;
	failed = false;
	pthread_mutex_unlock(&lock);
}

bool nomem_failed(void)
{
	bool ret;

	pthread_mutex_lock(&lock);
	ret = failed;
	pthread_mutex_unlock(&lock);
	return ret;
}

long nomem_live(void)
{
	long ret;

	pthread_mutex_lock(&lock);
	ret = live;
	pthread_mutex_unlock(&lock);
	return ret;
}

/* OpenSSL passes on where it was called from. Sizes of 0 give NULL there. */
static void *ssl_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return n ? __wrap_malloc(n) : NULL;
}

static void *ssl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	if (n)
		return __wrap_realloc(p, n);
	__wrap_free(p);
	return NULL;
}

static void ssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	__wrap_free(p);
}

bool nomem_openssl(void)
{
	return CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free) == 1;
}
