/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmgr.c - the queue manager's life: start, drain, stop.
 *
 * Neighbours: main.c has the arguments; qmgr_dir.c the directory; turn.c the
 * loop's turns; listener.c and session.c the clients; agents.c the channels.
 * Invariants: no client is served before the engine's first batch is durable,
 * and the directory is locked from before the store is opened until after it
 * is closed.
 * Happy path: STARTING, RUNNING until a signal or STOP QMGR, QUIESCING until
 * every unit has ended and everything is durable, ENDING until sessions and
 * agents are gone, ENDED.
 * Failure: what prevents a start is one sentence on standard error and exit
 * status 1; a failed store ends the process at once (turn.c).
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <libgen.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/ref.h"
#include "qmgr/qmgr_impl.h"
#include "qmgr/qmini.h"
#include "qmgr/start_check.h"
#include "qmgr/store/store_journal.h"
#include "qmgr/store/suspect.h"

#define SESSIONS_MAX 65536u
#define DESCRIPTORS_KEPT 128u /* for all but sessions */
#define SCRATCH_MAX 131072u   /* the longest frame without its body */
#define MESSAGES_KEPT                                          \
	1048576u /* bytes of freed messages, for the next ones \
		  */

static const struct mqsm_state qmgr_states[] = {
    [QMGR_STARTING] = {"STARTING",
	MQ_BIT(QMGR_RUNNING) | MQ_BIT(QMGR_QUIESCING)},
    [QMGR_RUNNING] = {"RUNNING", MQ_BIT(QMGR_QUIESCING)},
    [QMGR_QUIESCING] = {"QUIESCING", MQ_BIT(QMGR_ENDING)},
    [QMGR_ENDING] = {"ENDING", MQ_BIT(QMGR_ENDED)},
    [QMGR_ENDED] = {"ENDED", 0},
};

static void
complain(const char *why)
{
	(void)fprintf(stderr, "qmgr: %s\n", why);
}

/* ---- stop ---- */

static void
qmgr_quiesce(struct qmgr *qm)
{
	mqsm_move(&qm->state, QMGR_QUIESCING);
	listener_close(&qm->listener);
	engine_quiesce(qm->engine, qm->immediate);
	agents_stop_all(qm->agents, qm->immediate);
	pings_stop(qm->pings);
	services_stop_all(qm->services);
	scrub_stop(qm->scrub);
}

void
qmgr_stop(struct qmgr *qm, bool immediate)
{
	bool more = immediate && !qm->immediate;

	if (qm->stop_wanted && !more)
		return;
	mqlog(MQLOG_INFO, "qmgr.stopping", "%s",
	    immediate ? "units of work are backed out"
		      : "units of work may end first");
	qm->stop_wanted = true;
	qm->immediate = immediate;
	if (qm->state.current == QMGR_RUNNING) {
		qmgr_quiesce(qm);
	} else if (qm->state.current == QMGR_QUIESCING) {
		engine_quiesce(qm->engine, true);
		agents_stop_all(qm->agents, true);
	}
}

static void
on_signal(uv_signal_t *h, int signum)
{
	struct qmgr *qm = h->data;

	turn_begin(qm);
	mqlog(MQLOG_INFO, "qmgr.signal", "signal %d", signum);
	qmgr_stop(qm, qm->stop_wanted);
}

/* Nothing is left to do: the loop runs out. */
static void
qmgr_close_all(struct qmgr *qm)
{
	qm->engine = engine_free(qm->engine);
	/* its threads wake the loop: they end before it does */
	if (qm->store != NULL && qm->store->ops->close(qm->store) != MQI_OK)
		qm->failed = true;
	qm->store = NULL;
	listener_close(&qm->listener);
	sessions_close(&qm->sessions);
	qm->agents = agents_free(qm->agents);
	qm->pings = pings_free(qm->pings);
	qm->services = services_free(qm->services);
	qm->scrub = scrub_free(qm->scrub);
	qm->apart = apart_free(qm->apart);
	uv_close((uv_handle_t *)&qm->sigterm, NULL);
	uv_close((uv_handle_t *)&qm->sigint, NULL);
	turn_close(qm);
}

/* ---- the steps at the end of each turn ---- */

static void
life_create(struct qmgr *qm)
{
	enum mqi_err err =
	    create_objects(qm->engine, qm->name, mqclock_wall_us());

	if (err != MQI_OK) {
		(void)fprintf(stderr,
		    "qmgr: the first objects of \"%s\" cannot be made: %s\n",
		    qm->name, mqi_strerror(err));
		qm->failed = true;
	}
	qm->stop_wanted = true;
	qmgr_quiesce(qm);
}

static void
life_open(struct qmgr *qm)
{
	struct mqlog_line l;
	enum mqi_err err;

	err = listener_open(&qm->listener, qm->dir.run);
	if (err != MQI_OK) {
		(void)fprintf(stderr, "qmgr: no socket in %s: %s (%s)\n",
		    qm->dir.run, mqi_strerror(err), strerror(errno));
		qm->failed = true;
		qm->stop_wanted = true;
		qmgr_quiesce(qm);
		return;
	}
	mqsm_move(&qm->state, QMGR_RUNNING);
	/* reading the journal took memory that is not needed again */
	(void)malloc_trim(0);
	mqlog_begin(&l, MQLOG_INFO, "qmgr.ready");
	mqlog_int(&l, "pid", getpid());
	mqlog_str(&l, "directory", qm->dir.path);
	mqlog_end(&l);
	agents_begin(qm->agents);
	services_begin(qm->services);
	scrub_begin(qm->scrub);
}

static bool
life_start(struct qmgr *qm)
{
	if (!engine_is_ready(qm->engine))
		return false;
	if (qm->create)
		life_create(qm);
	else if (qm->stop_wanted)
		qmgr_quiesce(qm);
	else
		life_open(qm);
	return true;
}

static bool
life_quiesce(struct qmgr *qm)
{
	if (!qm->immediate &&
	    !(engine_is_drained(qm->engine) && agents_all_ended(qm->agents) &&
		services_have_ended(qm->services)))
		return false;
	mqsm_move(&qm->state, QMGR_ENDING);
	sessions_end_all(&qm->sessions, MQI_E_Q_MGR_STOPPING);
	return true;
}

static bool
life_end(struct qmgr *qm)
{
	if (qm->sessions.n > 0 || !agents_all_ended(qm->agents) ||
	    !services_have_ended(qm->services) ||
	    !pings_have_ended(qm->pings) || !scrub_has_ended(qm->scrub) ||
	    !engine_is_drained(qm->engine))
		return false;
	mqsm_move(&qm->state, QMGR_ENDED);
	qmgr_close_all(qm);
	return true;
}

bool
qmgr_life(struct qmgr *qm)
{
	switch ((enum qmgr_state)qm->state.current) {
	case QMGR_STARTING:
		return life_start(qm);
	case QMGR_QUIESCING:
		return life_quiesce(qm);
	case QMGR_ENDING:
		return life_end(qm);
	case QMGR_RUNNING:
	case QMGR_ENDED:
		break;
	}
	return false;
}

/* ---- start ---- */

/* As many descriptors as we may have; returns how many sessions that is. */
static unsigned
raise_descriptors(void)
{
	struct rlimit rl;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return 256;
	if (rl.rlim_cur < rl.rlim_max) {
		struct rlimit all = {rl.rlim_max, rl.rlim_max};

		if (setrlimit(RLIMIT_NOFILE, &all) == 0)
			rl = all;
	}
	n = rl.rlim_cur > 2UL * DESCRIPTORS_KEPT
		? rl.rlim_cur - DESCRIPTORS_KEPT
		: DESCRIPTORS_KEPT;
	return n < SESSIONS_MAX ? (unsigned)n : SESSIONS_MAX;
}

/* The mca program beside our own. */
static char *
find_mca(const char *given)
{
	char self[4096];
	char *path;
	ssize_t n;

	if (given != NULL)
		return mqmem_strdup(given);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return mqmem_strdup("mca");
	self[n] = '\0';
	if (asprintf(&path, "%s/mca", dirname(self)) < 0)
		return mqmem_strdup("mca");
	return path;
}

static void
find_user(char *user, size_t size)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw != NULL)
		(void)snprintf(user, size, "%s", pw->pw_name);
	else
		(void)snprintf(user, size, "%u", geteuid());
}

/* Programs are installed beside the agents. */
static void
start_services(struct qmgr *qm, const char *mca)
{
	char install[PATH_MAX];
	char *slash;

	(void)snprintf(install, sizeof(install), "%s", mca);
	for (int i = 0; i < 2; i++) {
		slash = strrchr(install, '/');
		if (slash != NULL)
			*slash = '\0';
	}
	/* as IBM's, which is written with and without a slash behind it */
	(void)strncat(install, "/", sizeof(install) - strlen(install) - 1);
	qm->services = services_new(qm, install);
}

static void
start_loop(struct qmgr *qm, const struct qmgr_options *opts)
{
	char *mca = find_mca(opts->mca);

	/* libuv can fail here for want of memory or descriptors alone */
	MQ_INVARIANT(uv_loop_init(&qm->loop) == 0);
	turn_init(qm);
	uv_signal_init(&qm->loop, &qm->sigterm);
	uv_signal_init(&qm->loop, &qm->sigint);
	qm->sigterm.data = qm;
	qm->sigint.data = qm;
	uv_signal_start(&qm->sigterm, on_signal, SIGTERM);
	uv_signal_start(&qm->sigint, on_signal, SIGINT);
	listener_init(&qm->listener, qm);
	sessions_init(&qm->sessions, qm, raise_descriptors());
	qm->agents = agents_new(qm, mca);
	qm->pings = pings_new(qm, mca);
	start_services(qm, mca);
	free(mca);
}

static enum mqi_err
start_engine(struct qmgr *qm)
{
	struct engine_config config = {.window_rows = 0};
	struct store_options store;
	struct scrub_options scrub = {0};
	char *why = NULL;
	enum mqi_err err = MQI_OK;
	bool made, is_apart = false;

	store_options_init(&store);
	if (qm->create)
		err = qmini_write(qm->dir.path, &why);
	if (err == MQI_OK)
		err = qmini_read(qm->dir.path, &store, &scrub, &is_apart, &why);
	if (err != MQI_OK) {
		complain(why != NULL ? why : mqi_strerror(err));
		free(why);
		return err;
	}
	qm->scrub = scrub_new(qm, &scrub);
	qm->apart = apart_new(qm, is_apart);
	config.unapplied_bytes =
	    (uint32_t)(QMINI_BEHIND * store.checkpoint_bytes);
	err = store_open_with(
	    qm->dir.data, &store, turn_wake, qm, &qm->store, &why);
	if (err != MQI_OK) {
		complain(why != NULL ? why : mqi_strerror(err));
		free(why);
		return err;
	}
	(void)snprintf(config.name, sizeof(config.name), "%s", qm->name);
	mqrand_bytes(config.qmid, sizeof(config.qmid));
	memcpy(config.incarnation, qm->incarnation, sizeof(qm->incarnation));
	err = engine_new(&config, &turn_engine_ops, qm, qm->store, &qm->engine);
	if (err != MQI_OK) {
		(void)fprintf(stderr, "qmgr: the store in %s: %s\n",
		    qm->dir.data, mqi_strerror(err));
		return err;
	}
	made = create_is_done(qm->engine, qm->name);
	if (made == qm->create) {
		(void)fprintf(stderr,
		    made ? "qmgr: the queue manager \"%s\" exists already in "
			   "%s\n"
			 : "qmgr: the creation of \"%s\" in %s was not "
			   "finished: create it again\n",
		    qm->name, qm->dir.path);
		return made ? MQI_E_EXISTS : MQI_E_Q_MGR_NAME;
	}
	return MQI_OK;
}

/* LMDB is given no page that may end us, as far as that can be seen. */
static bool
check_store(struct qmgr *qm)
{
	char *why = NULL;

	if (start_check(qm->dir.data, &why) != MQI_OK) {
		complain(why != NULL ? why : "no memory");
		free(why);
		qm->failed = true;
		return false;
	}
	store_suspect_watch(qm->dir.data);
	return true;
}

static void
run(struct qmgr *qm, const struct qmgr_options *opts)
{
	if (!check_store(qm))
		return;
	start_loop(qm, opts);
	if (start_engine(qm) != MQI_OK) {
		qm->failed = true;
		qmgr_close_all(qm);
	} else {
		/* the first turn ends before the loop sleeps */
		turn_begin(qm);
	}
	mqref_keep(MESSAGES_KEPT);
	(void)uv_run(&qm->loop, UV_RUN_DEFAULT);
	MQ_INVARIANT(uv_loop_close(&qm->loop) == 0);
	mqref_keep(0);
}

int
qmgr_main(const struct qmgr_options *opts)
{
	struct qmgr *qm = mqmem_alloc(sizeof(*qm));
	char *why = NULL;
	int status = 1;

	qm->create = opts->create;
	qm->log_json = opts->log_json;
	qm->started_ms = mqclock_wall_us() / 1000;
	mqsm_init(
	    &qm->state, qmgr_states, MQ_ARRAY_LEN(qmgr_states), QMGR_STARTING);
	mqbuf_init(&qm->scratch, SCRATCH_MAX);
	qm->read_buf = mqmem_alloc(QMGR_READ);
	find_user(qm->user, sizeof(qm->user));
	mqrand_bytes(qm->incarnation, sizeof(qm->incarnation));
	if (qmgr_dir_open(opts->name, opts->root, opts->create, &qm->dir,
		&why) != MQI_OK) {
		complain(why != NULL ? why : "no memory");
		free(why);
		goto out;
	}
	(void)snprintf(qm->name, sizeof(qm->name), "%s", opts->name);
	run(qm, opts);
	if (!qm->failed) {
		if (!qm->create)
			mqlog(MQLOG_INFO, "qmgr.stopped", "%s", qm->dir.path);
		status = 0;
	}
out:
	qmgr_dir_close(&qm->dir);
	mqbuf_fini(&qm->scratch);
	free(qm->read_buf);
	free(qm);
	return status;
}

/* ---- for commands ---- */

const char *
qmgr_name(const struct qmgr *qm)
{
	return qm->name;
}

const char *
qmgr_dir(const struct qmgr *qm)
{
	return qm->dir.path;
}

struct engine *
qmgr_engine(struct qmgr *qm)
{
	return qm->engine;
}

struct services *
qmgr_services(struct qmgr *qm)
{
	return qm->services;
}

struct pings *
qmgr_pings(const struct qmgr *qm)
{
	return qm->pings;
}

struct agents *
qmgr_agents(struct qmgr *qm)
{
	return qm->agents;
}

const char *
qmgr_user(const struct qmgr *qm)
{
	return qm->user;
}

unsigned
qmgr_sessions(const struct qmgr *qm)
{
	return qm->sessions.n;
}

uint64_t
qmgr_started_ms(const struct qmgr *qm)
{
	return qm->started_ms;
}

void
qmgr_scrubbed(const struct qmgr *qm, struct scrub_status *ret)
{
	scrub_status(qm->scrub, ret);
}

bool
qmgr_is_stopping(const struct qmgr *qm)
{
	return qm->stop_wanted;
}
