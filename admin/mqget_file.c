/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqget_file.c - a message becomes a file below a directory.
 *
 * Neighbours: mqget.c commits only what is on disk here.
 *
 * Names come from afar and are not trusted: absolute ones, empty components,
 * "." and "..", names of our temporary files, and symbolic links on the way
 * are refused; the mode is cut to 0777.  The content goes to a temporary file,
 * is flushed, and gets its name by link(2), which never replaces; then the
 * directory is flushed.  A crash leaves either no file of that name or the
 * whole one, and the message is still on the queue.
 */
#include "admin/mqget_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/mqtool.h"

#define MAX_NAME 4096
#define TMP_PREFIX ".mqget-" /* our own files: no message is one of them */

static const struct mqi_prop *
find_prop(const struct mqi_md *md, const char *name)
{
	size_t i;

	for (i = 0; i < md->n_props; i++)
		if (strcmp(md->props[i].name, name) == 0 &&
		    md->props[i].type == MQI_PROP_STRING)
			return &md->props[i];
	return NULL;
}

/* The property as a string; false: not there, too long, or holds a NUL. */
static bool
prop_text(
    const struct mqi_md *md, const char *name, char *ret_text, size_t size)
{
	const struct mqi_prop *p = find_prop(md, name);

	if (p == NULL || p->value.bytes.len >= size ||
	    memchr(p->value.bytes.data, '\0', p->value.bytes.len) != NULL)
		return false;
	memcpy(ret_text, p->value.bytes.data, p->value.bytes.len);
	ret_text[p->value.bytes.len] = '\0';
	return true;
}

static mode_t
file_mode(const struct mqi_md *md)
{
	char text[16], *end;
	unsigned long mode;

	if (!prop_text(md, "file.mode", text, sizeof(text)))
		return 0644;
	mode = strtoul(text, &end, 8);
	return *end == '\0' && end != text ? (mode_t)(mode & 0777) : 0644;
}

static bool
is_plain(const char *component)
{
	return component[0] != '\0' && strcmp(component, ".") != 0 &&
	       strcmp(component, "..") != 0 &&
	       strncmp(component, TMP_PREFIX, strlen(TMP_PREFIX)) != 0;
}

/* Opens, and makes, the directory that the last component of path is in;
 * *ret_name is that component. */
static int
open_parent(int dir_fd, char *path, char **ret_name)
{
	int fd = dup(dir_fd), next;
	char *slash;

	while (fd >= 0 && (slash = strchr(path, '/')) != NULL) {
		*slash = '\0';
		if (!is_plain(path)) {
			errno = EINVAL;
			goto failed;
		}
		if (mkdirat(fd, path, 0777) == 0) {
			if (fsync(fd) != 0)
				goto failed;
		} else if (errno != EEXIST) {
			goto failed;
		}
		next = openat(
		    fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			goto failed;
		(void)close(fd);
		fd = next;
		path = slash + 1;
	}
	if (fd >= 0 && !is_plain(path)) {
		errno = EINVAL;
		goto failed;
	}
	*ret_name = path;
	return fd;
failed:
	(void)close(fd);
	return -1;
}

static bool
write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Whether the file holds just these bytes. */
static bool
is_same(int dir_fd, const char *name, const char *data, size_t len)
{
	char buf[65536];
	ssize_t n = 0;
	int fd;

	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if ((size_t)n > len || memcmp(buf, data, (size_t)n) != 0)
			break;
		data += n;
		len -= (size_t)n;
	}
	/* it may be there but not yet on disk */
	if (n == 0 && len == 0 && fsync(fd) != 0)
		n = -1;
	(void)close(fd);
	return n == 0 && len == 0;
}

/* The file under its name, on disk.  errno says why not. */
static bool
make_file(int dir_fd, const char *name, const mqi_msg *msg)
{
	const char *body = mqi_msg_body(msg);
	size_t len = mqi_msg_len(msg);
	char tmp[64];
	bool ok;
	int fd;

	(void)snprintf(tmp, sizeof(tmp), TMP_PREFIX "%d.tmp", (int)getpid());
	(void)unlinkat(dir_fd, tmp, 0);
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = write_all(fd, body, len) &&
	     fchmod(fd, file_mode(mqi_msg_md(msg))) == 0 && fsync(fd) == 0;
	if (close(fd) != 0)
		ok = false;
	if (ok && linkat(dir_fd, tmp, dir_fd, name, 0) != 0)
		ok = errno == EEXIST && is_same(dir_fd, name, body, len);
	if (unlinkat(dir_fd, tmp, 0) != 0)
		ok = false;
	return ok && fsync(dir_fd) == 0;
}

bool
mqget_file_write(int dir_fd, const mqi_msg *msg)
{
	const struct mqi_md *md = mqi_msg_md(msg);
	char path[MAX_NAME], shown[MAX_NAME], *name = NULL;
	bool ok;
	int fd;

	if (find_prop(md, "file.name") == NULL) {
		mqtool_hex(md->msg_id, MQI_ID_LEN, path);
	} else if (!prop_text(md, "file.name", path, sizeof(path))) {
		mqtool_say("a message's file.name is not a file name");
		return false;
	}
	(void)snprintf(shown, sizeof(shown), "%s", path);
	fd = open_parent(dir_fd, path, &name);
	if (fd < 0) {
		mqtool_say("%s: %s", shown,
		    errno == EINVAL ? "refused: not a name below a directory"
				    : strerror(errno));
		return false;
	}
	ok = make_file(fd, name, msg);
	if (!ok)
		mqtool_say("%s: %s", shown,
		    errno == EEXIST ? "exists, with another content"
				    : strerror(errno));
	(void)close(fd);
	return ok;
}
