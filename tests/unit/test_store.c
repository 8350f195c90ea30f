/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_store.c - the state directory: what is written is read again, what others left there is
 * refused, a process that dies leaves the old or the new response, a newer response is not replaced
 * by an older one whoever writes at the same time. Each test has a directory of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ocu/ocsp.h"
#include "ocu/store.h"
#include "pki.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOBODY 65534
#define OLD_S 3601 /* so old is a temporary file that nobody needs any more */
#define LONG 60000 /* bytes of a response that takes its time to write */

static const uint8_t certid[] = { 0x30, 0x03, 0x02, 0x01, 0x05 };
static const uint8_t other_id[] = { 0x30, 0x03, 0x02, 0x01, 0x06 };

/* A directory with a store in it. */
struct bed {
	char path[256];
	char name[OCU_STORE_NAME_BYTES]; /* of the file for certid */
	struct ocu_store s;
};

static void bed_init(struct bed *b)
{
	const char *tmp = getenv("TMPDIR");
	struct ocu_err err;

	snprintf(b->path, sizeof(b->path), "%s/ocu-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(b->path));
	assert_int_equal(ocu_store_init(&b->s, b->path, &err), OCU_OK);
	ocu_store_name(b->name, certid, sizeof(certid));
}

/* Calls <each> for every entry, and returns how many there are. */
static int entries(struct bed *b, void (*each)(struct bed *b, const char *name))
{
	DIR *d = opendir(b->path);
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (each)
			each(b, e->d_name);
	}
	closedir(d);
	return n;
}

static void entry_remove(struct bed *b, const char *name)
{
	if (unlinkat(b->s.dir, name, 0) != 0)
		(void)unlinkat(b->s.dir, name, AT_REMOVEDIR);
}

static void bed_fini(struct bed *b)
{
	entries(b, entry_remove);
	ocu_store_fini(&b->s);
	assert_int_equal(b->s.dir, -1);
	ocu_store_fini(&b->s);
	assert_int_equal(rmdir(b->path), 0);
}

static void put(struct bed *b, const void *p, size_t n)
{
	struct ocu_err err;

	if (ocu_store_put(&b->s, certid, sizeof(certid), p, n, 1000, &err) != OCU_OK)
		fail_msg("%s", err.msg);
}

/* Fails to put a response; <why> is a part of the reason. */
static void put_fails(struct bed *b, size_t n, const char *why)
{
	struct ocu_err err;
	uint8_t *p = calloc(1, n);

	assert_non_null(p);
	assert_int_equal(ocu_store_put(&b->s, certid, sizeof(certid), p, n, 1000, &err), OCU_IO);
	assert_int_equal(err.code, OCU_IO);
	assert_non_null(strstr(err.msg, b->name));
	if (!strstr(err.msg, why))
		fail_msg("\"%s\" instead of \"%s\"", err.msg, why);
	free(p);
}

/* Reads the file with a limit of <max>; the caller ends <out>. */
static enum ocu_status get(struct bed *b, struct ocu_buf *out, size_t max, struct ocu_err *err)
{
	*err = (struct ocu_err){ .code = OCU_OK };
	ocu_buf_init(out, max);
	return ocu_store_get(&b->s, certid, sizeof(certid), out, err);
}

static void holds(struct bed *b, const void *p, size_t n)
{
	struct ocu_buf out;
	struct ocu_err err;

	if (get(b, &out, OCU_OCSP_MAX_BYTES, &err) != OCU_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(out.len, n);
	assert_memory_equal(out.data, p, n);
	ocu_buf_fini(&out);
}

static void refuses(struct bed *b, size_t max, const char *why)
{
	struct ocu_buf out;
	struct ocu_err err;

	assert_int_equal(get(b, &out, max, &err), OCU_IO);
	assert_int_equal(err.code, OCU_IO);
	assert_non_null(strstr(err.msg, b->name));
	if (!strstr(err.msg, why))
		fail_msg("\"%s\" instead of \"%s\"", err.msg, why);
	ocu_buf_fini(&out);
}

/* Makes a file, as another program does. */
static void file_make(struct bed *b, const char *name, mode_t mode, const void *p, size_t n)
{
	int fd = openat(b->s.dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int64_t mtime(struct bed *b)
{
	struct stat st;

	assert_int_equal(fstatat(b->s.dir, b->name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mtime;
}

static bool exists(struct bed *b, const char *name)
{
	return faccessat(b->s.dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- system calls that can be made to fail ---- */

/* This program's definitions come before those of the C library, also for the code under test. */
static struct {
	bool noted;         /* what is called is written into <log> */
	const char *fails;  /* the call that fails, once */
	int error;          /* its errno */
	const uint64_t *random; /* what getrandom() gives, instead of anything random */
	size_t randoms;     /* how often it was asked then */
	char log[256];
} calls;

static void calls_begin(const char *fails, int error)
{
	memset(&calls, 0, sizeof(calls));
	calls.noted = true;
	calls.fails = fails;
	calls.error = error;
}

static void calls_end(void)
{
	calls.noted = false;
	calls.random = NULL;
}

/* Notes that <what> is called; true if it has to fail, errno then being set. */
static bool call_fails(const char *what)
{
	size_t len;

	if (!calls.noted)
		return false;
	len = strlen(calls.log);
	snprintf(calls.log + len, sizeof(calls.log) - len, "%s%s", len ? " " : "", what);
	if (!calls.fails || strcmp(calls.fails, what) != 0)
		return false;
	calls.fails = NULL;
	errno = calls.error;
	return true;
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return call_fails(S_ISDIR(st.st_mode) ? "fsync-dir" : "fsync") ? -1 : real(fd);
}

int futimens(int fd, const struct timespec times[2])
{
	int (*real)(int, const struct timespec *) =
		(int (*)(int, const struct timespec *))dlsym(RTLD_NEXT, "futimens");

	return call_fails("futimens") ? -1 : real(fd, times);
}

/* Only files that were written are of interest here; the descriptor is gone in any case. */
int close(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
	bool written = calls.noted && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
	int rc = real(fd);

	return written && call_fails("close") ? -1 : rc;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	int (*real)(int, const char *, int, const char *) =
		(int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");

	return call_fails("rename") ? -1 : real(from_dir, from, to_dir, to);
}

int flock(int fd, int how)
{
	int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");

	return call_fails("flock") ? -1 : real(fd, how);
}

ssize_t getrandom(void *p, size_t n, unsigned flags)
{
	ssize_t (*real)(void *, size_t, unsigned) =
		(ssize_t (*)(void *, size_t, unsigned))dlsym(RTLD_NEXT, "getrandom");

	if (call_fails("getrandom"))
		return -1;
	if (!calls.random)
		return real(p, n, flags);
	assert_int_equal(n, sizeof(*calls.random));
	memcpy(p, &calls.random[calls.randoms++], n);
	return (ssize_t)n;
}

static bool nothing_known(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return false;
}

/* A test that needs root runs its part as somebody else, if it can. */
static bool as_nobody(struct bed *b)
{
	if (geteuid() != 0)
		return false;
	assert_int_equal(chown(b->path, NOBODY, NOBODY), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	return true;
}

static void as_root(bool was)
{
	if (was)
		assert_int_equal(seteuid(0), 0);
}

/* ---- what is meant to be ---- */

static void opened(void **state)
{
	struct ocu_store s;
	struct ocu_err err;
	struct bed b;
	char path[600];

	(void)state;
	bed_init(&b);
	snprintf(path, sizeof(path), "%s/none", b.path);
	assert_int_equal(ocu_store_init(&s, path, &err), OCU_IO);
	assert_int_equal(s.dir, -1);
	assert_non_null(strstr(err.msg, "/none: No such file or directory"));
	ocu_store_fini(&s);
	file_make(&b, "file", 0600, "x", 1);
	snprintf(path, sizeof(path), "%s/file", b.path);
	assert_int_equal(ocu_store_init(&s, path, &err), OCU_IO);
	assert_int_equal(s.dir, -1);
	assert_non_null(strstr(err.msg, "Not a directory"));
	bed_fini(&b);
}

static void names(void **state)
{
	char a[OCU_STORE_NAME_BYTES], b[OCU_STORE_NAME_BYTES];

	(void)state;
	ocu_store_name(a, (const uint8_t *)"abc", 3);
	assert_string_equal(a, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
			       ".ocsp");
	ocu_store_name(a, certid, sizeof(certid));
	ocu_store_name(b, other_id, sizeof(other_id));
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), OCU_STORE_NAME_BYTES - 1);
}

static void written_and_read(void **state)
{
	static const size_t sizes[] = { 1, 4095, 4096, 4097, OCU_OCSP_MAX_BYTES };
	uint8_t *p = calloc(1, OCU_OCSP_MAX_BYTES);
	struct ocu_buf out;
	struct ocu_err err;
	struct stat st;
	struct bed b;
	mode_t mask = umask(0);
	size_t i;

	(void)state;
	assert_non_null(p);
	bed_init(&b);
	assert_int_equal(get(&b, &out, 100, &err), OCU_AGAIN);
	assert_int_equal(out.len, 0);
	for (i = 0; i < COUNT(sizes); i++) {
		memset(p, (int)(i + 1), sizes[i]);
		put(&b, p, sizes[i]);
		holds(&b, p, sizes[i]);
		assert_int_equal(fstatat(b.s.dir, b.name, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_true(S_ISREG(st.st_mode));
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(st.st_mtime, 1000);
		assert_int_equal(entries(&b, NULL), 1);
	}
	umask(mask);
	/* Another one has its own file; what is read is added to what is there. */
	assert_int_equal(ocu_store_put(&b.s, other_id, sizeof(other_id), (const uint8_t *)"o", 1,
				       INT64_C(253402300799), NULL), OCU_OK);
	ocu_buf_init(&out, 10);
	assert_int_equal(ocu_buf_add(&out, "an", 2), OCU_OK);
	assert_int_equal(ocu_store_get(&b.s, other_id, sizeof(other_id), &out, NULL), OCU_OK);
	assert_int_equal(out.len, 3);
	assert_memory_equal(out.data, "ano", 3);
	ocu_buf_fini(&out);
	holds(&b, p, OCU_OCSP_MAX_BYTES);
	bed_fini(&b);
	free(p);
}

/* A file of any name in somebody else's directory: for all to read, as old as its last change, and
 * not written again if it is that already. What is a link is replaced, and what it leads to stays.
 */
static void beside_others(void **state)
{
	const struct ocu_slice one = { (const uint8_t *)"one", 3 };
	const struct ocu_slice two = { (const uint8_t *)"2", 1 };
	const char *name = "a b.pem.ocsp";
	struct stat st, was;
	struct ocu_err err;
	struct bed b;
	mode_t mask = umask(0);

	(void)state;
	bed_init(&b);
	assert_int_equal(ocu_store_write(&b.s, name, one, &err), OCU_OK);
	assert_int_equal(fstatat(b.s.dir, name, &was, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(was.st_mode & 07777, 0644);
	assert_true(was.st_mtime > 1000);
	assert_int_equal(ocu_store_write(&b.s, name, one, &err), OCU_OK);
	assert_int_equal(fstatat(b.s.dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_ino, was.st_ino);
	assert_int_equal(st.st_mtim.tv_nsec, was.st_mtim.tv_nsec);
	assert_int_equal(symlinkat(name, b.s.dir, "link"), 0);
	assert_int_equal(ocu_store_write(&b.s, "link", two, &err), OCU_OK);
	assert_int_equal(fstatat(b.s.dir, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_size, 1);
	assert_int_equal(fstatat(b.s.dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(mkdirat(b.s.dir, "dir", 0700), 0);
	assert_int_equal(ocu_store_write(&b.s, "dir", two, &err), OCU_IO);
	assert_string_equal(err.msg, "dir: renaming: Is a directory");
	assert_int_equal(entries(&b, NULL), 3);
	umask(mask);
	bed_fini(&b);
}

/* What verifies is read, what was cut or lies under another's name is not believed. */
static void verified(void **state)
{
	struct pki *pki = pki_new();
	X509 *issuer = pki->by[PKI_BY_ISSUER].cert;
	struct pki_id leaf, other;
	struct ocu_ocsp o;
	struct ocu_buf out;
	struct ocu_err err;
	uint8_t *der, *theirs;
	struct bed b;
	size_t n, i, their_n;

	(void)state;
	pki_cert_make(pki, &leaf, &(struct pki_cert){ .name = "a.test" });
	pki_cert_make(pki, &other, &(struct pki_cert){ .name = "b.test" });
	n = pki_response_good(pki, &der, leaf.cert);
	their_n = pki_response_good(pki, &theirs, other.cert);
	bed_init(&b);
	for (i = 1; i <= n; i++) {
		file_make(&b, b.name, 0600, der, i);
		assert_int_equal(get(&b, &out, OCU_OCSP_MAX_BYTES, &err), OCU_OK);
		assert_int_equal(ocu_ocsp_verify(&o, out.data, out.len, leaf.cert, issuer, pki->now,
						 &err), i < n ? OCU_MALFORMED : OCU_OK);
		ocu_buf_fini(&out);
	}
	file_make(&b, b.name, 0600, theirs, their_n);
	assert_int_equal(get(&b, &out, OCU_OCSP_MAX_BYTES, &err), OCU_OK);
	assert_int_equal(ocu_ocsp_verify(&o, out.data, out.len, leaf.cert, issuer, pki->now, &err),
			 OCU_OTHER_CERT);
	ocu_buf_fini(&out);
	bed_fini(&b);
	free(der);
	free(theirs);
	pki_cert_fini(&leaf);
	pki_cert_fini(&other);
	pki_free(pki);
}

/* ---- what others left ---- */

static void refused(void **state)
{
	static const struct {
		size_t n;
		mode_t mode;
		const char *why;
	} rows[] = {
		{ 0, 0600, ": 0 bytes" },
		{ 101, 0600, ": 101 bytes" },
		{ 3, 0620, "others may write to it" },
		{ 3, 0602, "others may write to it" },
		{ 3, 0666, "others may write to it" },
	};
	uint8_t bytes[101] = { 0 };
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < COUNT(rows); i++) {
		file_make(&b, b.name, rows[i].mode, bytes, rows[i].n);
		refuses(&b, 100, rows[i].why);
	}
	file_make(&b, b.name, 0644, bytes, 100);
	holds(&b, bytes, 100);
	/* A new response takes the place of a bad file. */
	file_make(&b, b.name, 0666, bytes, 3);
	put(&b, "good", 4);
	holds(&b, "good", 4);
	bed_fini(&b);
}

static void no_file_at_all(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	file_make(&b, "aim", 0600, "secret", 6);
	assert_int_equal(symlinkat("aim", b.s.dir, b.name), 0);
	refuses(&b, 100, "opening: ");
	/* The link is replaced, not what it leads to. */
	put(&b, "new", 3);
	holds(&b, "new", 3);
	entry_remove(&b, b.name);
	assert_int_equal(symlinkat("nowhere", b.s.dir, b.name), 0);
	refuses(&b, 100, "opening: ");
	entry_remove(&b, b.name);
	assert_int_equal(mkfifoat(b.s.dir, b.name, 0600), 0);
	refuses(&b, 100, "not a regular file");
	entry_remove(&b, b.name);
	assert_int_equal(mkdirat(b.s.dir, b.name, 0700), 0);
	refuses(&b, 100, "not a regular file");
	put_fails(&b, 3, "renaming: ");
	assert_int_equal(entries(&b, NULL), 2);
	bed_fini(&b);
}

static void of_another_user(void **state)
{
	struct bed b;
	bool root;

	(void)state;
	if (geteuid() != 0) {
		print_message("skip: only root can make files of other users\n");
		skip();
	}
	bed_init(&b);
	file_make(&b, b.name, 0644, "x", 1);
	assert_int_equal(fchownat(b.s.dir, b.name, 1, 1, 0), 0);
	refuses(&b, 100, "belongs to user 1");
	root = as_nobody(&b);
	refuses(&b, 100, "belongs to user 1");
	as_root(root);
	assert_int_equal(fchownat(b.s.dir, b.name, NOBODY, NOBODY, 0), 0);
	refuses(&b, 100, "belongs to user 65534");
	root = as_nobody(&b);
	holds(&b, "x", 1);
	as_root(root);
	/* What root wrote may be read; unless it may not be. */
	assert_int_equal(fchownat(b.s.dir, b.name, 0, 0, 0), 0);
	root = as_nobody(&b);
	holds(&b, "x", 1);
	as_root(root);
	assert_int_equal(fchmodat(b.s.dir, b.name, 0600, 0), 0);
	root = as_nobody(&b);
	refuses(&b, 100, "opening: Permission denied");
	as_root(root);
	bed_fini(&b);
}

/* ---- when it cannot be written ---- */

static void read_only(void **state)
{
	struct bed b;
	bool root;

	(void)state;
	bed_init(&b);
	root = as_nobody(&b);
	put(&b, "old", 3);
	assert_int_equal(fchmod(b.s.dir, 0500), 0);
	put_fails(&b, 10, "creating: Permission denied");
	ocu_store_sweep(&b.s, INT64_MAX, nothing_known, NULL);
	holds(&b, "old", 3);
	/* What may be written to but not read cannot be locked, and serves nevertheless. */
	assert_int_equal(fchmod(b.s.dir, 0300), 0);
	put(&b, "new", 3);
	holds(&b, "new", 3);
	assert_int_equal(fchmod(b.s.dir, 0700), 0);
	as_root(root);
	bed_fini(&b);
}

static void removed(void **state)
{
	struct ocu_buf out;
	struct ocu_err err;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(rmdir(b.path), 0);
	put_fails(&b, 1, "creating: No such file or directory");
	assert_int_equal(get(&b, &out, 100, &err), OCU_AGAIN);
	ocu_store_sweep(&b.s, 0, nothing_known, NULL);
	ocu_store_fini(&b.s);
	/* What is no directory any more cannot be swept either. */
	ocu_store_sweep(&b.s, 0, nothing_known, NULL);
}

/* The limit of a file's size ends the write in its midst. */
static void too_little_room(void **state)
{
	struct rlimit was, small;
	struct bed b;

	(void)state;
	bed_init(&b);
	put(&b, "old", 3);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 1000;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	put_fails(&b, 3000, "writing: File too large");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_DFL);
	holds(&b, "old", 3);
	assert_int_equal(entries(&b, NULL), 1);
	bed_fini(&b);
}

/* The part of full_disk() that runs in a mount namespace of its own. */
static int full_disk_child(struct bed *b)
{
	static uint8_t big[OCU_OCSP_MAX_BYTES];
	struct ocu_store s;
	struct ocu_buf out;
	struct ocu_err err;

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", b->path, "tmpfs", 0, "size=64k") != 0)
		return 77;
	if (ocu_store_init(&s, b->path, &err) != OCU_OK ||
	    ocu_store_put(&s, certid, sizeof(certid), (const uint8_t *)"old", 3, 1, &err) != OCU_OK)
		return 2;
	if (ocu_store_put(&s, certid, sizeof(certid), big, sizeof(big), 1, &err) != OCU_IO)
		return 3;
	if (!strstr(err.msg, "writing: No space left on device"))
		return 4;
	ocu_buf_init(&out, 100);
	if (ocu_store_get(&s, certid, sizeof(certid), &out, &err) != OCU_OK || out.len != 3)
		return 5;
	ocu_buf_fini(&out);
	/* Nothing is left of it: what fits can still be written. */
	if (entries(b, NULL) != 1 ||
	    ocu_store_put(&s, certid, sizeof(certid), big, 40000, 1, &err) != OCU_OK)
		return 6;
	ocu_store_fini(&s);
	return 0;
}

static void full_disk(void **state)
{
	struct bed b;
	int status;
	pid_t pid;

	(void)state;
	bed_init(&b);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(full_disk_child(&b));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	bed_fini(&b);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skip: a small file system cannot be mounted here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What was written is on the disk before it takes the place of the present file, and that it did is
 * on the disk before success is told.
 */
static void order_of_writing(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	calls_begin(NULL, 0);
	put(&b, "old", 3);
	assert_string_equal(calls.log, "flock getrandom futimens fsync close rename fsync-dir");
	/* The same again is not written again. */
	calls_begin(NULL, 0);
	put(&b, "old", 3);
	assert_string_equal(calls.log, "flock");
	/* What has another time gets the right one, lest it be swept. */
	file_make(&b, b.name, 0600, "old", 3);
	assert_int_not_equal(mtime(&b), 1000);
	calls_begin(NULL, 0);
	put(&b, "old", 3);
	assert_string_equal(calls.log, "flock");
	assert_int_equal(mtime(&b), 1000);
	calls_begin(NULL, 0);
	put(&b, "odd", 3);
	assert_string_equal(calls.log, "flock getrandom futimens fsync close rename fsync-dir");
	calls_end();
	bed_fini(&b);
}

static void failing_calls(void **state)
{
	static const struct {
		const char *call;
		int error;
		const char *why;
		bool replaced;
	} rows[] = {
		{ "getrandom", ENOSYS, ": creating: Function not implemented", false },
		{ "futimens", EPERM, ": writing: Operation not permitted", false },
		{ "fsync", EIO, ": syncing: Input/output error", false },
		{ "close", EDQUOT, ": closing: Disk quota exceeded", false },
		{ "rename", EROFS, ": renaming: Read-only file system", false },
		{ "fsync-dir", EIO, ": syncing the directory: Input/output error", true },
		/* What a file system does not have is no failure. */
		{ "fsync-dir", EINVAL, NULL, true },
		{ "flock", ENOLCK, NULL, true },
		/* Interrupted: the lock is waited for all the same. */
		{ "flock", EINTR, NULL, true },
	};
	static const char *const order = "flock flock getrandom";
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	for (i = 0; i < COUNT(rows); i++) {
		put(&b, "old", 3);
		calls_begin(rows[i].call, rows[i].error);
		if (rows[i].why)
			put_fails(&b, 9, rows[i].why);
		else
			put(&b, "\0\0\0\0\0\0\0\0", 9);
		calls_end();
		assert_null(calls.fails);
		assert_int_equal(strncmp(calls.log, order, strlen(order)) == 0,
				 rows[i].error == EINTR);
		holds(&b, rows[i].replaced ? "\0\0\0\0\0\0\0\0" : "old",
		      rows[i].replaced ? 9 : 3);
		assert_int_equal(entries(&b, NULL), 1);
	}
	bed_fini(&b);
}

static void no_descriptor_left(void **state)
{
	struct rlimit was, none;
	struct bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	put_fails(&b, 3, ": creating: Too many open files");
	refuses(&b, 100, ": opening: Too many open files");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	bed_fini(&b);
}

/* Two writers that chose the same name for their temporary files, as if by chance. */
static void temporary_names(void **state)
{
	static const uint64_t numbers[] = { 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct bed b;

	(void)state;
	bed_init(&b);
	file_make(&b, ".tmp-0000000000000001.ocsp", 0600, "theirs", 6);
	calls_begin(NULL, 0);
	calls.random = numbers;
	put(&b, "ours", 4);
	assert_int_equal(calls.randoms, 3);
	holds(&b, "ours", 4);
	put_fails(&b, 3, ": creating: File exists");
	calls_end();
	holds(&b, "ours", 4);
	/* The other's is as it was. */
	assert_true(exists(&b, ".tmp-0000000000000001.ocsp"));
	assert_int_equal(entries(&b, NULL), 2);
	bed_fini(&b);
}

/* ---- who is asked before a response makes room ---- */

struct asked {
	enum ocu_status answer;
	int times;
	char saw[16];
};

static enum ocu_status replaces(void *arg, const uint8_t *der, size_t n)
{
	struct asked *a = arg;

	a->times++;
	assert_in_range(n, 1, sizeof(a->saw) - 1);
	memcpy(a->saw, der, n);
	return a->answer;
}

static void asked_before(void **state)
{
	static const struct {
		const char *there;
		mode_t mode;
		enum ocu_status answer, st;
		const char *saw, *holds;
	} rows[] = {
		{ NULL, 0, OCU_AGAIN, OCU_OK, "", "new" },
		{ "old", 0600, OCU_OK, OCU_OK, "old", "new" },
		{ "old", 0600, OCU_AGAIN, OCU_AGAIN, "old", "old" },
		{ "old", 0644, OCU_NOMEM, OCU_NOMEM, "old", "old" },
		{ "ne", 0600, OCU_AGAIN, OCU_AGAIN, "ne", "ne" },
		{ "newer", 0600, OCU_AGAIN, OCU_AGAIN, "newer", "newer" },
		{ "new", 0600, OCU_AGAIN, OCU_OK, "", "new" },
		/* What nobody would read is not worth a question. */
		{ "", 0600, OCU_AGAIN, OCU_OK, "", "new" },
		{ "bad", 0666, OCU_AGAIN, OCU_OK, "", "new" },
	};
	const struct ocu_slice id = { certid, sizeof(certid) }, new = { (const uint8_t *)"new", 3 };
	struct asked a;
	struct ocu_store_ask ask = { replaces, &a };
	struct bed b;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		a = (struct asked){ .answer = rows[i].answer };
		bed_init(&b);
		if (rows[i].there)
			file_make(&b, b.name, rows[i].mode, rows[i].there, strlen(rows[i].there));
		assert_int_equal(ocu_store_replace(&b.s, id, new, 1000, &ask, NULL), rows[i].st);
		assert_int_equal(a.times, rows[i].saw[0] ? 1 : 0);
		assert_string_equal(a.saw, rows[i].saw);
		holds(&b, rows[i].holds, strlen(rows[i].holds));
		assert_int_equal(entries(&b, NULL), 1);
		bed_fini(&b);
	}
}

/* ---- a process that dies ---- */

/* A process that had locked the directory and was killed keeps nobody waiting. */
static void lock_of_the_dead(void **state)
{
	struct bed b;
	int status, fd, ready[2];
	pid_t pid;
	char c;

	(void)state;
	bed_init(&b);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fd = openat(b.s.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (flock(fd, LOCK_EX) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	fd = openat(b.s.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	put(&b, "after", 5);
	holds(&b, "after", 5);
	bed_fini(&b);
}

/* Lets a child put <n> bytes of <p> and kills it at the <stops>-th stop, which are before and after
 * each system call. Returns 0 if it was killed, 1 if it came to its end, -1 if it cannot be traced.
 */
static int put_killed(struct bed *b, const uint8_t *p, size_t n, int stops)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(77);
		raise(SIGSTOP);
		_exit(ocu_store_put(&b->s, certid, sizeof(certid), p, n, 2000, NULL) != OCU_OK);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status) && stops-- > 0) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (WIFSTOPPED(status)) {
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		return 0;
	}
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		return -1;
	assert_int_equal(WEXITSTATUS(status), 0);
	return 1;
}

/* Whether the file is <old> or <new>, each <n> bytes. */
static bool is_new(struct bed *b, const uint8_t *old, const uint8_t *new, size_t n)
{
	struct ocu_buf out;
	struct ocu_err err;
	bool ret;

	assert_int_equal(get(b, &out, OCU_OCSP_MAX_BYTES, &err), OCU_OK);
	assert_int_equal(out.len, n);
	ret = memcmp(out.data, new, n) == 0;
	assert_true(ret || memcmp(out.data, old, n) == 0);
	ocu_buf_fini(&out);
	return ret;
}

static void killed(void **state)
{
	static uint8_t old[LONG], new[LONG];
	int64_t now = (int64_t)time(NULL);
	int stops, how = 0, seen_old = 0, seen_new = 0, leftover = 0, n;
	struct bed b;

	(void)state;
	memset(old, 1, sizeof(old));
	memset(new, 2, sizeof(new));
	bed_init(&b);
	for (stops = 0; how == 0; stops++) {
		assert_true(stops < 1000);
		put(&b, old, sizeof(old));
		how = put_killed(&b, new, sizeof(new), stops);
		if (how < 0)
			break;
		if (is_new(&b, old, new, sizeof(old)))
			seen_new++;
		else
			seen_old++;
		n = entries(&b, NULL);
		assert_true(n == 1 || n == 2);
		leftover += n == 2;
		/* Not at once: it might be in use. */
		ocu_store_sweep(&b.s, 1000, nothing_known, NULL);
		assert_int_equal(entries(&b, NULL), n);
		ocu_store_sweep(&b.s, now + OLD_S + 60, nothing_known, NULL);
		assert_int_equal(entries(&b, NULL), 0);
	}
	bed_fini(&b);
	if (how < 0) {
		print_message("skip: a process cannot be traced here\n");
		skip();
	}
	/* It was killed early, late, and in between. */
	assert_true(seen_old > 2 && seen_new > 1 && leftover > 2);
}

/* ---- sweeping ---- */

static bool is_known(void *arg, const char *name)
{
	const char *known = arg;

	return strcmp(known, name) == 0;
}

static void swept(void **state)
{
	static const char *const kept[] = { "README", "x.ocsp", ".hidden", ".tmp",
		"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD.ocsp",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.ocsq" };
	char name[OCU_STORE_NAME_BYTES], other[OCU_STORE_NAME_BYTES];
	int64_t now = (int64_t)time(NULL);
	struct bed b;
	size_t i;

	(void)state;
	bed_init(&b);
	ocu_store_name(other, other_id, sizeof(other_id));
	put(&b, "expires at 1000", 15);
	assert_int_equal(ocu_store_put(&b.s, other_id, sizeof(other_id), (const uint8_t *)"2", 1,
				       2000, NULL), OCU_OK);
	for (i = 0; i < COUNT(kept); i++)
		file_make(&b, kept[i], 0600, "x", 1);
	file_make(&b, ".tmp-1-2-3", 0600, "x", 1);
	assert_int_equal(mkdirat(b.s.dir, ".tmp-dir", 0700), 0);
	assert_int_equal(symlinkat("README", b.s.dir, ".tmp-link"), 0);
	ocu_store_name(name, (const uint8_t *)"dir", 3);
	assert_int_equal(mkdirat(b.s.dir, name, 0700), 0);

	ocu_store_sweep(&b.s, 1000, nothing_known, NULL);
	assert_true(exists(&b, b.name) && exists(&b, other));
	ocu_store_sweep(&b.s, 1001, is_known, b.name);
	assert_true(exists(&b, b.name) && exists(&b, other));
	ocu_store_sweep(&b.s, 1001, nothing_known, NULL);
	assert_true(!exists(&b, b.name) && exists(&b, other));
	ocu_store_sweep(&b.s, 2001, is_known, b.name);
	assert_false(exists(&b, other));
	assert_true(exists(&b, ".tmp-1-2-3"));
	ocu_store_sweep(&b.s, now + OLD_S + 60, nothing_known, NULL);
	assert_false(exists(&b, ".tmp-1-2-3"));
	/* All that is not ours is still there. */
	assert_int_equal(entries(&b, NULL), COUNT(kept) + 3);
	bed_fini(&b);
}

static bool known_renews(void *arg, const char *name)
{
	struct bed *b = arg;

	(void)name;
	assert_int_equal(ocu_store_put(&b->s, certid, sizeof(certid), (const uint8_t *)"new", 3,
				       5000, NULL), OCU_OK);
	return false;
}

/* Another process saves a new response between the look at the old one and its removal. */
static void swept_while_renewed(void **state)
{
	struct bed b;

	(void)state;
	bed_init(&b);
	put(&b, "expires at 1000", 15);
	ocu_store_sweep(&b.s, 2000, known_renews, &b);
	holds(&b, "new", 3);
	bed_fini(&b);
}

/* A walk takes no more entries at once than it is told, and comes to all of them. */
static void swept_in_parts(void **state)
{
	struct ocu_store_walk w;
	struct bed b;
	char name[8];
	int i, parts = 1, was, is;

	(void)state;
	bed_init(&b);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), ".tmp-%d", i);
		file_make(&b, name, 0600, "x", 1);
	}
	assert_int_equal(ocu_store_walk_init(&w, &b.s, NULL), OCU_OK);
	for (was = 10; ocu_store_walk_next(&w, &b.s, 3, INT64_MAX, nothing_known, NULL); was = is) {
		is = entries(&b, NULL);
		assert_in_range(is, was - 3, was);
		parts++;
	}
	/* 10 files and the two entries that every directory has */
	assert_in_range(parts, 4, 5);
	assert_int_equal(entries(&b, NULL), 0);
	ocu_store_walk_fini(&w);
	ocu_store_walk_fini(&w);
	bed_fini(&b);
}

/* ---- several at once ---- */

#define WRITERS 3
#define ROUNDS 100

struct writer {
	struct bed *b;
	uint8_t byte;
	int failed;
};

static void *write_often(void *arg)
{
	struct writer *w = arg;
	uint8_t p[9000];
	int i;

	memset(p, w->byte, sizeof(p));
	for (i = 0; i < ROUNDS; i++)
		w->failed += ocu_store_put(&w->b->s, certid, sizeof(certid), p, sizeof(p), 1,
					   NULL) != OCU_OK;
	return NULL;
}

/* Whoever reads sees one whole response, whatever the writers are at. */
static void read_whole(struct bed *b)
{
	struct ocu_buf out;
	struct ocu_err err;
	size_t i;

	if (get(b, &out, OCU_OCSP_MAX_BYTES, &err) != OCU_OK)
		fail_msg("%s", err.msg);
	assert_int_equal(out.len, 9000);
	for (i = 1; i < out.len; i++)
		assert_int_equal(out.data[i], out.data[0]);
	ocu_buf_fini(&out);
}

/* Threads of one process, and a second process, write the same file. */
static void writers(void **state)
{
	struct writer w[WRITERS + 1];
	pthread_t threads[WRITERS];
	int status, i;
	struct bed b;
	pid_t pid;

	(void)state;
	bed_init(&b);
	for (i = 0; i <= WRITERS; i++)
		w[i] = (struct writer){ &b, (uint8_t)(i + 1), 0 };
	write_often(&w[0]);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		write_often(&w[WRITERS]);
		_exit(w[WRITERS].failed);
	}
	for (i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_often, &w[i]), 0);
	for (i = 0; i < ROUNDS; i++)
		read_whole(&b);
	for (i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(w[i].failed, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	read_whole(&b);
	assert_int_equal(entries(&b, NULL), 1);
	bed_fini(&b);
}

/* Versions of a response: their number, again and again. */
#define VERSIONS 200
#define PROCESSES 4

static enum ocu_status replaces_older(void *arg, const uint8_t *der, size_t n)
{
	assert_int_equal(n, 2000);
	return der[0] < *(const uint8_t *)arg ? OCU_OK : OCU_AGAIN;
}

/* Saves a share of the versions, the last ones at first. */
static int versions_put(struct bed *b, int share)
{
	uint8_t der[2000], version;
	struct ocu_store_ask ask = { replaces_older, &version };
	enum ocu_status st;
	int i, failed = 0;

	for (i = 0; i < VERSIONS; i++) {
		version = (uint8_t)((i * 37 + VERSIONS - 1) % VERSIONS);
		if (version % PROCESSES != share)
			continue;
		memset(der, version, sizeof(der));
		st = ocu_store_replace(&b->s, (struct ocu_slice){ certid, sizeof(certid) },
				       (struct ocu_slice){ der, sizeof(der) }, 1000, &ask, NULL);
		failed += st != OCU_OK && st != OCU_AGAIN;
	}
	return failed;
}

/* Several processes save versions of one response in any order: whoever reads, never sees an older
 * one after a newer one, and in the end the newest is there.
 */
static void newest_stays(void **state)
{
	uint8_t seen = 0, version;
	struct ocu_buf out;
	struct ocu_err err;
	pid_t pid[PROCESSES];
	int status, i, ended = 0;
	struct bed b;

	(void)state;
	bed_init(&b);
	for (i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			_exit(versions_put(&b, i));
	}
	while (ended < PROCESSES) {
		if (get(&b, &out, OCU_OCSP_MAX_BYTES, &err) == OCU_OK) {
			version = out.data[0];
			assert_true(version >= seen);
			seen = version;
		}
		ocu_buf_fini(&out);
		if (waitpid(pid[ended], &status, WNOHANG) == pid[ended]) {
			assert_int_equal(status, 0);
			ended++;
		}
	}
	assert_int_equal(get(&b, &out, OCU_OCSP_MAX_BYTES, &err), OCU_OK);
	assert_int_equal(out.data[0], VERSIONS - 1);
	ocu_buf_fini(&out);
	assert_int_equal(entries(&b, NULL), 1);
	bed_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opened),
		cmocka_unit_test(names),
		cmocka_unit_test(written_and_read),
		cmocka_unit_test(beside_others),
		cmocka_unit_test(verified),
		cmocka_unit_test(refused),
		cmocka_unit_test(no_file_at_all),
		cmocka_unit_test(of_another_user),
		cmocka_unit_test(read_only),
		cmocka_unit_test(removed),
		cmocka_unit_test(too_little_room),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(order_of_writing),
		cmocka_unit_test(failing_calls),
		cmocka_unit_test(no_descriptor_left),
		cmocka_unit_test(temporary_names),
		cmocka_unit_test(asked_before),
		cmocka_unit_test(lock_of_the_dead),
		cmocka_unit_test(killed),
		cmocka_unit_test(swept),
		cmocka_unit_test(swept_while_renewed),
		cmocka_unit_test(swept_in_parts),
		cmocka_unit_test(writers),
		cmocka_unit_test(newest_stays),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
