/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_command.c - see service_command.h.
 *
 * The command is the path of a program; its arguments are divided by blanks
 * and quotes (base/args.h), then inserts are filled in, so that a name with
 * blanks is one word.  No shell reads any of it.  Output is appended to regular
 * files; nothing else is opened, so that nobody waits at a pipe.
 */
#include "qmgr/service_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define INSERT_MAX 65536u

/* The value of an insert that text begins with; *ret_len: its length. */
static const char *
insert_at(const struct service_inserts *in, const char *text, char pid[16],
    size_t *ret_len)
{
	const char *slash = strrchr(in->dir, '/');

	const struct {
		const char *name;
		const char *value;
	} inserts[] = {
	    {"+QMNAME+", in->qmgr},
	    {"+MQ_SERVICE_NAME+", in->service},
	    {"+MQ_INSTALL_PATH+", in->install},
	    {"+MQ_DATA_PATH+", in->root},
	    {"+MQ_Q_MGR_DATA_PATH+", in->dir},
	    {"+MQ_Q_MGR_DATA_NAME+", slash != NULL ? slash + 1 : in->dir},
	    {"+MQ_SERVER_PID+", pid},
	};

	(void)snprintf(pid, 16, "%d", in->server_pid);
	for (size_t i = 0; i < MQ_ARRAY_LEN(inserts); i++) {
		*ret_len = strlen(inserts[i].name);
		if (strncmp(text, inserts[i].name, *ret_len) == 0)
			return inserts[i].value;
	}
	return NULL;
}

char *
service_insert(const struct service_inserts *in, const char *text)
{
	struct mqbuf b;
	char pid[16], *copy;

	mqbuf_init(&b, INSERT_MAX);
	while (*text != '\0') {
		size_t len = 1;
		const char *value =
		    *text == '+' ? insert_at(in, text, pid, &len) : NULL;

		if (value != NULL)
			mqbuf_put(&b, value, strlen(value));
		else
			mqbuf_put(&b, text, len = 1);
		text += len;
	}
	mqbuf_put(&b, "", 1);
	MQ_INVARIANT(b.err == MQI_OK); /* attributes and paths are short */
	copy = mqmem_strdup((const char *)b.data);
	mqbuf_fini(&b);
	return copy;
}

/* -1: nowhere; a sentence in why if there should be a file. */
static int
open_output(const struct service_inserts *in, const char *attr, char why[256])
{
	char *path;
	struct stat st;
	int fd;

	if (attr[0] == '\0')
		return -1;
	path = service_insert(in, attr);
	fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    0600);
	if (fd < 0) {
		(void)snprintf(why, 256, "%.180s: %s", path, strerror(errno));
	} else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)snprintf(why, 256, "%.180s is not a file", path);
		(void)close(fd);
		fd = -1;
	} else {
		(void)fcntl(fd, F_SETFL, O_APPEND); /* the program's way */
	}
	free(path);
	return fd;
}

/* Fills in each word. */
static void
insert_all(const struct service_inserts *in, struct mqargs *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		char *word = service_insert(in, a->argv[i]);

		free(a->argv[i]);
		a->argv[i] = word;
	}
}

enum mqi_err
service_command_make(const struct mqattr_set *attrs, bool is_stop,
    const struct service_inserts *in, struct service_command *ret)
{
	const char *program = mqattr_text(
	    attrs, is_stop ? MQATTR_ID_STOPCMD : MQATTR_ID_STARTCMD);
	const char *args = mqattr_text(
	    attrs, is_stop ? MQATTR_ID_STOPARG : MQATTR_ID_STARTARG);

	if (program[0] == '\0')
		return MQI_E_ATTRIBUTE;
	mqargs_init(&ret->args);
	if (mqargs_add(&ret->args, program) != MQI_OK ||
	    mqargs_split(&ret->args, args) != MQI_OK) {
		mqargs_fini(&ret->args);
		return MQI_E_ATTRIBUTE;
	}
	insert_all(in, &ret->args);
	ret->why[0] = '\0';
	ret->out_fd =
	    open_output(in, mqattr_text(attrs, MQATTR_ID_STDOUT), ret->why);
	ret->err_fd =
	    open_output(in, mqattr_text(attrs, MQATTR_ID_STDERR), ret->why);
	return MQI_OK;
}

void
service_command_fini(struct service_command *c)
{
	mqargs_fini(&c->args);
	if (c->out_fd >= 0)
		(void)close(c->out_fd);
	if (c->err_fd >= 0)
		(void)close(c->err_fd);
}
