/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name.c - object names, their escaped form as directory names, and the search
 * for a queue manager's directory.
 *
 * Neighbours: qmgr and mqadmin (where to make and find), libmq (where to
 * connect), the engine (names of objects).
 * Invariants: an escaped name holds only letters, digits, _ and %, so it is
 * never empty, "." or "..", and two names never have the same escaped name.
 * Happy path of the search: candidates in order, the first that holds a
 * directory of the queue manager's escaped name.
 * Failure: the candidates are named in a sentence for the caller's message.
 */
#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_ROOT "/var/lib/sluice"
#define MAX_CANDIDATES 3u

static bool
is_alnum(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9');
}

bool
mqname_is_valid(const char *name, size_t max_len)
{
	size_t len = strnlen(name, max_len + 1);

	if (len == 0 || len > max_len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!is_alnum(c) && c != '.' && c != '/' && c != '_' &&
		    c != '%')
			return false;
	}
	return true;
}

bool
mqname_is_label(const char *label)
{
	size_t len = strnlen(label, MQNAME_LABEL_LEN + 1);

	if (len == 0 || len > MQNAME_LABEL_LEN || label[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(label[i]) && strchr("-_.", label[i]) == NULL)
			return false;
	return true;
}

void
mqname_escape(const char *name, char ret[MQNAME_ESCAPED_LEN])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t len = strnlen(name, MQI_NAME_LEN + 1);
	char *p = ret;

	MQ_PRE(len > 0 && len <= MQI_NAME_LEN);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (is_alnum((char)c) || c == '_') {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = hex[c >> 4];
			*p++ = hex[c & 15];
		}
	}
	*p = '\0';
	MQ_POST(p < ret + MQNAME_ESCAPED_LEN && p > ret);
}

struct candidates {
	char *roots[MAX_CANDIDATES];
	unsigned n;
};

static void
candidates_fini(struct candidates *c)
{
	for (unsigned i = 0; i < c->n; i++)
		free(c->roots[i]);
	c->n = 0;
}

static enum mqi_err
add_candidate(struct candidates *c, const char *dir, const char *below)
{
	char *path;

	MQ_PRE(c->n < MAX_CANDIDATES);
	if (asprintf(&path, "%s%s", dir, below) < 0)
		return MQI_E_NO_MEMORY;
	for (unsigned i = 0; i < c->n; i++) {
		if (strcmp(c->roots[i], path) == 0) {
			free(path);
			return MQI_OK;
		}
	}
	c->roots[c->n++] = path;
	return MQI_OK;
}

/* The variable's value, or NULL if it is unset or empty. */
static const char *
env(const char *name)
{
	const char *value = secure_getenv(name);

	return value && value[0] ? value : NULL;
}

static enum mqi_err
add_own_root(struct candidates *c)
{
	const char *dir;

	if (geteuid() == 0)
		return MQI_OK; /* the system's is root's own */
	dir = env("XDG_STATE_HOME");
	if (dir)
		return add_candidate(c, dir, "/sluice");
	dir = env("HOME");
	return dir ? add_candidate(c, dir, "/.local/state/sluice") : MQI_OK;
}

static enum mqi_err
add_candidates(struct candidates *c, const char *root)
{
	enum mqi_err err = MQI_OK;

	if (root)
		return add_candidate(c, root, "");
	if (env("MQ_ROOT"))
		err = add_candidate(c, env("MQ_ROOT"), "");
	if (!err)
		err = add_own_root(c);
	/* a user without a home has no root of its own to make things in */
	if (!err && (c->n > 0 || geteuid() == 0))
		err = add_candidate(c, SYSTEM_ROOT, "");
	return err;
}

static bool
holds_qmgr(const char *root, const char *escaped)
{
	struct stat st;
	char *path;
	bool found;

	if (asprintf(&path, "%s/%s", root, escaped) < 0)
		return false;
	found = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	free(path);
	return found;
}

/* "looked in A, B and C" */
static enum mqi_err
describe(const struct candidates *c, char **ret_tried)
{
	size_t size = sizeof("looked in ");
	char *text, *p;

	for (unsigned i = 0; i < c->n; i++)
		size += strlen(c->roots[i]) + sizeof(" and ");
	text = malloc(size);
	if (!text)
		return MQI_E_NO_MEMORY;
	p = text;
	for (unsigned i = 0; i < c->n; i++) {
		p = stpcpy(p, i == 0         ? "looked in "
			      : i + 1 < c->n ? ", "
					     : " and ");
		p = stpcpy(p, c->roots[i]);
	}
	*ret_tried = text;
	return MQI_OK;
}

enum mqi_err
mqname_find_root(
    const char *root, const char *qmgr, char **ret_root, char **ret_tried)
{
	struct candidates c = {.n = 0};
	char escaped[MQNAME_ESCAPED_LEN];
	enum mqi_err err;
	unsigned i = 0;

	if (qmgr && !mqname_is_valid(qmgr, MQI_NAME_LEN))
		return MQI_E_INVAL;
	err = add_candidates(&c, root);
	if (!err && c.n == 0)
		err = MQI_E_INVAL;
	if (err)
		goto out;
	if (qmgr) {
		mqname_escape(qmgr, escaped);
		while (i < c.n && !holds_qmgr(c.roots[i], escaped))
			i++;
	}
	if (i < c.n) {
		*ret_root = c.roots[i];
		c.roots[i] = NULL;
		goto out;
	}
	if (ret_tried)
		err = describe(&c, ret_tried);
	if (!err)
		err = MQI_E_Q_MGR_NAME;
out:
	candidates_fini(&c);
	return err;
}
