/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_trigger_monitor.c - mqadmin trigger-monitor: gets trigger messages
 * (proto/tm.h) and starts the programs of their processes.
 *
 * Each message is one unit of work: it is got, the program is started, and the
 * get is committed.  If this program is killed in between, the program is
 * started again.  What cannot be started is put on the dead-letter queue, in
 * the unit, with the reason.
 *
 * What is started is what the queue manager's definition of the process says
 * now, not what the message says: who can put on the initiation queue can have
 * defined programs started, and no others.  No shell reads anything of it
 * (base/args.h); the message's fields are one argument.
 *
 * Programs run on when this one ends.  As long as it runs it reaps them, and
 * starts no more than MAX at once.
 *
 * Failure: a sentence on standard error; with the connection gone it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/cmd.h"
#include "base/args.h"
#include "base/clock.h"
#include "base/name.h"
#include "libmq/agent.h"
#include "proto/dlh.h"
#include "proto/tm.h"

#define DEFAULT_QUEUE "SYSTEM.DEFAULT.INITIATION.QUEUE"
#define DEFAULT_MAX 100u
#define MAX_CHILDREN 10000u
#define SLICE_MS 500 /* how long one get waits */
#define REAP_MS 50
#define CONNECT_MS 10000

static const char help[] =
    "Usage: mqadmin trigger-monitor QM [-q QUEUE] [--max N] [--once] [--root "
    "DIR]\n\n"
    "Starts programs for the trigger messages of the queue manager QM\n"
    "(mqadmin-trigger-monitor(1)).\n\n"
    "  -q, --queue QUEUE  the initiation queue;\n"
    "                     SYSTEM.DEFAULT.INITIATION.QUEUE\n"
    "  --max N            programs that run at once; 100\n"
    "  --once             start what is asked for now, wait for its end, and "
    "end\n"
    "  --root DIR         where queue managers are kept\n\n"
    "Exit status: 0 done, 10 the queue manager failed it, 20 nothing was "
    "tried.\n";

struct child {
	pid_t pid;
	char process[MQI_NAME_LEN + 1];
};

/* What the queue manager says of a process. */
struct process {
	char appl_type[16 + 1];
	char appl_id[256 + 1];
	char env_data[128 + 1];
};

struct monitor {
	mqi_conn *conn;
	mqi_queue *queue;
	const char *qmgr;
	const char *name; /* of the queue */
	struct child *children;
	unsigned n_children;
	unsigned max;
	uint64_t n_started;
	uint64_t n_failed;
};

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* ---- children ---- */

static void
say_ended(const struct child *c, int status)
{
	if (WIFSIGNALED(status))
		(void)printf("%s, process %d, was ended by signal %d\n",
		    c->process, (int)c->pid, WTERMSIG(status));
	else
		(void)printf("%s, process %d, ended with status %d\n",
		    c->process, (int)c->pid, WEXITSTATUS(status));
	(void)fflush(stdout);
}

static void
reap(struct monitor *m)
{
	unsigned i = 0;

	while (i < m->n_children) {
		struct child *c = &m->children[i];
		int status = 0;

		if (waitpid(c->pid, &status, WNOHANG) != c->pid) {
			i++;
			continue;
		}
		say_ended(c, status);
		*c = m->children[--m->n_children];
	}
}

/* Until there are at most so many. */
static void
wait_for_children(struct monitor *m, unsigned most)
{
	reap(m);
	while (m->n_children > most && !stopped) {
		(void)poll(NULL, 0, REAP_MS);
		reap(m);
	}
}

/* In a process group of its own: a signal from our terminal is for us. */
static int
spawn(char *const argv[], pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, defaults;
	int rc;

	(void)sigemptyset(&none);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE);
	rc = posix_spawn_file_actions_init(&files);
	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return rc;
	}
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
						  POSIX_SPAWN_SETSIGMASK |
						  POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setpgroup(&attr, 0);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &defaults);
	rc = posix_spawn_file_actions_addopen(
	    &files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawnp(
		    ret_pid, argv[0], &files, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* ---- what is to be started ---- */

static void
take_text(
    const struct mqctl_list *row, const char *keyword, char *ret, size_t len)
{
	const char *v = mqctl_list_get(row, keyword);

	(void)snprintf(ret, len, "%s", v != NULL ? v : "");
}

static void
take_process(void *arg, const struct mqctl_list *row)
{
	struct process *p = arg;

	take_text(row, "APPLTYPE", p->appl_type, sizeof(p->appl_type));
	take_text(row, "APPLICID", p->appl_id, sizeof(p->appl_id));
	take_text(row, "ENVRDATA", p->env_data, sizeof(p->env_data));
}

static enum mqi_err
ask_process(struct monitor *m, const char *name, struct process *ret,
    char *ret_text, size_t text_len)
{
	struct mqctl_command cmd = {
	    .verb = MQCTL_DISPLAY, .noun = MQCTL_PROCESS, .flags = MQCTL_ALL};

	(void)snprintf(cmd.name, sizeof(cmd.name), "%s", name);
	mqctl_list_init(&cmd.attrs);
	return mqagent_command(
	    m->conn, &cmd, take_process, ret, ret_text, text_len);
}

/* APPLICID, MQTMC2, ENVRDATA without the & that has a shell go on. */
static enum mqi_err
make_args(const struct monitor *m, const struct process *p,
    const struct mqtm *tm, struct mqargs *a)
{
	char text[MQTM_TEXT_LEN + 1], env[sizeof(p->env_data)];
	size_t len = (size_t)snprintf(env, sizeof(env), "%s", p->env_data);
	enum mqi_err err = mqargs_split(a, p->appl_id);

	if (len > 0 && env[len - 1] == '&')
		env[len - 1] = '\0';
	mqtm_text(tm, m->qmgr, text);
	if (err == MQI_OK)
		err = mqargs_add(a, text);
	return err == MQI_OK ? mqargs_split(a, env) : err;
}

/* Starts it.  0, or the feedback of what is not to be started; why then says
 * more. */
static uint32_t
start(struct monitor *m, const struct process *p, const struct mqtm *tm,
    char *why, size_t why_len)
{
	struct child *c = &m->children[m->n_children];
	uint32_t feedback = 0;
	struct mqargs a;
	int rc;

	if (mqtm_appl_type(p->appl_type) != MQTM_APPL_UNIX) {
		(void)snprintf(why, why_len, "APPLTYPE is not UNIX");
		return MQI_FB_APPL_TYPE_ERROR;
	}
	if (p->appl_id[strspn(p->appl_id, " ")] == '\0') {
		(void)snprintf(why, why_len, "APPLICID is blank");
		return MQI_FB_APPL_CANNOT_BE_STARTED;
	}
	mqargs_init(&a);
	if (make_args(m, p, tm, &a) != MQI_OK) {
		(void)snprintf(why, why_len,
		    "APPLICID or ENVRDATA has a quote without an end, or too "
		    "many words");
		feedback = MQI_FB_APPL_CANNOT_BE_STARTED;
	} else if ((rc = spawn(a.argv, &c->pid)) != 0) {
		(void)snprintf(why, why_len, "%s: %s", a.argv[0], strerror(rc));
		feedback = MQI_FB_APPL_CANNOT_BE_STARTED;
	} else {
		(void)snprintf(
		    c->process, sizeof(c->process), "%s", tm->process);
		m->n_children++;
		m->n_started++;
		(void)printf("%s started for %s, process %d\n", tm->process,
		    tm->queue, (int)c->pid);
		(void)fflush(stdout);
	}
	mqargs_fini(&a);
	return feedback;
}

/* ---- dead letters ---- */

static void
take_deadq(void *arg, const struct mqctl_list *row)
{
	take_text(row, "DEADQ", arg, MQI_NAME_LEN + 1);
}

static enum mqi_err
put_dead(struct monitor *m, mqi_unit *unit, const mqi_msg *msg,
    uint32_t feedback, const char *deadq)
{
	const struct mqi_md *from = mqi_msg_md(msg);
	struct mqdlh h = {.reason = feedback,
	    .encoding = from->encoding,
	    .ccsid = from->ccsid,
	    .put_appl_type = MQTM_APPL_UNIX,
	    .put_appl_name = "mqadmin trigger-monitor"};
	size_t len = mqi_msg_len(msg);
	uint8_t *body = malloc(MQDLH_LEN + len);
	mqi_queue *q = NULL;
	struct mqi_md md;
	enum mqi_err err;

	if (body == NULL)
		return MQI_E_NO_MEMORY;
	(void)snprintf(h.queue, sizeof(h.queue), "%s", m->name);
	(void)snprintf(h.qmgr, sizeof(h.qmgr), "%s", m->qmgr);
	(void)snprintf(h.format, sizeof(h.format), "%s", from->format);
	mqclock_mq_date(mqclock_wall_us(), h.put_date, h.put_time);
	mqdlh_encode(&h, body);
	memcpy(body + MQDLH_LEN, mqi_msg_body(msg), len);
	mqi_md_init(&md);
	(void)snprintf(md.format, sizeof(md.format), "%s", MQDLH_FORMAT);
	md.encoding = MQDLH_ENCODING;
	md.priority = from->priority;
	md.persistence = from->persistence;
	memcpy(md.msg_id, from->msg_id, sizeof(md.msg_id));
	memcpy(md.correl_id, from->correl_id, sizeof(md.correl_id));
	err = mqi_open(m->conn, deadq, NULL, MQI_OO_OUTPUT, &q);
	if (err == MQI_OK)
		err = mqi_put(q, unit, &md, body, MQDLH_LEN + len);
	(void)mqi_close(q);
	free(body);
	return err;
}

/* The connection, not the message, is the trouble. */
static bool
is_fatal(enum mqi_err err)
{
	return err == MQI_E_CONNECTION_BROKEN || err == MQI_E_NOT_DONE ||
	       err == MQI_E_UNKNOWN_OUTCOME || err == MQI_E_Q_MGR_STOPPING ||
	       err == MQI_E_Q_MGR_QUIESCING || err == MQI_E_PROTOCOL ||
	       err == MQI_E_BACKED_OUT;
}

/* It must not be in the way of others: without a dead-letter queue it goes. */
static enum mqi_err
give_up(struct monitor *m, mqi_unit *unit, const mqi_msg *msg,
    uint32_t feedback, const char *process, const char *why)
{
	struct mqctl_command cmd = {
	    .verb = MQCTL_DISPLAY, .noun = MQCTL_QMGR, .flags = MQCTL_ALL};
	char deadq[MQI_NAME_LEN + 1] = "", text[512];
	enum mqi_err err;

	m->n_failed++;
	cmd_error("%s cannot be started: %s", process, why);
	mqctl_list_init(&cmd.attrs);
	err = mqagent_command(
	    m->conn, &cmd, take_deadq, deadq, text, sizeof(text));
	if (err == MQI_OK && deadq[0] == '\0')
		err = MQI_E_UNKNOWN_OBJECT;
	if (err == MQI_OK)
		err = put_dead(m, unit, msg, feedback, deadq);
	if (err == MQI_OK || is_fatal(err))
		return err;
	cmd_error("the trigger message is discarded: it cannot be put on the "
		  "dead-letter queue: %s",
	    mqi_strerror(err));
	return MQI_OK;
}

/* ---- messages ---- */

static enum mqi_err
deal_with(struct monitor *m, mqi_unit *unit, const mqi_msg *msg)
{
	struct process p = {.appl_id = ""};
	uint32_t feedback = MQI_FB_APPL_CANNOT_BE_STARTED;
	char why[512] = "";
	struct mqtm tm;
	enum mqi_err err;

	if (strcmp(mqi_msg_md(msg)->format, MQTM_FORMAT) != 0 ||
	    mqtm_decode(mqi_msg_body(msg), mqi_msg_len(msg), &tm) != MQI_OK)
		return give_up(m, unit, msg, MQI_FB_TM_ERROR, "something",
		    "the message is no trigger message");
	if (!mqname_is_valid(tm.process, MQI_NAME_LEN)) /* nor a pattern */
		return give_up(m, unit, msg, feedback, tm.queue,
		    "the trigger message names no process");
	err = ask_process(m, tm.process, &p, why, sizeof(why));
	if (is_fatal(err))
		return err;
	if (err == MQI_OK)
		feedback = start(m, &p, &tm, why, sizeof(why));
	return feedback == 0 ? MQI_OK
			     : give_up(m, unit, msg, feedback, tm.process, why);
}

/* Gets one and deals with it; *ret_any: one came. */
static enum mqi_err
step(struct monitor *m, int64_t wait_ms, bool *ret_any)
{
	struct mqi_get_opts opts = {.wait_ms = wait_ms};
	mqi_unit *unit = NULL;
	mqi_msg *msg = NULL;
	enum mqi_err err = mqi_begin(m->conn, &unit);

	*ret_any = false;
	if (err != MQI_OK)
		return err;
	err = mqi_get_msg(m->queue, unit, &opts, &msg);
	if (err == MQI_OK) {
		*ret_any = true;
		err = deal_with(m, unit, msg);
		msg = mqi_msg_free(msg);
		if (err == MQI_OK)
			return mqi_commit(unit);
	}
	(void)mqi_backout(unit);
	return err == MQI_E_NO_MSG_AVAILABLE ? MQI_OK : err;
}

static enum mqi_err
run(struct monitor *m, bool once)
{
	enum mqi_err err = MQI_OK;
	bool any = true;

	while (err == MQI_OK && !stopped && (any || !once)) {
		wait_for_children(m, m->max - 1);
		if (!stopped)
			err = step(m, once ? 0 : SLICE_MS, &any);
	}
	if (once)
		wait_for_children(m, 0);
	return err;
}

/* ---- beginning and end ---- */

static int
serve(struct monitor *m, const char *root, bool once)
{
	struct mqi_connect_opts opts = {.root = root,
	    .app_name = "mqadmin trigger-monitor",
	    .timeout_ms = CONNECT_MS};
	struct sigaction act = {.sa_handler = on_signal};
	enum mqi_err err = mqi_connect(m->qmgr, &opts, &m->conn);

	if (err != MQI_OK) {
		cmd_error("%s: %s", m->qmgr, mqi_strerror(err));
		return CMD_NOT_RUN;
	}
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	err = mqi_open(m->conn, m->name, NULL, MQI_OO_INPUT_SHARED, &m->queue);
	if (err != MQI_OK) {
		cmd_error("%s: %s", m->name, mqi_strerror(err));
		return CMD_NOT_RUN;
	}
	(void)printf("trigger monitor of %s waits on %s\n", m->qmgr, m->name);
	(void)fflush(stdout);
	err = run(m, once);
	if (err != MQI_OK)
		cmd_error("%s: %s", m->name, mqi_strerror(err));
	/* waits for the answer: the next monitor is the first to open it */
	(void)mqi_close(m->queue);
	(void)printf("%llu started, %llu failed\n",
	    (unsigned long long)m->n_started, (unsigned long long)m->n_failed);
	return err == MQI_OK ? CMD_OK : CMD_FAILED;
}

static bool
read_max(const char *text, unsigned *ret)
{
	char *end = NULL;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 ||
	    n > MAX_CHILDREN)
		return false;
	*ret = (unsigned)n;
	return true;
}

int
cmd_trigger_monitor(int argc, char **argv)
{
	static const struct option options[] = {
	    {"queue", required_argument, NULL, 'q'},
	    {"max", required_argument, NULL, 'm'},
	    {"once", no_argument, NULL, 'o'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	struct monitor m = {.name = DEFAULT_QUEUE, .max = DEFAULT_MAX};
	const char *root = NULL;
	bool once = false;
	int c, status;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "q:", options, NULL)) != -1) {
		if (c == 'q')
			m.name = optarg;
		else if (c == 'o')
			once = true;
		else if (c == 'r')
			root = optarg;
		else if (c != 'm' || !read_max(optarg, &m.max))
			return cmd_usage(
			    "trigger-monitor", "nothing was started");
	}
	m.qmgr = cmd_qmgr_name("trigger-monitor", argc - optind, argv + optind);
	if (m.qmgr == NULL)
		return CMD_NOT_RUN;
	m.children = calloc(m.max, sizeof(*m.children));
	if (m.children == NULL) {
		cmd_error("there is not enough memory");
		return CMD_NOT_RUN;
	}
	status = serve(&m, root, once);
	(void)mqi_disconnect(m.conn);
	free(m.children);
	return status;
}
