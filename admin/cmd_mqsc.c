/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_mqsc.c - mqadmin mqsc: reads MQSC from a file, standard input, the
 * command line or a prompt, runs it, and says what came of it.
 *
 * Neighbours: mqsc.c understands lines; libmq/agent.h carries commands to the
 * queue manager (qmgr/ctl.c); print.c writes.
 *
 * Invariants: commands run one after another, in order; one that fails does not
 * stop the next; losing the queue manager does.
 *
 * Exit status: 0, all was done; 10, some command failed; 20, nothing could be
 * run (no such queue manager, it does not run, no such file), or the
 * connection was lost.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/cmd.h"
#include "admin/mqsc.h"
#include "admin/print.h"
#include "admin/prompt.h"
#include "libmq/agent.h"

static const char help[] =
    "Usage: mqadmin mqsc QM [FILE] [-e] [-v] [--json] [-c COMMAND]...\n"
    "                    [--root DIR]\n\n"
    "Runs MQSC commands from FILE, or from standard input; on a terminal it\n"
    "prompts (MQPROMPT is the prompt).  docs/mqsc.md has the language.\n\n"
    "  -c COMMAND   run this line instead; may be given several times\n"
    "  -e           do not echo the source\n"
    "  -v           only check the commands' syntax; QM need not run\n"
    "  --json       a JSON object per command (docs/json.md)\n"
    "  --root DIR   where queue managers are kept\n\n"
    "Exit status: 0 all done, 10 some command failed, 20 not run.\n";

#define MAX_LINES 64 /* -c options */

struct run {
	const char *qmgr;
	const char *root;
	const char *file;
	const char *lines[MAX_LINES];
	size_t n_lines;
	bool echo;
	bool verify;
	bool json;
	/* while it runs */
	mqi_conn *conn;
	struct mqsc *reader;
	struct print *print;
	const struct mqctl_command *cmd;
	bool ended; /* END was read */
	bool lost;  /* the queue manager is gone */
};

static void
show_row(void *arg, const struct mqctl_list *row)
{
	struct run *r = arg;
	print_row(r->print, r->cmd, row);
}

static void
run_command(struct run *r, const struct mqctl_command *cmd)
{
	char text[512] = "";
	if (r->verify) {
		print_verified(r->print, cmd);
		return;
	}
	r->cmd = cmd;
	enum mqi_err err =
	    mqagent_command(r->conn, cmd, show_row, r, text, sizeof(text));
	if (err == MQI_E_CONNECTION_BROKEN || err == MQI_E_NOT_DONE ||
	    err == MQI_E_UNKNOWN_OUTCOME)
		r->lost = true;
	print_result(r->print, cmd, err, text);
}

/* Runs what the reader has. */
static void
drain(struct run *r)
{
	struct mqctl_command cmd;
	struct mqsc_error error;
	enum mqsc_event ev = MQSC_NONE;
	while (!r->ended && !r->lost &&
	       (ev = mqsc_next(r->reader, &cmd, &error)) != MQSC_NONE) {
		switch (ev) {
		case MQSC_COMMAND:
			run_command(r, &cmd);
			mqctl_command_fini(&cmd);
			break;
		case MQSC_ERROR:
			print_syntax_error(r->print, &error);
			break;
		case MQSC_END:
			r->ended = true;
			break;
		case MQSC_NONE:
			break;
		}
	}
}

static void
feed(struct run *r, const char *line, size_t len)
{
	print_source(r->print, line, len, mqsc_is_continued(r->reader));
	mqsc_feed(r->reader, line, len);
	drain(r);
}

/* ---- where lines come from ---- */

static void
read_options(struct run *r)
{
	for (size_t i = 0; i < r->n_lines && !r->ended && !r->lost; i++)
		feed(r, r->lines[i], strlen(r->lines[i]));
}

static bool
read_stream(struct run *r, FILE *in)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	while (!r->ended && !r->lost && (n = getline(&line, &cap, in)) >= 0) {
		if (n > 0 && line[n - 1] == '\n')
			n--;
		if (n > 0 && line[n - 1] == '\r')
			n--;
		feed(r, line, (size_t)n);
	}
	free(line);
	if (ferror(in) == 0)
		return true;
	cmd_error("cannot read the commands: %s", strerror(errno));
	return false;
}

static bool
read_prompt(struct run *r)
{
	char text[MQI_NAME_LEN + 3];
	const char *own = getenv("MQPROMPT");
	const char *line;
	size_t len;
	(void)snprintf(text, sizeof(text), "%s> ", r->qmgr);
	struct prompt *p = prompt_new(own != NULL ? own : text);
	if (p == NULL)
		return read_stream(r, stdin);
	while (
	    !r->ended && !r->lost &&
	    (line = prompt_line(p, mqsc_is_continued(r->reader), &len)) != NULL)
		feed(r, line, len);
	(void)prompt_free(p);
	return true;
}

static bool
is_interactive(const struct run *r)
{
	return r->file == NULL && r->n_lines == 0 && isatty(STDIN_FILENO) &&
	       isatty(STDOUT_FILENO);
}

static bool
read_all(struct run *r, FILE *in)
{
	bool ok = true;
	if (r->n_lines > 0)
		read_options(r);
	else if (is_interactive(r))
		ok = read_prompt(r);
	else
		ok = read_stream(r, in);
	mqsc_finish(r->reader);
	drain(r);
	return ok;
}

/* ---- the whole run ---- */

static bool
connect_to(struct run *r)
{
	struct mqi_connect_opts opts = {
	    .root = r->root, .app_name = "mqadmin mqsc"};
	struct cmd_place place;
	if (r->verify)
		return true;
	if (!cmd_find(r->qmgr, r->root, &place))
		return false;
	enum mqi_err err = mqi_connect(r->qmgr, &opts, &r->conn);
	if (err == MQI_E_Q_MGR_NOT_AVAILABLE)
		cmd_error("AMQ8146E: queue manager %s (%s) is not running",
		    r->qmgr, place.dir);
	else if (err != MQI_OK)
		cmd_error("queue manager %s (%s): %s", r->qmgr, place.dir,
		    mqi_strerror(err));
	cmd_place_fini(&place);
	return err == MQI_OK;
}

static int
run(struct run *r, FILE *in)
{
	int status = CMD_NOT_RUN;
	if (!connect_to(r))
		return status;
	r->reader = mqsc_new();
	r->print = print_new(stdout, r->json, r->echo && !is_interactive(r));
	print_begin(r->print, r->qmgr);
	bool read_ok = read_all(r, in);
	bool all_done = print_end(r->print, r->verify);
	if (r->lost)
		cmd_error(
		    "the connection to queue manager %s was lost", r->qmgr);
	if (read_ok && !r->lost)
		status = all_done ? CMD_OK : CMD_FAILED;
	r->print = print_free(r->print);
	r->reader = mqsc_free(r->reader);
	if (r->conn != NULL)
		(void)mqi_disconnect(r->conn);
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		cmd_error("cannot write the output: %s", strerror(errno));
		status = CMD_FAILED;
	}
	return status;
}

/* False after a message. */
static bool
parse_options(int argc, char **argv, struct run *r)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	int c;
	while ((c = getopt_long(argc, argv, "evc:", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			if (r->n_lines == MAX_LINES) {
				(void)cmd_usage("mqsc", "too many -c");
				return false;
			}
			r->lines[r->n_lines++] = optarg;
			break;
		case 'e':
			r->echo = false;
			break;
		case 'v':
			r->verify = true;
			break;
		case 'j':
			r->json = true;
			break;
		case 'r':
			r->root = optarg;
			break;
		default:
			(void)cmd_usage("mqsc", "nothing was run");
			return false;
		}
	}
	if (argc - optind == 2)
		r->file = argv[optind + 1];
	int names = argc - optind - (r->file != NULL);
	r->qmgr = cmd_qmgr_name("mqsc", names, argv + optind);
	return r->qmgr != NULL;
}

int
cmd_mqsc(int argc, char **argv)
{
	struct run r = {.echo = true};
	FILE *in = stdin;
	if (cmd_help(argc, argv, help))
		return CMD_OK;
	if (!parse_options(argc, argv, &r))
		return CMD_NOT_RUN;
	if (r.file != NULL && r.n_lines > 0)
		return cmd_usage("mqsc", "give either FILE or -c");
	if (r.file != NULL && strcmp(r.file, "-") != 0) {
		in = fopen(r.file, "re");
		if (in == NULL) {
			cmd_error("%s: %s", r.file, strerror(errno));
			return CMD_NOT_RUN;
		}
	}
	int status = run(&r, in);
	if (in != stdin)
		(void)fclose(in);
	return status;
}
