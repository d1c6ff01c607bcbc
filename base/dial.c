/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial.c - connects to a CONNAME (dial.h).
 *
 * It blocks, within limits: a sender has nothing else to do before it is
 * connected, and its queue manager can still end it by a signal.
 *
 * Failure modes: a name that cannot be read or resolved, nobody listening, no
 * answer in time: the sentence names the last one tried.
 */
#include "base/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum mqi_err
mqdial_parse(const char **pp, char ret_host[MQDIAL_HOST_LEN], char ret_port[8])
{
	const char *p = *pp + strspn(*pp, " ");
	const char *end;
	size_t len;

	if (*p == '[') {
		p++;
		len = strcspn(p, "]");
		end = p + len + (p[len] == ']' ? 1 : 0);
	} else {
		len = strcspn(p, "(, ");
		end = p + len;
	}
	if (len == 0 || len >= MQDIAL_HOST_LEN)
		return MQI_E_ATTRIBUTE;
	memcpy(ret_host, p, len);
	ret_host[len] = '\0';
	(void)snprintf(ret_port, 8, "%s", MQDIAL_DEFAULT_PORT);
	if (*end == '(') {
		len = strspn(end + 1, "0123456789");
		if (len == 0 || len > 5 || end[1 + len] != ')')
			return MQI_E_ATTRIBUTE;
		memcpy(ret_port, end + 1, len);
		ret_port[len] = '\0';
		end += len + 2;
	}
	end += strspn(end, " ");
	if (*end != '\0' && *end != ',')
		return MQI_E_ATTRIBUTE;
	*pp = *end == ',' ? end + 1 : end;
	return MQI_OK;
}

/* Waits for a connect that is under way; 0 or errno. */
static int
wait_connected(int fd, unsigned max_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int err = 0, n = poll(&p, 1, (int)max_ms);
	socklen_t len = sizeof(err);

	if (n == 0)
		return ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		return errno;
	return err;
}

static int
connect_one(const struct addrinfo *ai, unsigned max_ms, int *ret_fd)
{
	int fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0)
		err = errno == EINPROGRESS ? wait_connected(fd, max_ms) : errno;
	if (err != 0)
		(void)close(fd);
	else
		*ret_fd = fd;
	return err;
}

enum mqi_err
mqdial_one(const char *host, const char *port, unsigned max_ms, char *ret_text,
    int *ret_fd)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int rc, err = 0;

	rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0) {
		(void)snprintf(ret_text, MQDIAL_TEXT_LEN, "%s(%s): %s", host,
		    port, gai_strerror(rc));
		return MQI_E_HOST_NOT_AVAILABLE;
	}
	for (struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
		err = connect_one(ai, max_ms, ret_fd);
		if (err == 0)
			break;
	}
	freeaddrinfo(list);
	if (err == 0)
		return MQI_OK;
	(void)snprintf(
	    ret_text, MQDIAL_TEXT_LEN, "%s(%s): %s", host, port, strerror(err));
	return MQI_E_HOST_NOT_AVAILABLE;
}

enum mqi_err
mqdial(const char *conname, unsigned max_ms, char *ret_text, int *ret_fd)
{
	char host[MQDIAL_HOST_LEN], port[8];
	const char *p = conname;

	do {
		if (mqdial_parse(&p, host, port) != MQI_OK) {
			(void)snprintf(ret_text, MQDIAL_TEXT_LEN,
			    "CONNAME(%.264s) cannot be read: host(port) is "
			    "expected",
			    conname);
			return MQI_E_ATTRIBUTE;
		}
		if (mqdial_one(host, port, max_ms, ret_text, ret_fd) == MQI_OK)
			return MQI_OK;
	} while (*p != '\0');
	return MQI_E_HOST_NOT_AVAILABLE;
}
