/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmgr_dir.c - the queue manager's directory.
 *
 *   ROOT/<escaped name>/            0711: others reach run/, and see nothing
 *     qmgr.lock                     locked while a process has the directory;
 *                                   holds its process id as text
 *     data/                         0700, the store's
 *     run/                          0711, qmgr.sock, to which all may connect
 *
 * Neighbours: qmgr.c opens it first and closes it last; base/name.c finds the
 * root.
 * Invariants: nobody else may read or write anything here, nor list the
 * directories.  A person who wants nobody else to connect makes them 0700, and
 * they stay so.  Nothing but the root's parents and the directory itself is
 * made or changed before the lock is held; the lock is the open file's (OFD),
 * so it ends with the process, however that ends. Failure: a sentence that
 * names the path and what to do; of what was made, nothing is removed, and a
 * later creation goes on with it.
 */
#include "qmgr/qmgr_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/name.h"
#include "base/sock.h"
#include "proto/local.h"

static enum mqi_err fail(enum mqi_err err, char **ret_why, const char *fmt, ...)
    MQ_PRINTF(3, 4);

static enum mqi_err
fail(enum mqi_err err, char **ret_why, const char *fmt, ...)
{
	va_list ap;
	char *why;

	va_start(ap, fmt);
	if (vasprintf(&why, fmt, ap) >= 0)
		*ret_why = why;
	va_end(ap);
	return err;
}

static char *
path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir) + strlen(name) + 2;
	char *p = mqmem_alloc(len);

	(void)snprintf(p, len, "%s/%s", dir, name);
	return p;
}

/* Makes a directory, whatever the umask; one that is there is left alone. */
static int
make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? 0 : -1;
	return chmod(path, mode);
}

/* Makes a directory, and its parents too. */
static int
make_dirs(const char *path, mode_t mode)
{
	char *copy = mqmem_strdup(path);
	int rc = 0;

	for (char *p = copy + 1; rc == 0 && *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) != 0 && errno != EEXIST)
			rc = -1;
		*p = '/';
	}
	if (rc == 0)
		rc = make_dir(copy, mode);
	free(copy);
	return rc;
}

static int
sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc, saved;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

#define DIR_CLOSED 0700
#define DIR_PASSED 0711 /* others may pass through it */

static enum mqi_err
dir_check(const char *path, mode_t mode, char **ret_why)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return fail(mqsock_err(errno), ret_why,
		    "%s cannot be looked at: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(MQI_E_IO, ret_why, "%s is not a directory", path);
	if (st.st_uid != geteuid())
		return fail(MQI_E_SECURITY, ret_why,
		    "%s belongs to user %u, not to user %u who starts the "
		    "queue manager",
		    path, st.st_uid, geteuid());
	if ((st.st_mode & 077 & ~mode) != 0)
		return fail(MQI_E_SECURITY, ret_why,
		    "%s is open to others (mode %03o): make it %04o", path,
		    (unsigned)st.st_mode & 0777, mode);
	return MQI_OK;
}

/* Makes one directory of ours, or checks the one that is there. */
static enum mqi_err
dir_need(const char *path, mode_t mode, bool create, char **ret_why)
{
	if (!create && access(path, F_OK) != 0 && errno == ENOENT)
		return fail(MQI_E_Q_MGR_NAME, ret_why,
		    "%s is missing: the creation was not finished, create the "
		    "queue manager again",
		    path);
	if (create && make_dir(path, mode) != 0)
		return fail(mqsock_err(errno), ret_why, "%s cannot be made: %s",
		    path, strerror(errno));
	return dir_check(path, mode, ret_why);
}

static enum mqi_err
dir_find(const char *name, const char *root, bool create, struct qmgr_dir *ret,
    char **ret_why)
{
	char escaped[MQNAME_ESCAPED_LEN];
	char *absolute = root != NULL ? realpath(root, NULL) : NULL;
	char *tried = NULL;
	enum mqi_err err;

	/* agents are given it, wherever they run; one that is not there yet is
	 * taken as it was given */
	err = mqname_find_root(absolute != NULL ? absolute : root,
	    create ? NULL : name, &ret->root, &tried);
	free(absolute);
	if (err == MQI_E_Q_MGR_NAME)
		err = fail(err, ret_why,
		    "the queue manager \"%s\" has not been created (%s); "
		    "\"mqadmin create %s\" makes it",
		    name, tried != NULL ? tried : "nowhere to look", name);
	else if (err != MQI_OK)
		err = fail(err, ret_why,
		    "no directory for queue managers: %s; give one with "
		    "--root or MQ_ROOT",
		    mqi_strerror(err));
	free(tried);
	if (err != MQI_OK)
		return err;
	mqname_escape(name, escaped);
	ret->path = path_join(ret->root, escaped);
	ret->data = path_join(ret->path, "data");
	ret->run = path_join(ret->path, "run");
	return MQI_OK;
}

static enum mqi_err
lock_taken(int fd, const struct qmgr_dir *d, const char *name, char **ret_why)
{
	char pid[32];
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	return fail(MQI_E_RUNNING, ret_why,
	    "the queue manager \"%s\" is running already: process %s has %s",
	    name, pid[0] != '\0' ? pid : "of another", d->path);
}

static enum mqi_err
dir_lock(struct qmgr_dir *d, const char *name, char **ret_why)
{
	struct flock lk = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char *path = path_join(d->path, "qmgr.lock");
	enum mqi_err err = MQI_OK;
	int fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = fail(mqsock_err(errno), ret_why,
		    "%s cannot be opened: %s", path, strerror(errno));
		goto out;
	}
	if (fcntl(fd, F_OFD_SETLK, &lk) != 0) {
		err =
		    errno == EAGAIN || errno == EACCES
			? lock_taken(fd, d, name, ret_why)
			: fail(mqsock_err(errno), ret_why,
			      "%s cannot be locked: %s", path, strerror(errno));
		goto out;
	}
	/* for the message of the next one only: not worth failing */
	if (ftruncate(fd, 0) == 0)
		(void)dprintf(fd, "%d\n", (int)getpid());
	d->lock_fd = fd;
	fd = -1;
out:
	if (fd >= 0)
		close(fd);
	free(path);
	return err;
}

static enum mqi_err
dir_make(struct qmgr_dir *d, char **ret_why)
{
	if (make_dirs(d->root, 0755) != 0)
		return fail(mqsock_err(errno), ret_why, "%s cannot be made: %s",
		    d->root, strerror(errno));
	return dir_need(d->path, DIR_PASSED, true, ret_why);
}

enum mqi_err
qmgr_dir_open(const char *name, const char *root, bool create,
    struct qmgr_dir *ret, char **ret_why)
{
	enum mqi_err err;

	*ret = (struct qmgr_dir){.lock_fd = -1};
	if (!mqname_is_valid(name, MQI_NAME_LEN))
		return fail(MQI_E_Q_MGR_NAME, ret_why,
		    "\"%s\" is not a name for a queue manager: it has 1 to 48 "
		    "letters, digits and . / _ %%",
		    name);
	err = dir_find(name, root, create, ret, ret_why);
	if (err == MQI_OK)
		err = create ? dir_make(ret, ret_why)
			     : dir_check(ret->path, DIR_PASSED, ret_why);
	if (err == MQI_OK)
		err = dir_lock(ret, name, ret_why);
	if (err == MQI_OK)
		err = dir_need(ret->data, DIR_CLOSED, create, ret_why);
	if (err == MQI_OK)
		err = dir_need(ret->run, DIR_PASSED, true, ret_why);
	if (err == MQI_OK && create &&
	    (sync_dir(ret->path) != 0 || sync_dir(ret->root) != 0))
		err = fail(mqsock_err(errno), ret_why,
		    "%s cannot be written: %s", ret->path, strerror(errno));
	return err;
}

void
qmgr_dir_close(struct qmgr_dir *d)
{
	if (d->lock_fd >= 0) {
		char *sock = path_join(d->run, MQLOCAL_SOCKET);

		/* it may not have been made yet */
		(void)unlink(sock);
		free(sock);
		close(d->lock_fd);
	}
	free(d->root);
	free(d->path);
	free(d->data);
	free(d->run);
	*d = (struct qmgr_dir){.lock_fd = -1};
}
