/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_status.c - mqadmin status: which queue managers there are, and which run.
 *
 * Neighbours: cmd.h finds them; nothing is asked of a queue manager but who
 * listens on its socket, so one that hangs is shown, too.
 *
 * Happy path: one name, or each directory under the root whose name is an
 * escaped name and that holds a store.  Failure: a root that cannot be read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/cmd.h"
#include "base/name.h"

static const char help[] =
    "Usage: mqadmin status [QM] [--json] [--root DIR]\n\n"
    "Shows the queue manager QM, or all: name, whether it runs, process id\n"
    "and directory.  With QM, the exit status is 0 if it runs, else 10.\n\n"
    "  --json       a JSON object per line (docs/json.md)\n"
    "  --root DIR   where queue managers are kept\n";

static void
show(const char *name, const char *dir, int pid, bool json)
{
	if (json) {
		json_t *o = json_pack("{s:s, s:b, s:i, s:s}", "name", name,
		    "running", pid != 0, "pid", pid, "directory", dir);
		MQ_INVARIANT(o != NULL);
		(void)json_dumpf(o, stdout, JSON_COMPACT);
		(void)putchar('\n');
		json_decref(o);
		return;
	}
	(void)printf("QMNAME(%s)%*s STATUS(%s)", name,
	    (int)(strlen(name) < 20 ? 20 - strlen(name) : 0), "",
	    pid != 0 ? "Running" : "Ended");
	if (pid != 0)
		(void)printf(" PID(%d)", pid);
	(void)printf(" DIRECTORY(%s)\n", dir);
}

/* Only who may look into a directory knows whether its queue manager runs. */
static bool
may_look(const char *dir)
{
	if (access(dir, X_OK) == 0 || errno != EACCES)
		return true;
	cmd_error("%s: %s", dir, strerror(errno));
	return false;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The name that an escaped name stands for; false if it is not one. */
static bool
unescape(const char *escaped, char ret[MQI_NAME_LEN + 1])
{
	char again[MQNAME_ESCAPED_LEN];
	size_t n = 0;

	for (const char *p = escaped; *p != '\0'; p++) {
		if (n == MQI_NAME_LEN)
			return false;
		if (*p != '%') {
			ret[n++] = *p;
			continue;
		}
		int high = hex_digit(p[1]);
		int low = high < 0 ? -1 : hex_digit(p[2]);
		if (low < 0)
			return false;
		ret[n++] = (char)(high << 4 | low);
		p += 2;
	}
	ret[n] = '\0';
	if (!mqname_is_valid(ret, MQI_NAME_LEN))
		return false;
	mqname_escape(ret, again);
	return strcmp(again, escaped) == 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of directories, sorted; freed by the caller. */
static size_t
list_dirs(DIR *d, char ***ret)
{
	size_t n = 0;
	char **names = NULL;
	char name[MQI_NAME_LEN + 1];
	struct dirent *e;

	while ((e = readdir(d)) != NULL) {
		struct stat st;
		if (!unescape(e->d_name, name) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) !=
			0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		char **more = realloc(names, (n + 1) * sizeof(*names));
		MQ_INVARIANT(more != NULL);
		names = more;
		names[n] = strdup(e->d_name);
		MQ_INVARIANT(names[n] != NULL);
		n++;
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), by_name);
	*ret = names;
	return n;
}

static int
show_all(const char *root, bool json)
{
	char name[MQI_NAME_LEN + 1];
	char *found = NULL;
	char **names;

	if (mqname_find_root(root, NULL, &found, NULL) != MQI_OK) {
		cmd_error("no root: give --root, MQ_ROOT or HOME");
		return CMD_NOT_RUN;
	}
	int status = CMD_OK;
	DIR *d = opendir(found);
	if (d == NULL) {
		bool none = errno == ENOENT && root == NULL;
		if (!none)
			cmd_error("%s: %s", found, strerror(errno));
		free(found);
		return none ? CMD_OK : CMD_NOT_RUN;
	}
	size_t n = list_dirs(d, &names);
	for (size_t i = 0; i < n; i++) {
		char *dir;
		if (unescape(names[i], name) &&
		    asprintf(&dir, "%s/%s", found, names[i]) >= 0) {
			if (may_look(dir))
				show(name, dir, cmd_running_pid(dir), json);
			else
				status = CMD_FAILED;
			free(dir);
		}
		free(names[i]);
	}
	free(names);
	(void)closedir(d);
	free(found);
	return status;
}

int
cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	struct cmd_place place;
	const char *root = NULL;
	bool json = false;
	int c;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return cmd_usage("status", "nothing was shown");
		if (c == 'j')
			json = true;
		else
			root = optarg;
	}
	if (optind == argc)
		return show_all(root, json);
	const char *name =
	    cmd_qmgr_name("status", argc - optind, argv + optind);
	if (name == NULL || !cmd_find(name, root, &place))
		return CMD_NOT_RUN;
	int pid = 0;
	if (may_look(place.dir)) {
		pid = cmd_running_pid(place.dir);
		show(name, place.dir, pid, json);
	}
	cmd_place_fini(&place);
	return pid != 0 ? CMD_OK : CMD_FAILED;
}
