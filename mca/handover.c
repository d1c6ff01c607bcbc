/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.c - a socket in an SCM_RIGHTS message (handover.h).
 *
 * Neighbours: run_listener.c gives, run_clients.c takes.  One message is one
 * socket; its bytes are the address.
 */
#include "mca/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

enum mqi_err
handover_give(int sock, int fd, const char *address)
{
	struct iovec iov = {
	    .iov_base = (void *)(uintptr_t)address, .iov_len = strlen(address)};
	union control control = {.space = {0}};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space)};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	ssize_t n;

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	do
		n = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return MQI_OK;
	/* ETOOMANYREFS: too many are on their way */
	return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS
		   ? MQI_E_BUSY
		   : MQI_E_CONNECTION_BROKEN;
}

enum mqi_err
handover_take(int sock, int *ret_fd, char *ret_address, size_t cap)
{
	struct iovec iov = {.iov_base = ret_address, .iov_len = cap - 1};
	union control control;
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space)};
	const struct cmsghdr *cm;
	ssize_t n;

	do
		n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return MQI_E_BUSY;
	cm = n > 0 ? CMSG_FIRSTHDR(&mh) : NULL;
	if (cm == NULL || cm->cmsg_type != SCM_RIGHTS ||
	    cm->cmsg_len != CMSG_LEN(sizeof(int)))
		return MQI_E_CONNECTION_BROKEN;
	memcpy(ret_fd, CMSG_DATA(cm), sizeof(*ret_fd));
	ret_address[n] = '\0';
	return MQI_OK;
}
