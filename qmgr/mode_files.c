/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode_files.c - the file work of compaction, backup and restore
 * (mode_files.h).
 */
#include "qmgr/mode_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmgr/store/journal.h"
#include "qmgr/store/verify_child.h"

#define COPY_BYTES 1048576u

bool
mode_complain(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("qmgr: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return false;
}

static bool
complain_errno(const char *what, const char *path)
{
	return mode_complain("%s %s: %s", what, path, strerror(errno));
}

char *
mode_path(const char *fmt, ...)
{
	va_list ap;
	char *path;

	va_start(ap, fmt);
	MQ_INVARIANT(vasprintf(&path, fmt, ap) >= 0);
	va_end(ap);
	return path;
}

bool
mode_is_own_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static bool
make_dir(const char *path)
{
	if (mkdir(path, 0700) == 0)
		return true;
	if (errno != EEXIST)
		return complain_errno("cannot make", path);
	return mode_is_own_dir(path) ||
	       mode_complain("%s is there, and is not a directory of our own "
			     "that is closed to others: remove it",
		   path);
}

void
mode_drop_store(const char *dir)
{
	static const char *const files[] = {
	    "store/data.mdb", "store/lock.mdb", "store/FORMAT"};

	/* through a link, it would be somebody else's */
	if (!mode_is_own_dir(dir))
		return;
	for (size_t i = 0; i < MQ_ARRAY_LEN(files); i++) {
		char *path = mode_path("%s/%s", dir, files[i]);

		(void)unlink(path);
		free(path);
	}
	char *store = mode_path("%s/store", dir);
	(void)rmdir(store);
	(void)rmdir(dir);
	free(store);
}

bool
mode_make_store(const char *dir, const char *from)
{
	char *store = mode_path("%s/store", dir);
	char *format = mode_path("%s/store/FORMAT", from);
	char *to = mode_path("%s/store/FORMAT", dir);
	bool ok;

	mode_drop_store(dir);
	ok = make_dir(dir) && make_dir(store) && mode_copy_file(format, to);
	free(store);
	free(format);
	free(to);
	return ok;
}

static bool
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
copy_bytes(int from, int to)
{
	char *buf = malloc(COPY_BYTES);
	ssize_t n = -1;

	if (buf == NULL)
		return false;
	do {
		n = read(from, buf, COPY_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0 && !write_all(to, buf, (size_t)n))
			n = -1;
	} while (n > 0);
	free(buf);
	return n == 0;
}

static int
open_new(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool
copy_file(const char *from, const char *to, bool flush)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = -1;
	bool ok = false;

	if (in < 0)
		return complain_errno("cannot open", from);
	out = open_new(to);
	if (out >= 0 && copy_bytes(in, out) && (!flush || fsync(out) == 0))
		ok = true;
	else
		(void)complain_errno("cannot write", to);
	if (out >= 0)
		(void)close(out);
	(void)close(in);
	return ok;
}

bool
mode_copy_file(const char *from, const char *to)
{
	return copy_file(from, to, true);
}

bool
mode_write_file(const char *path, const char *text)
{
	int fd = open_new(path);
	bool ok =
	    fd >= 0 && write_all(fd, text, strlen(text)) && fsync(fd) == 0;

	if (!ok)
		(void)complain_errno("cannot write", path);
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

bool
mode_sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		(void)complain_errno("cannot flush", path);
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* Calls each for the files of DIR/journal; false: one call failed. */
static bool
each_journal_file(const char *dir,
    bool (*each)(const char *path, const char *name, const char *to),
    const char *to)
{
	bool ok = true;

	for (unsigned i = 0; i < JOURNAL_FILES_MAX && ok; i++) {
		char *name = mode_path("log.%03u", i);
		char *path = mode_path("%s/journal/%s", dir, name);

		if (access(path, F_OK) == 0)
			ok = each(path, name, to);
		free(path);
		free(name);
	}
	return ok;
}

static bool
copy_one(const char *path, const char *name, const char *to)
{
	char *copy = mode_path("%s/journal/%s", to, name);
	bool ok = copy_file(path, copy, true);

	free(copy);
	return ok;
}

static bool
copy_one_quickly(const char *path, const char *name, const char *to)
{
	char *copy = mode_path("%s/journal/%s", to, name);
	bool ok = copy_file(path, copy, false);

	free(copy);
	return ok;
}

static bool
drop_one(const char *path, const char *name, const char *to)
{
	(void)name;
	(void)to;
	(void)unlink(path);
	return true;
}

void
mode_drop_journal(const char *dir)
{
	char *path;

	if (!mode_is_own_dir(dir))
		return;
	path = mode_path("%s/journal", dir);
	(void)each_journal_file(dir, drop_one, NULL);
	(void)rmdir(path);
	free(path);
}

bool
mode_copy_journal(const char *from, const char *to, bool flush)
{
	char *source = mode_path("%s/journal", from);
	char *target = mode_path("%s/journal", to);
	bool ok = true;

	if (access(source, F_OK) == 0) {
		mode_drop_journal(to);
		ok = make_dir(target) &&
		     each_journal_file(
			 from, flush ? copy_one : copy_one_quickly, to) &&
		     (!flush || mode_sync_dir(target));
	}
	free(source);
	free(target);
	return ok;
}

bool
mode_rename(const char *from, const char *to)
{
	if (rename(from, to) == 0)
		return true;
	return mode_complain(
	    "cannot rename %s to %s: %s", from, to, strerror(errno));
}

uint64_t
mode_file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void
ignore_looked(void *ctx, const char *what, uint64_t n, uint64_t bytes)
{
	(void)ctx;
	(void)what;
	(void)n;
	(void)bytes;
}

/* Only what keeps a start from serving. */
static void
say_finding(void *ctx, const struct verify_finding *f)
{
	(void)ctx;
	if (f->kind == VERIFY_PAGE || f->kind == VERIFY_FILE ||
	    f->kind == VERIFY_RECORD)
		(void)mode_complain("%s: %s", f->where, f->what);
}

bool
mode_is_whole(const char *dir, bool journal, const char *what)
{
	const struct verify_options options = {.structure = false};
	const struct verify_report report = {
	    .looked = ignore_looked, .finding = say_finding};
	struct verify_outcome o;

	verify_in_child(dir, &options, &report, &o);
	if (o.err != MQI_OK)
		return mode_complain("%s cannot be read: %s", what, o.why);
	if (o.result.pages > 0 || o.result.records > 0 ||
	    (journal && o.result.journal > 0))
		return mode_complain("%s is damaged", what);
	return true;
}
