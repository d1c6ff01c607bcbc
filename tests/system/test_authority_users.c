/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_authority_users.c - users other than the queue manager's owner: real
 * processes of other user ids, with and without each right.
 *
 * Needs root, which can be anybody.  The user 12345 and the groups 12345 and
 * 23456 need not exist; NOBODY does everywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libmq/agent.h"
#include "qmgr/strangers.h"
#include "tests/lib/qm.h"
#include "tests/system/raw.h"

#define STRANGER 12345u
#define OTHER_GROUP 23456u
#define NOBODY 65534u

static struct raw_qmgr shared;

/* ---- other users ---- */

struct as {
	uid_t uid;
	gid_t gid;
};

static const struct as stranger = {STRANGER, STRANGER};

/* Runs fn in a process of that user; what it returns. */
static int
run_as(const struct as *who, int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(0, NULL) != 0 ||
		    setresgid(who->gid, who->gid, who->gid) != 0 ||
		    setresuid(who->uid, who->uid, who->uid) != 0)
			_exit(99);
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A reason as an exit status. */
static int
status_of(enum mqi_err err)
{
	switch (err) {
	case MQI_OK:
		return 0;
	case MQI_E_NOT_AUTHORIZED:
		return 1;
	default:
		(void)fprintf(stderr, "reason %d\n", (int)err);
		return 2;
	}
}

#define GRANTED 0
#define REFUSED 1

static mqi_conn *
connect_here(const char *root)
{
	struct mqi_connect_opts opts = {.root = root, .app_name = "stranger"};
	mqi_conn *conn = NULL;

	return mqi_connect(shared.name, &opts, &conn) == MQI_OK ? conn : NULL;
}

static void
mqsc(const char *commands)
{
	struct qm q = {.proc = shared.proc};

	(void)snprintf(q.name, sizeof(q.name), "%s", shared.name);
	(void)snprintf(q.root, sizeof(q.root), "%s", shared.root);
	qm_mqsc(&q, commands);
}

static int
setup(void **state)
{
	(void)state;
	raw_init(&shared, "QM1", "root");
	assert_int_equal(chmod(shared.dir.path, 0711), 0);
	raw_create(&shared);
	raw_start(&shared);
	mqsc("DEFINE QLOCAL(A.B)\nDEFINE QLOCAL(X) USAGE(XMITQ)\n"
	     "DEFINE QALIAS(ALIAS) TARGET(A.B)\n"
	     "DEFINE CHANNEL(C) CHLTYPE(RCVR) SSLPEER('CN=X')\n"
	     "DEFINE CHANNEL(CLIENTS) CHLTYPE(SVRCONN) SSLPEER('CN=X')\n");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	raw_fini(&shared);
	return 0;
}

/* ---- files ---- */

static int
look_around(void *arg)
{
	static const char *const paths[] = {"", "/data", "/data/data.mdb",
	    "/data/journal.0", "/qmgr.lock", "/qm.ini", "/run"};
	char path[PATH_MAX];
	int found = 0;

	(void)arg;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		(void)snprintf(
		    path, sizeof(path), "%.3000s/QM1%s", shared.root, paths[i]);
		if (open(path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES) {
			(void)fprintf(stderr, "%s can be read\n", path);
			found++;
		}
		(void)snprintf(path, sizeof(path), "%.3000s/QM1%s%snew",
		    shared.root, paths[i], "/");
		if (open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0) {
			(void)fprintf(stderr, "%s can be made\n", path);
			found++;
		}
	}
	return found;
}

static void
test_others_reach_the_socket_and_no_file(void **state)
{
	char path[PATH_MAX];
	struct stat st;

	(void)state;
	assert_int_equal(run_as(&stranger, look_around, NULL), 0);
	(void)snprintf(path, sizeof(path), "%.3000s/QM1/data", shared.root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	(void)snprintf(path, sizeof(path), "%.3000s/QM1/run", shared.root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0711);
}

/* ---- connecting ---- */

static int
try_connect(void *arg)
{
	struct mqi_connect_opts opts = {.root = shared.root, .app_name = "s"};
	mqi_conn *conn = NULL;

	(void)arg;
	return status_of(mqi_connect(shared.name, &opts, &conn));
}

static void
test_connecting_needs_a_record_and_the_refusal_names_it(void **state)
{
	(void)state;
	assert_int_equal(run_as(&stranger, try_connect, NULL), REFUSED);
	raw_assert_logged(&shared,
	    "authority.refused user=uid:12345 app=s object=QMGR(QM1) "
	    "missing=CONNECT rule=\"no authority record matches\" "
	    "remedy=\"SET AUTHREC PROFILE('QM1') OBJTYPE(QMGR) "
	    "PRINCIPAL('uid:12345') AUTHADD(CONNECT)\"");
	mqsc("SET AUTHREC PROFILE('QM1') OBJTYPE(QMGR) "
	     "PRINCIPAL('uid:12345') AUTHADD(CONNECT)");
	assert_int_equal(run_as(&stranger, try_connect, NULL), GRANTED);
	mqsc("DELETE AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345')");
	assert_int_equal(run_as(&stranger, try_connect, NULL), REFUSED);
}

static void
test_groups_of_the_process_and_of_the_host_count(void **state)
{
	static const struct as by_gid = {STRANGER, OTHER_GROUP};
	static const struct as nobody = {NOBODY, STRANGER};
	const struct group *gr = getgrgid(NOBODY);
	char command[256];

	(void)state;
	mqsc("SET AUTHREC OBJTYPE(QMGR) GROUP('gid:23456') AUTHADD(CONNECT)");
	assert_int_equal(run_as(&by_gid, try_connect, NULL), GRANTED);
	assert_int_equal(run_as(&stranger, try_connect, NULL), REFUSED);
	mqsc("DELETE AUTHREC OBJTYPE(QMGR) GROUP('gid:23456')");
	/* by the host's word, whatever group the process has */
	assert_int_equal(run_as(&nobody, try_connect, NULL), REFUSED);
	if (gr == NULL)
		return;
	(void)snprintf(command, sizeof(command),
	    "SET AUTHREC OBJTYPE(QMGR) GROUP('%s') AUTHADD(CONNECT)",
	    gr->gr_name);
	mqsc(command);
	assert_int_equal(run_as(&nobody, try_connect, NULL), GRANTED);
	(void)snprintf(command, sizeof(command),
	    "DELETE AUTHREC OBJTYPE(QMGR) GROUP('%s')", gr->gr_name);
	mqsc(command);
}

/* ---- rights on queues ---- */

struct opening {
	const char *queue;
	uint32_t options;
	const char *alternate;
};

static int
try_open(void *arg)
{
	const struct opening *o = arg;
	const struct mqi_open_opts opts = {
	    .options = o->options, .alternate_user = o->alternate};
	mqi_conn *conn = connect_here(shared.root);
	mqi_queue *queue = NULL;
	enum mqi_err err;

	if (conn == NULL)
		return 3;
	err = mqi_open_with(conn, o->queue, NULL, &opts, &queue);
	if (err == MQI_E_NOT_AUTHORIZED &&
	    strstr(mqi_last_error(conn), "user uid:12345 has no authority") ==
		NULL)
		return 4;
	if (err == MQI_OK && (o->options & MQI_OO_OUTPUT) != 0)
		err = mqi_put(queue, NULL, NULL, "x", 1);
	(void)mqi_disconnect(conn);
	return status_of(err);
}

static void
test_each_right_lets_its_option_pass_and_no_other(void **state)
{
	static const struct {
		uint32_t option;
		const char *right;
	} rows[] = {{MQI_OO_INPUT_SHARED, "GET"}, {MQI_OO_BROWSE, "BROWSE"},
	    {MQI_OO_OUTPUT, "PUT"}, {MQI_OO_INQUIRE, "INQ"}};

	char command[256];

	(void)state;
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHADD(CONNECT)");
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		(void)snprintf(command, sizeof(command),
		    "SET AUTHREC PROFILE('A.*') OBJTYPE(QUEUE) "
		    "PRINCIPAL('uid:12345') AUTHRMV(ALL) AUTHADD(%s)",
		    rows[r].right);
		mqsc(command);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct opening o = {"A.B", rows[i].option, NULL};
			assert_int_equal(run_as(&stranger, try_open, &o),
			    i == r ? GRANTED : REFUSED);
		}
	}
	mqsc("DELETE AUTHREC PROFILE('A.*') OBJTYPE(QUEUE) "
	     "PRINCIPAL('uid:12345')");
}

static void
test_alternate_user_needs_altusr_and_is_never_the_owner(void **state)
{
	struct opening o = {
	    "A.B", MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY, "somebody"};
	struct opening owner = {
	    "A.B", MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY, "root"};

	(void)state;
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHADD(CONNECT)\n"
	     "SET AUTHREC PROFILE('A.B') OBJTYPE(QUEUE) "
	     "PRINCIPAL('somebody') AUTHADD(PUT)");
	assert_int_equal(run_as(&stranger, try_open, &o), REFUSED);
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHADD(ALTUSR)");
	assert_int_equal(run_as(&stranger, try_open, &o), GRANTED);
	/* whose refusal has another sentence */
	assert_int_equal(run_as(&stranger, try_open, &owner), 4);
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHRMV(ALTUSR)\n"
	     "DELETE AUTHREC PROFILE('A.B') OBJTYPE(QUEUE) "
	     "PRINCIPAL('somebody')");
}

/* ---- commands ---- */

static void
add(struct mqctl_command *c, const char *keyword, const char *value)
{
	if (mqctl_list_add(&c->attrs, keyword, value) != MQI_OK)
		abort();
}

/* Every verb on every noun: none is carried out. */
static int
try_all_commands(void *arg)
{
	mqi_conn *conn = connect_here(shared.root);
	int carried_out = 0;

	(void)arg;
	if (conn == NULL)
		return 200;
	for (int v = 1; v <= MQCTL_VERB_MAX; v++) {
		for (int n = 1; n <= MQCTL_NOUN_MAX; n++) {
			struct mqctl_command c = {.verb = (enum mqctl_verb)v,
			    .noun = (enum mqctl_noun)n,
			    .name = "A.B"};
			char text[512];
			enum mqi_err err = mqagent_command(
			    conn, &c, NULL, NULL, text, sizeof(text));

			if (err == MQI_E_NOT_AUTHORIZED ||
			    err == MQI_E_FUNCTION_NOT_SUPPORTED)
				continue;
			(void)fprintf(stderr, "%s %s: %s\n",
			    mqctl_verb_name(c.verb), mqctl_noun_name(c.noun),
			    mqi_strerror(err));
			carried_out++;
		}
	}
	(void)mqi_disconnect(conn);
	return carried_out;
}

static int
try_grant(void *arg)
{
	struct mqctl_command c = {.verb = MQCTL_SET, .noun = MQCTL_AUTHREC};
	mqi_conn *conn = connect_here(shared.root);
	char text[512];
	enum mqi_err err;

	(void)arg;
	if (conn == NULL)
		return 3;
	add(&c, "OBJTYPE", "QMGR");
	add(&c, "PRINCIPAL", "uid:12345");
	add(&c, "AUTHADD", "SYSTEM");
	err = mqagent_command(conn, &c, NULL, NULL, text, sizeof(text));
	mqctl_command_fini(&c);
	(void)mqi_disconnect(conn);
	return status_of(err);
}

static void
test_no_command_is_carried_out_without_its_right(void **state)
{
	(void)state;
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHADD(CONNECT)");
	assert_int_equal(run_as(&stranger, try_all_commands, NULL), 0);
	assert_int_equal(run_as(&stranger, try_grant, NULL), REFUSED);
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') AUTHADD(CHG)");
	assert_int_equal(run_as(&stranger, try_grant, NULL), GRANTED);
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHRMV(CHG,SYSTEM)");
}

/* ---- the local protocol ---- */

/* A session without any right but to connect. */
static bool
raw_stranger(struct raw_client *c, struct mqlocal_hello *h)
{
	struct mqframe f;
	struct mqbuf b;
	size_t used;

	c->fd = raw_connect(&shared);
	if (c->fd < 0)
		return false;
	mqbuf_init(&c->in, 1 << 22);
	mqbuf_init(&b, 4096);
	mqlocal_encode_hello(&b, 0, h);
	(void)!send(c->fd, b.data, b.len, MSG_NOSIGNAL);
	mqbuf_fini(&b);
	if (!raw_recv(c, &f, &used) || f.type != MQLOCAL_HELLO_OK)
		return false;
	mqbuf_consume(&c->in, used);
	return true;
}

/* What a request without a right is answered with; 0: it needs none. */
struct expected {
	enum mqi_err reason;
	bool silent; /* it is not answered */
};

/* Those that only agents may make. */
static void
make_agents_request(uint16_t type, struct mqbuf *b, struct expected *ret)
{
	static const struct mqlocal_stream_open stream = {.queue = "X"};
	static const struct mqlocal_stream_bind bind_to = {.handle = 1};
	static const struct mqlocal_stream_ack ack = {.handle = 1};
	static const struct mqlocal_stream_credit credit = {.handle = 1};
	static const struct mqlocal_stream_limit limit = {.handle = 1};
	static const struct mqlocal_stream_remove remove = {.handle = 1};

	ret->reason = MQI_E_NOT_AUTHORIZED;
	ret->silent = type != MQLOCAL_STREAM_OPEN &&
		      type != MQLOCAL_STREAM_BIND &&
		      type != MQLOCAL_STREAM_REMOVE;
	if (type == MQLOCAL_STREAM_OPEN)
		mqlocal_encode_stream_open(b, 5, &stream);
	else if (type == MQLOCAL_STREAM_BIND)
		mqlocal_encode_stream_bind(b, 5, &bind_to);
	else if (type == MQLOCAL_STREAM_ACK)
		mqlocal_encode_stream_ack(b, 0, &ack);
	else if (type == MQLOCAL_STREAM_CREDIT)
		mqlocal_encode_stream_credit(b, 0, &credit);
	else if (type == MQLOCAL_STREAM_LIMIT)
		mqlocal_encode_stream_limit(b, 0, &limit);
	else if (type == MQLOCAL_STREAM_REMOVE)
		mqlocal_encode_stream_remove(b, 5, &remove);
	else
		mqframe_end(b, mqframe_begin(b, type, 0, 0), 0);
}

/* Applications have positions, but not those of partners. */
static void
make_position_request(uint16_t type, struct mqbuf *b, struct expected *ret)
{
	static const struct mqlocal_position_open position = {
	    .partner = "0123456789abcdef0123456789abcdef"};
	static const struct mqlocal_unit_position move = {
	    .unit = 7, .partner = "P", .from = 1, .to = 2};

	if (type == MQLOCAL_POSITION_OPEN) {
		mqlocal_encode_position_open(b, 5, &position);
		ret->reason = MQI_E_NOT_AUTHORIZED;
	} else {
		mqlocal_encode_unit_position(b, 5, &move);
		ret->reason = MQI_OK; /* the unit's end says FENCED */
	}
}

static void
make_open_request(uint16_t type, struct mqbuf *b, struct expected *ret)
{
	static const struct mqlocal_open open = {
	    .options = MQI_OO_INPUT_SHARED, .object = "A.B"};
	static const struct mqlocal_open_as open_as = {
	    .options = MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY,
	    .object = "A.B",
	    .user = "somebody"};
	/* which is no selector: who has no right is not told */
	static const struct mqlocal_open_select open_select = {
	    .options = MQI_OO_INPUT_SHARED, .object = "A.B", .selector = "("};
	static const struct mqlocal_open_topic open_topic = {
	    .options = MQI_OO_OUTPUT, .topic = "a/b"};
	static const struct mqlocal_subscribe subscribe = {
	    .options = MQI_SO_CREATE | MQI_SO_MANAGED,
	    .topic = "#",
	    .selector = "("};

	ret->reason = MQI_E_NOT_AUTHORIZED;
	if (type == MQLOCAL_OPEN)
		mqlocal_encode_open(b, 5, &open);
	else if (type == MQLOCAL_OPEN_AS)
		mqlocal_encode_open_as(b, 5, &open_as);
	else if (type == MQLOCAL_OPEN_TOPIC)
		mqlocal_encode_open_topic(b, 5, &open_topic);
	else if (type == MQLOCAL_SUBSCRIBE)
		mqlocal_encode_subscribe(b, 5, &subscribe);
	else
		mqlocal_encode_open_select(b, 5, &open_select);
}

/* One row for each request of the protocol: a new one has to say here what
 * keeps it from who has no right. */
static bool
make_request(uint16_t type, struct mqbuf *b, struct expected *ret)
{
	static const struct mqlocal_unit unit = {.unit = 7};
	static const struct mqlocal_get get = {.handle = 1};

	ret->reason = MQI_E_HOBJ; /* there is no handle without an OPEN */
	ret->silent = false;
	switch ((enum mqlocal_type)type) {
	case MQLOCAL_OPEN:
	case MQLOCAL_OPEN_AS:
	case MQLOCAL_OPEN_SELECT:
	case MQLOCAL_OPEN_TOPIC:
	case MQLOCAL_SUBSCRIBE:
		make_open_request(type, b, ret);
		return true;
	case MQLOCAL_CLOSE:
		mqlocal_encode_close(b, 5, &(struct mqlocal_close){1});
		return true;
	case MQLOCAL_UNSUBSCRIBE:
		mqlocal_encode_unsubscribe(
		    b, 5, &(struct mqlocal_unsubscribe){1});
		return true;
	case MQLOCAL_BROWSE_UNLOCK:
		mqlocal_encode_browse_unlock(
		    b, 5, &(struct mqlocal_browse_unlock){1});
		return true;
	case MQLOCAL_PUT:
		mqlocal_encode_put(b, 5,
		    &(struct mqlocal_put){
			.handle = 1, .desc = "\1", .desc_len = 1, .body = ""});
		return true;
	case MQLOCAL_GET:
		mqlocal_encode_get(b, 5, &get);
		return true;
	case MQLOCAL_CANCEL_GET:
		mqlocal_encode_empty(b, MQLOCAL_CANCEL_GET, 5);
		ret->silent = true;
		return true;
	case MQLOCAL_COMMIT:
	case MQLOCAL_BACKOUT:
		mqlocal_encode_unit(b, type, 5, &unit);
		ret->reason = MQI_OK; /* an empty one */
		return true;
	case MQLOCAL_INQUIRE:
		mqlocal_encode_inquire(b, 5, &(struct mqlocal_inquire){1});
		return true;
	case MQLOCAL_CONSUME:
		mqlocal_encode_consume(
		    b, 5, &(struct mqlocal_consume){1, 1, 1});
		return true;
	case MQLOCAL_ACK:
		mqlocal_encode_ack(b, 5, &(struct mqlocal_ack){1, 1});
		return true;
	case MQLOCAL_WATCH:
		mqlocal_encode_watch(b, 5, &(struct mqlocal_watch){1, 1});
		return true;
	case MQLOCAL_POSITION_OPEN:
	case MQLOCAL_UNIT_POSITION:
		make_position_request(type, b, ret);
		return true;
	case MQLOCAL_PING:
		mqlocal_encode_empty(b, MQLOCAL_PING, 5);
		ret->reason = MQI_OK;
		return true;
	case MQLOCAL_STREAM_OPEN:
	case MQLOCAL_STREAM_BIND:
	case MQLOCAL_STREAM_ACK:
	case MQLOCAL_STREAM_CREDIT:
	case MQLOCAL_STREAM_LIMIT:
	case MQLOCAL_STREAM_REMOVE:
	case MQLOCAL_AGENT_STATUS:
		make_agents_request(type, b, ret);
		return true;
	case MQLOCAL_COMMAND: /* test_no_command_is_carried_out... */
	case MQLOCAL_HELLO:   /* the session has begun */
	case MQLOCAL_PIECE:   /* of a PUT, which has a handle */
	/* of remote clients, to their agent */
	case MQLOCAL_CLIENT_HELLO:
	case MQLOCAL_CLIENT_OK:
	case MQLOCAL_BEAT:
	/* answers and events */
	case MQLOCAL_HELLO_OK:
	case MQLOCAL_ERROR:
	case MQLOCAL_RESULT:
	case MQLOCAL_OPEN_OK:
	case MQLOCAL_PUT_OK:
	case MQLOCAL_MESSAGE:
	case MQLOCAL_INQUIRE_OK:
	case MQLOCAL_READY:
	case MQLOCAL_POSITION:
	case MQLOCAL_COMMAND_ROW:
	case MQLOCAL_STREAM_OK:
	case MQLOCAL_AGENT_ORDER:
	case MQLOCAL_PUTS_OK:
		break;
	}
	return false;
}

static bool
answered_as(struct raw_client *c, uint16_t type, const struct expected *want)
{
	struct mqlocal_result res;
	struct mqframe f;
	size_t used;

	if (want->silent) { /* the session goes on, and nothing else is said */
		struct mqbuf b;
		mqbuf_init(&b, 4096);
		mqlocal_encode_empty(&b, MQLOCAL_PING, 6);
		(void)!send(c->fd, b.data, b.len, MSG_NOSIGNAL);
		mqbuf_fini(&b);
	}
	if (!raw_recv(c, &f, &used) || f.type != MQLOCAL_RESULT ||
	    mqlocal_decode_result(&f, &res) != MQI_OK ||
	    f.id != (want->silent ? 6u : 5u) ||
	    res.reason != (want->silent ? 0 : (uint32_t)want->reason)) {
		(void)fprintf(stderr, "%s is answered otherwise\n",
		    mqlocal_type_name(type));
		return false;
	}
	mqbuf_consume(&c->in, used);
	return true;
}

static int
try_all_requests(void *arg)
{
	static const uint16_t types[] = {
#define TYPE(number, name) MQLOCAL_##name,
	    MQLOCAL_FRAME_MAP(TYPE)
#undef TYPE
	};
	struct mqlocal_hello h = raw_hello_for(&shared);
	int wrong = 0;

	(void)arg;
	h.features = ~UINT64_C(0);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct expected want;
		struct raw_client c;
		struct mqbuf b;

		mqbuf_init(&b, 1 << 20);
		if (make_request(types[i], &b, &want)) {
			if (!raw_stranger(&c, &h))
				return 200;
			(void)!send(c.fd, b.data, b.len, MSG_NOSIGNAL);
			wrong += !answered_as(&c, types[i], &want);
			raw_close(&c);
		}
		mqbuf_fini(&b);
	}
	return wrong;
}

static void
test_no_request_does_anything_without_its_right(void **state)
{
	(void)state;
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHADD(CONNECT)");
	assert_int_equal(run_as(&stranger, try_all_requests, NULL), 0);
}

/* ---- agents ---- */

struct agency {
	const char *user;
	const char *opens; /* for output, or NULL */
	const char *channel;
	bool dead; /* as the dead-letter queue */
};

static int
try_agent(void *arg)
{
	const struct agency *a = arg;
	struct mqagent_opts opts = {.root = shared.root,
	    .app_name = "agent",
	    .channel = a->channel != NULL ? a->channel : "C",
	    .user = a->user};
	mqi_queue *queue = NULL;
	mqi_conn *conn = NULL;
	enum mqi_err err = mqagent_connect(shared.name, &opts, &conn);

	if (err == MQI_OK && a->dead)
		err = mqagent_open_dead_letter(conn, a->opens, NULL, &queue);
	else if (err == MQI_OK && a->opens != NULL)
		err = mqi_open(conn, a->opens, NULL, MQI_OO_OUTPUT, &queue);
	if (conn != NULL)
		(void)mqi_disconnect(conn);
	return status_of(err);
}

static void
test_agents_need_system_and_act_for_users_but_never_for_the_owner(void **state)
{
	static const struct as owner = {0, 0};
	struct agency alone = {.user = NULL};
	struct agency joe = {.user = "joe", .opens = "A.B"};
	struct agency other = {.user = "joe", .opens = "ALIAS"};
	struct agency root = {.user = "root"};
	struct agency number = {.user = "uid:0"};
	struct agency dead = {
	    .user = "joe", .opens = "SYSTEM.DEAD.LETTER.QUEUE", .dead = true};
	struct agency addressed = {.user = "joe", .opens = dead.opens};
	struct agency client = {
	    .user = "joe", .opens = "A.B", .channel = "CLIENTS"};
	struct agency sneaking = {.user = "joe",
	    .opens = dead.opens,
	    .channel = "CLIENTS",
	    .dead = true};

	(void)state;
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHADD(CONNECT)");
	assert_int_equal(run_as(&stranger, try_agent, &alone), REFUSED);
	assert_int_equal(run_as(&stranger, try_agent, &joe), REFUSED);
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('uid:12345') "
	     "AUTHRMV(CONNECT) AUTHADD(SYSTEM)");
	assert_int_equal(run_as(&stranger, try_agent, &alone), GRANTED);
	/* the user must have the right to connect too, and its own only */
	assert_int_equal(run_as(&stranger, try_agent, &joe), REFUSED);
	assert_int_equal(run_as(&owner, try_agent, &joe), REFUSED);
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('joe') AUTHADD(CONNECT)\n"
	     "SET AUTHREC PROFILE(A.B) OBJTYPE(QUEUE) PRINCIPAL('joe') "
	     "AUTHADD(PUT)");
	assert_int_equal(run_as(&stranger, try_agent, &joe), GRANTED);
	assert_int_equal(run_as(&owner, try_agent, &joe), GRANTED);
	assert_int_equal(run_as(&owner, try_agent, &other), REFUSED);
	assert_int_equal(run_as(&stranger, try_agent, &dead), GRANTED);
	assert_int_equal(run_as(&stranger, try_agent, &addressed), REFUSED);
	/* an application elsewhere has nothing but its user's rights */
	assert_int_equal(run_as(&owner, try_agent, &client), GRANTED);
	assert_int_equal(run_as(&owner, try_agent, &sneaking), REFUSED);
	mqsc("SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('root','uid:0') "
	     "AUTHADD(CONNECT)");
	assert_int_equal(run_as(&stranger, try_agent, &root), REFUSED);
	assert_int_equal(run_as(&owner, try_agent, &root), REFUSED);
	assert_int_equal(run_as(&owner, try_agent, &number), REFUSED);
	mqsc("DELETE AUTHREC OBJTYPE(QMGR) "
	     "PRINCIPAL('joe','uid:12345','root','uid:0')");
}

/* ---- too much ---- */

#define MANY 64

/* Connections that say nothing: those within the limit stay, the others are
 * told and closed.  Returns how many stay; keeps them until arg is closed. */
static int
hold_many(void *arg)
{
	int fds[MANY], n = 0;
	const int *gate = arg;
	char c;

	for (int i = 0; i < MANY; i++)
		fds[i] = raw_connect(&shared);
	/* they are taken in order, and the last one is told */
	if (recv(fds[MANY - 1], &c, 1, 0) != 1)
		return 255;
	for (int i = 0; i < MANY; i++) {
		struct pollfd p = {.fd = fds[i], .events = POLLIN};

		n += poll(&p, 1, 0) == 0;
	}
	(void)!write(gate[1], "x", 1);
	(void)!read(gate[2], &c, 1);
	return n;
}

static void
test_silent_connections_of_a_user_are_few_and_keep_nobody_out(void **state)
{
	int told[2], go[2], status, gate[3];
	struct raw_client owner;
	char c;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	gate[1] = told[1];
	gate[2] = go[0];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run_as(&stranger, hold_many, gate));
	assert_int_equal(read(told[0], &c, 1), 1);
	raw_hello(&owner, &shared);
	raw_ping(&owner, 1);
	raw_close(&owner);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), STRANGERS_AWAITING);
	close(told[0]);
	close(told[1]);
	close(go[0]);
	close(go[1]);
	raw_assert_logged(
	    &shared, "the user has too many connections without a HELLO");
}

/* A frame that claims to be long before the session has begun. */
static int
claim_much(void *arg)
{
	static const uint8_t header[12] = {0, 0, 2, 0, MQLOCAL_HELLO};
	int fd = raw_connect(&shared);
	char buf[512];

	(void)arg;
	if (fd < 0 || send(fd, header, sizeof(header), MSG_NOSIGNAL) < 0)
		return 1;
	/* ERROR, then the end */
	return recv(fd, buf, sizeof(buf), MSG_WAITALL) > 0 ? 0 : 2;
}

static void
test_a_hello_is_short(void **state)
{
	(void)state;
	assert_int_equal(run_as(&stranger, claim_much, NULL), 0);
	raw_assert_logged(&shared, "a frame's length is beyond the limit");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_others_reach_the_socket_and_no_file),
	    cmocka_unit_test(
		test_connecting_needs_a_record_and_the_refusal_names_it),
	    cmocka_unit_test(test_groups_of_the_process_and_of_the_host_count),
	    cmocka_unit_test(test_each_right_lets_its_option_pass_and_no_other),
	    cmocka_unit_test(
		test_alternate_user_needs_altusr_and_is_never_the_owner),
	    cmocka_unit_test(test_no_command_is_carried_out_without_its_right),
	    cmocka_unit_test(test_no_request_does_anything_without_its_right),
	    cmocka_unit_test(
		test_agents_need_system_and_act_for_users_but_never_for_the_owner),
	    cmocka_unit_test(
		test_silent_connections_of_a_user_are_few_and_keep_nobody_out),
	    cmocka_unit_test(test_a_hello_is_short),
	};

	if (geteuid() != 0) {
		print_message("SKIPPED: other users need root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
