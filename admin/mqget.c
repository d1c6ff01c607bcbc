/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqget.c - gets messages from a queue, to standard output or to files.
 *
 * Neighbours: mqget_file.c makes files; mqput.c is its other end.
 *
 * With --unit a unit is committed only after what it got has been written
 * (and, in files, is on disk), so a crash of any program loses nothing; a file
 * that is there already with the same content is no error, so a repeated run
 * doubles nothing.  Without a unit a message is gone from the queue when it is
 * got; files are always made in units, since a name that is refused or a disk
 * that is full must not cost the message.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/mqget_file.h"
#include "admin/mqtool.h"
#include "proto/dlh.h"

#define DEFAULT_PER_UNIT 100

enum format { FORMAT_TEXT, FORMAT_HEX, FORMAT_JSON };

struct options {
	const char *root;
	const char *qmgr;
	const char *queue;
	int64_t wait_ms;
	int64_t count; /* INT64_MAX: all */
	bool browse;
	bool with_unit;
	int64_t per_unit;
	enum format format;
	const char *to_dir;
	bool quiet;
	const char *selector; /* or NULL */
	bool subscribe;       /* queue is a pattern of topics */
	bool unsubscribe;
	const char *durable; /* the subscription's name, or NULL */
	bool by_correl;
	uint8_t correl_id[MQI_ID_LEN];
};

struct run {
	const struct options *o;
	mqi_conn *conn;
	mqi_queue *queue;
	mqi_unit *unit;
	int64_t in_unit;
	int64_t n_got;
	int dir_fd;
};

/* ---- output ---- */

static json_t *
hex_json(const void *data, size_t len)
{
	char *hex = malloc(2 * len + 1);
	json_t *j;

	if (hex == NULL)
		return NULL;
	mqtool_hex(data, len, hex);
	j = json_string(hex);
	free(hex);
	return j;
}

/* A field that others fill as they like: what is not UTF-8 in hexadecimal. */
static json_t *
text_json(const char *text, size_t len)
{
	json_t *j = json_stringn(text, len);

	return j != NULL ? j : hex_json(text, len);
}

static json_t *
prop_json(const struct mqi_prop *p)
{

	switch (p->type) {
	case MQI_PROP_BOOLEAN:
		return json_boolean(p->value.boolean);
	case MQI_PROP_INT64:
		return json_integer(p->value.int64);
	case MQI_PROP_FLOAT64:
		return json_real(p->value.float64);
	case MQI_PROP_STRING:
		return text_json(p->value.bytes.data, p->value.bytes.len);
	case MQI_PROP_BYTES:
		return hex_json(p->value.bytes.data, p->value.bytes.len);
	default:
		return json_null();
	}
}

/* Data as text if it is UTF-8, else in hexadecimal. */
static int
add_text(json_t *o, const char *data, size_t len)
{
	json_t *text = json_stringn(data, len);

	if (text != NULL)
		return json_object_set_new(o, "body", text);
	return json_object_set_new(o, "bodyHex", hex_json(data, len));
}

/* The body; a dead letter's header goes before it. */
static int
add_body(json_t *o, const mqi_msg *msg)
{
	const char *body = mqi_msg_body(msg);
	size_t len = mqi_msg_len(msg);
	struct mqdlh h;
	json_t *dead;

	if (strcmp(mqi_msg_md(msg)->format, MQDLH_FORMAT) != 0 ||
	    mqdlh_decode(body, len, &h) != MQI_OK)
		return add_text(o, body, len);
	dead = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "reason",
	    (int)h.reason, "reasonName", mqi_err_name((enum mqi_err)h.reason),
	    "queue", h.queue, "qmgr", h.qmgr, "format", h.format, "putApplName",
	    h.put_appl_name, "putDate", h.put_date, "putTime", h.put_time);
	if (dead == NULL) /* anybody can call a message one */
		return add_text(o, body, len);
	if (json_object_set_new(o, "deadLetter", dead) != 0)
		return -1;
	return add_text(o, body + MQDLH_LEN, len - MQDLH_LEN);
}

static bool
print_json(const mqi_msg *msg)
{
	const struct mqi_md *md = mqi_msg_md(msg);
	char msg_id[2 * MQI_ID_LEN + 1], correl_id[2 * MQI_ID_LEN + 1];
	json_t *props = json_object(), *o;
	size_t i;
	bool ok;

	mqtool_hex(md->msg_id, MQI_ID_LEN, msg_id);
	mqtool_hex(md->correl_id, MQI_ID_LEN, correl_id);
	for (i = 0; i < md->n_props; i++)
		(void)json_object_set_new(
		    props, md->props[i].name, prop_json(&md->props[i]));
	o = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:o, s:s, s:s, s:o, s:o}",
	    "msgId", msg_id, "correlId", correl_id, "priority", md->priority,
	    "persistence", md->persistence, "msgType", (int)md->msg_type,
	    "backoutCount", (int)md->backout_count, "format",
	    text_json(md->format, strlen(md->format)), "putDate", md->put_date,
	    "putTime", md->put_time, "putApplName",
	    text_json(md->put_appl_name, strlen(md->put_appl_name)),
	    "properties", props);
	ok = o != NULL && add_body(o, msg) == 0 &&
	     json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0 &&
	     putchar('\n') != EOF;
	json_decref(o);
	return ok;
}

static bool
print_hex(const mqi_msg *msg)
{
	size_t len = mqi_msg_len(msg);
	char *hex = malloc(2 * len + 1);
	bool ok;

	if (hex == NULL)
		return false;
	mqtool_hex(mqi_msg_body(msg), len, hex);
	ok = puts(hex) != EOF;
	free(hex);
	return ok;
}

static bool
print_text(const mqi_msg *msg)
{
	size_t len = mqi_msg_len(msg);

	return fwrite(mqi_msg_body(msg), 1, len, stdout) == len &&
	       putchar('\n') != EOF;
}

/* Standard output has what was printed; a closed pipe is said only once. */
static bool
flush_output(bool printed)
{
	if (printed && fflush(stdout) == 0)
		return true;
	if (errno != EPIPE)
		mqtool_say("standard output: %s", strerror(errno));
	return false;
}

static bool
output(const struct run *r, const mqi_msg *msg)
{
	bool ok;

	if (r->dir_fd >= 0)
		return mqget_file_write(r->dir_fd, msg);
	switch (r->o->format) {
	case FORMAT_JSON:
		ok = print_json(msg);
		break;
	case FORMAT_HEX:
		ok = print_hex(msg);
		break;
	default:
		ok = print_text(msg);
		break;
	}
	/* outside a unit the message is gone: let it be seen at once */
	return ok && (r->unit != NULL || flush_output(true));
}

/* ---- getting ---- */

static enum mqtool_status
end_unit(struct run *r)
{
	mqi_unit *unit = r->unit;
	enum mqi_err err;

	r->unit = NULL;
	r->in_unit = 0;
	if (unit == NULL)
		return MQTOOL_DONE;
	if (!flush_output(true)) {
		(void)mqi_backout(unit);
		return MQTOOL_FAILED;
	}
	err = mqi_commit(unit);
	return err == MQI_OK ? MQTOOL_DONE
			     : mqtool_failed(r->conn, err, "commit");
}

static enum mqi_err
get_next(struct run *r, int64_t wait_ms, mqi_msg **ret_msg)
{
	struct mqi_get_opts opts = {.wait_ms = wait_ms};
	enum mqi_err err = MQI_OK;

	if (r->o->by_correl) {
		opts.options |= MQI_GET_MATCH_CORREL_ID;
		memcpy(opts.correl_id, r->o->correl_id, MQI_ID_LEN);
	}
	if (r->o->browse)
		opts.options |=
		    r->n_got == 0 ? MQI_GET_BROWSE_FIRST : MQI_GET_BROWSE_NEXT;
	if (r->o->with_unit && r->unit == NULL)
		err = mqi_begin(r->conn, &r->unit);
	if (err == MQI_OK)
		err = mqi_get_msg(r->queue, r->unit, &opts, ret_msg);
	return err;
}

static enum mqtool_status
get_all(struct run *r)
{
	enum mqtool_status status = MQTOOL_DONE;
	enum mqi_err err;
	mqi_msg *msg;

	while (r->n_got < r->o->count && status == MQTOOL_DONE) {
		/* what has been got is not held back while we wait */
		err = get_next(r, r->in_unit > 0 ? 0 : r->o->wait_ms, &msg);
		if (err == MQI_E_NO_MSG_AVAILABLE && r->in_unit > 0 &&
		    r->o->wait_ms != 0) {
			status = end_unit(r);
			continue;
		}
		if (err == MQI_E_NO_MSG_AVAILABLE)
			break;
		if (err != MQI_OK) {
			status = mqtool_failed(r->conn, err, r->o->queue);
			break;
		}
		if (!output(r, msg))
			status = MQTOOL_FAILED;
		msg = mqi_msg_free(msg);
		r->n_got++;
		if (status == MQTOOL_DONE && r->unit != NULL &&
		    ++r->in_unit == r->o->per_unit)
			status = end_unit(r);
	}
	if (status != MQTOOL_DONE) {
		(void)mqi_backout(r->unit);
		r->unit = NULL;
		return status;
	}
	status = end_unit(r);
	if (status == MQTOOL_DONE && r->n_got == 0) {
		if (!r->o->quiet)
			mqtool_say("%s: no message", r->o->queue);
		return MQTOOL_NO_MESSAGE;
	}
	return status;
}

/* ---- the command line ---- */

static void
help(void)
{
	(void)fputs(
	    "Usage: mqget [OPTIONS] QMGR QUEUE\n\n"
	    "Gets the messages of a queue and prints a line for each.\n"
	    "QMGR is a name, or, on another host,\n"
	    "mqs://HOST:PORT/NAME?channel=CHANNEL&keys=DIR.\n\n"
	    "      --wait MS      wait so long for each message; -1: for ever\n"
	    "      --count N      at most N messages\n"
	    "      --all          until none is left (the default)\n"
	    "      --browse       look, and leave them on the queue\n"
	    "      --unit [N]     N messages per unit of work (100)\n"
	    "      --correl-id ID only messages with this correlation id\n"
	    "      --selector COND only messages that fit a condition of "
	    "SQL-92:\n"
	    "                     \"JMSPriority > 4 AND colour = 'red'\"\n"
	    "      --subscribe    QUEUE is a pattern of topics: gets what is "
	    "published\n"
	    "      --durable NAME ... also while it does not run\n"
	    "      --unsubscribe  ... and ends that when it is done\n"
	    "      --format text|hex|json\n"
	    "      --to-dir DIR   make each message a file below DIR\n"
	    "      --root DIR     where queue managers are\n"
	    "  -q, --quiet        do not say that there was no message\n"
	    "Exit status: 0 done, 1 failed, 2 usage, 3 no message.\n",
	    stdout);
}

enum {
	OPT_ROOT = 256,
	OPT_WAIT,
	OPT_COUNT,
	OPT_ALL,
	OPT_BROWSE,
	OPT_UNIT,
	OPT_CORREL,
	OPT_SELECTOR,
	OPT_SUBSCRIBE,
	OPT_DURABLE,
	OPT_UNSUBSCRIBE,
	OPT_FORMAT,
	OPT_TO_DIR,
};

static const struct option long_options[] = {
    {"root", required_argument, NULL, OPT_ROOT},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"count", required_argument, NULL, OPT_COUNT},
    {"all", no_argument, NULL, OPT_ALL},
    {"browse", no_argument, NULL, OPT_BROWSE},
    {"unit", optional_argument, NULL, OPT_UNIT},
    {"correl-id", required_argument, NULL, OPT_CORREL},
    {"selector", required_argument, NULL, OPT_SELECTOR},
    {"subscribe", no_argument, NULL, OPT_SUBSCRIBE},
    {"durable", required_argument, NULL, OPT_DURABLE},
    {"unsubscribe", no_argument, NULL, OPT_UNSUBSCRIBE},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"to-dir", required_argument, NULL, OPT_TO_DIR},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static enum mqtool_status
set_format(struct options *o, const char *text)
{
	if (strcmp(text, "text") == 0)
		o->format = FORMAT_TEXT;
	else if (strcmp(text, "hex") == 0)
		o->format = FORMAT_HEX;
	else if (strcmp(text, "json") == 0)
		o->format = FORMAT_JSON;
	else
		return mqtool_usage("--format is text, hex or json");
	return MQTOOL_DONE;
}

static enum mqtool_status
set_unit(struct options *o, const char *text)
{
	o->with_unit = true;
	o->per_unit = DEFAULT_PER_UNIT;
	if (text != NULL && !mqtool_number(text, 1, INT32_MAX, &o->per_unit))
		return mqtool_usage(
		    "--unit %s: not a number of messages", text);
	return MQTOOL_DONE;
}

static enum mqtool_status
set_option(struct options *o, int opt, int argc, char **argv)
{
	switch (opt) {
	case OPT_ROOT:
		o->root = optarg;
		break;
	case OPT_WAIT:
		if (!mqtool_number(optarg, -1, INT32_MAX, &o->wait_ms))
			return mqtool_usage("--wait is in milliseconds");
		break;
	case OPT_COUNT:
		if (!mqtool_number(optarg, 0, INT64_MAX, &o->count))
			return mqtool_usage("--count is a number of messages");
		break;
	case OPT_ALL:
		o->count = INT64_MAX;
		break;
	case OPT_BROWSE:
		o->browse = true;
		break;
	case OPT_UNIT:
		return set_unit(
		    o, mqtool_optional_number(argc, argv, optarg, &optind));
	case OPT_CORREL:
		o->by_correl = true;
		if (!mqtool_parse_id(optarg, o->correl_id))
			return mqtool_usage("--correl-id is 48 hexadecimal "
					    "digits, or at most 24 bytes");
		break;
	case OPT_SELECTOR:
		o->selector = optarg;
		break;
	case OPT_SUBSCRIBE:
		o->subscribe = true;
		break;
	case OPT_DURABLE:
		o->durable = optarg;
		break;
	case OPT_UNSUBSCRIBE:
		o->unsubscribe = true;
		break;
	case OPT_FORMAT:
		return set_format(o, optarg);
	case OPT_TO_DIR:
		o->to_dir = optarg;
		break;
	case 'q':
		o->quiet = true;
		break;
	default:
		return mqtool_usage("nothing was got");
	}
	return MQTOOL_DONE;
}

static enum mqtool_status
parse(struct options *o, int argc, char **argv)
{
	enum mqtool_status status;
	int opt;

	o->count = INT64_MAX;
	while (
	    (opt = getopt_long(argc, argv, "qh", long_options, NULL)) != -1) {
		if (opt == 'h') {
			help();
			exit(MQTOOL_DONE);
		}
		status = set_option(o, opt, argc, argv);
		if (status != MQTOOL_DONE)
			return status;
	}
	if (argc - optind != 2)
		return mqtool_usage("a queue manager and a queue are needed");
	if ((o->durable != NULL || o->unsubscribe) && !o->subscribe)
		return mqtool_usage(
		    "--durable and --unsubscribe are for --subscribe");
	if (o->browse && o->with_unit)
		return mqtool_usage("--browse gets nothing: no --unit");
	if (o->to_dir != NULL && !o->browse && !o->with_unit)
		(void)set_unit(o, NULL);
	o->qmgr = argv[optind];
	o->queue = argv[optind + 1];
	return MQTOOL_DONE;
}

static enum mqi_err
subscribe(struct run *r)
{
	const struct mqi_sub_opts opts = {
	    .options =
		MQI_SO_CREATE | MQI_SO_MANAGED |
		(r->o->durable != NULL ? MQI_SO_DURABLE | MQI_SO_RESUME : 0u),
	    .name = r->o->durable,
	    .topic = r->o->queue,
	    .selector = r->o->selector};

	return mqi_subscribe(r->conn, &opts, &r->queue);
}

static enum mqtool_status
end_subscription(struct run *r, enum mqtool_status status)
{
	enum mqi_err err = mqi_unsubscribe(r->queue);

	return err == MQI_OK || status == MQTOOL_FAILED
		   ? status
		   : mqtool_failed(r->conn, err, r->o->queue);
}

static enum mqtool_status
open_and_get(struct run *r)
{
	const struct mqi_open_opts opts = {
	    .options = r->o->browse ? MQI_OO_BROWSE : MQI_OO_INPUT_AS_Q_DEF,
	    .selector = r->o->selector};
	enum mqtool_status status;
	enum mqi_err err;

	err = r->o->subscribe
		  ? subscribe(r)
		  : mqi_open_with(r->conn, r->o->queue, NULL, &opts, &r->queue);
	if (err != MQI_OK)
		return mqtool_failed(r->conn, err, r->o->queue);
	status = get_all(r);
	return r->o->unsubscribe ? end_subscription(r, status) : status;
}

int
main(int argc, char **argv)
{
	static struct options o;
	struct mqi_connect_opts copts = {0};
	struct run r = {.o = &o, .dir_fd = -1};
	enum mqtool_status status;
	enum mqi_err err;

	(void)signal(SIGPIPE, SIG_IGN);
	status = parse(&o, argc, argv);
	if (status != MQTOOL_DONE)
		return (int)status;
	if (o.to_dir != NULL) {
		r.dir_fd = open(o.to_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (r.dir_fd < 0) {
			mqtool_say("%s: %s", o.to_dir, strerror(errno));
			return MQTOOL_FAILED;
		}
	}
	copts.root = o.root;
	copts.app_name = "mqget";
	err = mqi_connect(o.qmgr, &copts, &r.conn);
	if (err != MQI_OK)
		return (int)mqtool_failed(NULL, err, o.qmgr);
	status = open_and_get(&r);
	err = mqi_disconnect(r.conn);
	if (err != MQI_OK && status == MQTOOL_DONE)
		status = mqtool_failed(NULL, err, o.qmgr);
	return (int)status;
}
