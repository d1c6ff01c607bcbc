/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock.c - Unix sockets under a directory of any length, and errno in our
 * words.
 *
 * Neighbours: qmgr listens, libmq connects.
 * sun_path holds 108 bytes.  The directory is therefore opened (O_PATH) and
 * the socket named /proc/self/fd/N/NAME, which the kernel follows to the
 * directory itself; the descriptor is closed again at once.
 * A listening socket gets its mode before listen(2): until then nobody can
 * connect, so there is no moment with a wider mode.
 * Failure: the descriptors made so far are closed, errno is kept.
 */
#include "base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void
close_keeping_errno(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

/* Opens the directory and names the socket through it. */
static int
sock_address(const char *dir, const char *name, struct sockaddr_un *ret_addr)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int len;

	if (fd < 0)
		return -1;
	memset(ret_addr, 0, sizeof(*ret_addr));
	ret_addr->sun_family = AF_UNIX;
	len = snprintf(ret_addr->sun_path, sizeof(ret_addr->sun_path),
	    "/proc/self/fd/%d/%s", fd, name);
	if (len < 0 || (size_t)len >= sizeof(ret_addr->sun_path)) {
		errno = ENAMETOOLONG;
		close_keeping_errno(fd);
		return -1;
	}
	return fd;
}

/* Removes what an earlier process left; anything but a socket stays. */
static int
remove_old_socket(int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	return unlinkat(dir_fd, name, 0);
}

enum mqi_err
mqsock_listen_unix(
    const char *dir, const char *name, unsigned mode, int *ret_fd)
{
	struct sockaddr_un addr;
	enum mqi_err err = MQI_OK;
	int dir_fd = -1, fd = -1;

	dir_fd = sock_address(dir, name, &addr);
	if (dir_fd < 0)
		goto failed;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || remove_old_socket(dir_fd, name) != 0)
		goto failed;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    fchmodat(dir_fd, name, (mode_t)mode, 0) != 0 ||
	    listen(fd, SOMAXCONN) != 0)
		goto failed;
	*ret_fd = fd;
	fd = -1;
	goto out;
failed:
	err = mqsock_err(errno);
out:
	close_keeping_errno(fd);
	close_keeping_errno(dir_fd);
	return err;
}

static enum mqi_err
connect_unix(const char *dir, const char *name, int flags, int *ret_fd)
{
	struct sockaddr_un addr;
	enum mqi_err err = MQI_OK;
	int dir_fd = -1, fd = -1, rc;

	dir_fd = sock_address(dir, name, &addr);
	if (dir_fd < 0)
		goto failed;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		goto failed;
	/* an interrupted connect(2) of a Unix socket has done nothing */
	do
		rc = connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
	while (rc != 0 && errno == EINTR);
	if (rc != 0)
		goto failed;
	*ret_fd = fd;
	fd = -1;
	goto out;
failed:
	err = errno == EAGAIN ? MQI_E_BUSY : mqsock_err(errno);
out:
	close_keeping_errno(fd);
	close_keeping_errno(dir_fd);
	return err;
}

enum mqi_err
mqsock_connect_unix(const char *dir, const char *name, int *ret_fd)
{
	return connect_unix(dir, name, 0, ret_fd);
}

enum mqi_err
mqsock_connect_unix_now(const char *dir, const char *name, int *ret_fd)
{
	return connect_unix(dir, name, SOCK_NONBLOCK, ret_fd);
}

enum mqi_err
mqsock_peer(int fd, struct mqsock_peer *ret_peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return mqsock_err(errno);
	ret_peer->uid = cred.uid;
	ret_peer->gid = cred.gid;
	ret_peer->pid = cred.pid;
	return MQI_OK;
}

void
mqsock_keep_alive(int fd, uint32_t seconds)
{
	int on = seconds > 0;
	int idle = seconds < 32767 ? (int)seconds : 32767; /* Linux's limit */
	int between = idle < 75 ? idle : 75;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (!on)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(
	    fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof(between));
}

enum mqi_err
mqsock_err(int errnum)
{
	switch (errnum) {
	case 0:
		return MQI_OK;
	case ENOMEM:
	case ENOBUFS:
		return MQI_E_NO_MEMORY;
	case EMFILE:
	case ENFILE:
		return MQI_E_RESOURCE_PROBLEM;
	case EACCES:
	case EPERM:
		return MQI_E_NOT_AUTHORIZED;
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		return MQI_E_Q_MGR_NOT_AVAILABLE;
	case ECONNRESET:
	case ECONNABORTED:
	case ENOTCONN:
	case EPIPE:
	case ETIMEDOUT:
		return MQI_E_CONNECTION_BROKEN;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
		return MQI_E_HOST_NOT_AVAILABLE;
	case ENOSPC:
	case EDQUOT:
		return MQI_E_STORAGE_MEDIUM_FULL;
	case EINVAL:
	case ENAMETOOLONG:
		return MQI_E_INVAL;
	case EADDRINUSE:
	case EEXIST:
		return MQI_E_EXISTS;
	default:
		return MQI_E_IO;
	}
}
