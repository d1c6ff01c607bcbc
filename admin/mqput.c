/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqput.c - puts messages on a queue: a message per line of standard input, or
 * per file.
 *
 * Neighbours: mqtool.c; mqget.c is its other end.
 *
 * Without a unit of work each message is put, and durable if it is persistent,
 * before the next is read.  With --unit, puts do not wait and each unit is
 * committed when it is full and at the end; whatever fails backs the unit out,
 * so a run that says "failed" has put whole units only.
 *
 * A file's message carries its name (file.name) and mode (file.mode, octal),
 * from which mqget --to-dir makes the file again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/mqtool.h"

#define MAX_PROPS 64

struct options {
	const char *root;
	const char *remote;
	const char *qmgr;
	const char *queue;
	char **files; /* NULL: lines of standard input */
	int n_files;
	const char *first_file;
	bool with_unit;
	int64_t per_unit;
	bool verbose;
	bool to_topic; /* queue is a topic */
	bool retain;
	struct mqi_md md; /* as every message has it */
	struct mqi_prop props[MAX_PROPS + 2];
	size_t n_props;
};

struct run {
	const struct options *o;
	mqi_conn *conn;
	mqi_queue *queue;
	mqi_unit *unit;
	int64_t in_unit;
	uint64_t n_put;
};

/* ---- putting ---- */

static enum mqi_err
end_unit(struct run *r)
{
	mqi_unit *unit = r->unit;
	enum mqi_err err;

	if (unit == NULL)
		return MQI_OK;
	r->unit = NULL;
	err = mqi_flush(r->queue);
	if (err != MQI_OK) {
		(void)mqi_backout(unit);
		return err;
	}
	r->n_put += (uint64_t)r->in_unit;
	r->in_unit = 0;
	return mqi_commit(unit);
}

static enum mqi_err
put_in_unit(struct run *r, struct mqi_md *md, const void *body, size_t len)
{
	enum mqi_err err = MQI_OK;

	if (r->unit == NULL)
		err = mqi_begin(r->conn, &r->unit);
	if (err == MQI_OK)
		err = r->o->retain
			  ? mqi_put_retained(r->queue, r->unit, md, body, len)
		      : r->o->verbose
			  ? mqi_put(r->queue, r->unit, md, body, len)
			  : mqi_put_async(r->queue, r->unit, md, body, len);
	if (err == MQI_E_SUPPRESSED) /* say what the first one said */
		err = mqi_flush(r->queue);
	if (err != MQI_OK)
		return err;
	if (++r->in_unit == r->o->per_unit)
		err = end_unit(r);
	return err;
}

static enum mqi_err
put_one(struct run *r, const struct mqi_md *as, const void *body, size_t len)
{
	char hex[2 * MQI_ID_LEN + 1];
	struct mqi_md md = *as;
	enum mqi_err err;

	if (r->o->with_unit) {
		err = put_in_unit(r, &md, body, len);
	} else {
		err = r->o->retain
			  ? mqi_put_retained(r->queue, NULL, &md, body, len)
			  : mqi_put(r->queue, NULL, &md, body, len);
		r->n_put += err == MQI_OK;
	}
	if (err == MQI_OK && r->o->verbose) {
		mqtool_hex(md.msg_id, MQI_ID_LEN, hex);
		mqtool_say("put %zu bytes, message id %s", len, hex);
	}
	return err;
}

static enum mqtool_status
put_lines(struct run *r)
{
	enum mqi_err err = MQI_OK;
	char *line = NULL, what[MQI_NAME_LEN + 32];
	unsigned long long n = 0;
	size_t cap = 0;
	ssize_t len;

	while (err == MQI_OK && (len = getline(&line, &cap, stdin)) >= 0) {
		n++;
		if (len > 0 && line[len - 1] == '\n')
			len--;
		err = put_one(r, &r->o->md, line, (size_t)len);
	}
	free(line);
	if (err != MQI_OK) {
		/* of a unit it may be any line, and none of them is put */
		if (r->o->with_unit)
			return mqtool_failed(r->conn, err, r->o->queue);
		(void)snprintf(what, sizeof(what), "%.*s: line %llu",
		    MQI_NAME_LEN, r->o->queue, n);
		return mqtool_failed(r->conn, err, what);
	}
	if (ferror(stdin)) {
		mqtool_say("standard input: %s", strerror(errno));
		return MQTOOL_FAILED;
	}
	return MQTOOL_DONE;
}

/* ---- files ---- */

/* The whole file; *ret_data is malloc'd.  False: said why. */
static bool
read_file(const char *path, char **ret_data, size_t *ret_len, mode_t *ret_mode)
{
	char *data = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		goto failed;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto failed;
	}
	if (st.st_size > (off_t)MQI_MAX_BODY) {
		errno = EFBIG;
		goto failed;
	}
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL)
		goto failed;
	while (len < (size_t)st.st_size &&
	       (n = read(fd, data + len, (size_t)st.st_size - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		goto failed;
	(void)close(fd);
	*ret_data = data;
	*ret_len = len;
	*ret_mode = st.st_mode & 0777;
	return true;
failed:
	mqtool_say("%s: %s", path, strerror(errno));
	free(data);
	if (fd >= 0)
		(void)close(fd);
	return false;
}

/* The name as mqget will take it: below a directory.  NULL: it cannot be. */
static const char *
name_below(const char *path)
{
	const char *p;

	while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
		path++;
	for (p = path; *p != '\0'; p = strchrnul(p, '/'), p += *p == '/')
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return NULL;
	return path[0] == '\0' ? NULL : path;
}

static void
set_text(struct mqi_prop *p, const char *name, const char *text)
{
	p->name = name;
	p->type = MQI_PROP_STRING;
	p->value.bytes.data = text;
	p->value.bytes.len = strlen(text);
}

static enum mqtool_status
put_file(struct run *r, const char *path)
{
	struct mqi_prop props[MAX_PROPS + 2];
	size_t n = r->o->n_props, len;
	struct mqi_md md = r->o->md;
	const char *name = name_below(path);
	enum mqi_err err;
	char mode_text[8], *data;
	mode_t mode;

	if (name == NULL) {
		mqtool_say("%s: a name with '..' cannot be sent", path);
		return MQTOOL_FAILED;
	}
	if (!read_file(path, &data, &len, &mode))
		return MQTOOL_FAILED;
	memcpy(props, r->o->props, n * sizeof(*props));
	(void)snprintf(mode_text, sizeof(mode_text), "%04o", (unsigned)mode);
	set_text(&props[n++], "file.name", name);
	set_text(&props[n++], "file.mode", mode_text);
	md.props = props;
	md.n_props = n;
	err = put_one(r, &md, data, len);
	free(data);
	return err == MQI_OK ? MQTOOL_DONE : mqtool_failed(r->conn, err, path);
}

static enum mqtool_status
put_files(struct run *r)
{
	enum mqtool_status status = put_file(r, r->o->first_file);
	int i;

	for (i = 0; i < r->o->n_files && status == MQTOOL_DONE; i++)
		status = put_file(r, r->o->files[i]);
	return status;
}

/* ---- the command line ---- */

static void
help(void)
{
	(void)fputs(
	    "Usage: mqput [OPTIONS] QMGR QUEUE [-f FILE...]\n\n"
	    "Puts a message per line of standard input, or per FILE.\n"
	    "QMGR is a name, or, on another host,\n"
	    "mqs://HOST:PORT/NAME?channel=CHANNEL&keys=DIR.\n\n"
	    "  -f, --file FILE...    a message per file, with its name and "
	    "mode\n"
	    "      --unit [N]        N messages per unit of work; without N: "
	    "all\n"
	    "      --persistent, --non-persistent\n"
	    "                        else the queue's default\n"
	    "      --priority N      0 to 9, else the queue's default\n"
	    "      --correl-id ID    48 hexadecimal digits, or text\n"
	    "      --expiry SECONDS  how long the message lives\n"
	    "      --reply-to QUEUE  where replies and reports go\n"
	    "      --report WORDS    exception, expiration, discard; "
	    "with-data, "
	    "with-full-data\n"
	    "      --property NAME=VALUE  a user property; may be repeated\n"
	    "      --topic           QUEUE is a topic: publishes on it\n"
	    "      --retain          ... for those who subscribe later, too\n"
	    "      --qmgr NAME       the queue manager that has the queue\n"
	    "      --root DIR        where queue managers are\n"
	    "  -v, --verbose         say each message's id\n"
	    "Exit status: 0 done, 1 failed, 2 usage.\n",
	    stdout);
}

enum {
	OPT_ROOT = 256,
	OPT_QMGR,
	OPT_PERSISTENT,
	OPT_NON_PERSISTENT,
	OPT_PRIORITY,
	OPT_CORREL,
	OPT_EXPIRY,
	OPT_REPLY_TO,
	OPT_REPORT,
	OPT_PROPERTY,
	OPT_UNIT,
	OPT_TOPIC,
	OPT_RETAIN,
};

static const struct option long_options[] = {
    {"root", required_argument, NULL, OPT_ROOT},
    {"qmgr", required_argument, NULL, OPT_QMGR},
    {"file", required_argument, NULL, 'f'},
    {"persistent", no_argument, NULL, OPT_PERSISTENT},
    {"non-persistent", no_argument, NULL, OPT_NON_PERSISTENT},
    {"priority", required_argument, NULL, OPT_PRIORITY},
    {"correl-id", required_argument, NULL, OPT_CORREL},
    {"expiry", required_argument, NULL, OPT_EXPIRY},
    {"reply-to", required_argument, NULL, OPT_REPLY_TO},
    {"report", required_argument, NULL, OPT_REPORT},
    {"property", required_argument, NULL, OPT_PROPERTY},
    {"unit", optional_argument, NULL, OPT_UNIT},
    {"topic", no_argument, NULL, OPT_TOPIC},
    {"retain", no_argument, NULL, OPT_RETAIN},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static enum mqtool_status
add_property(struct options *o, char *text)
{
	char *value = strchr(text, '=');

	if (value == NULL || value == text)
		return mqtool_usage("--property needs NAME=VALUE");
	if (o->n_props == MAX_PROPS)
		return mqtool_usage("at most %d properties", MAX_PROPS);
	*value++ = '\0';
	set_text(&o->props[o->n_props++], text, value);
	return MQTOOL_DONE;
}

static enum mqtool_status
set_unit(struct options *o, const char *text)
{
	o->with_unit = true;
	o->per_unit = INT64_MAX;
	if (text != NULL && !mqtool_number(text, 1, INT32_MAX, &o->per_unit))
		return mqtool_usage(
		    "--unit %s: not a number of messages", text);
	return MQTOOL_DONE;
}

static enum mqtool_status
set_expiry(struct options *o, const char *text)
{
	int64_t n;

	if (!mqtool_number(text, 1, INT32_MAX / 10, &n))
		return mqtool_usage("--expiry is a number of seconds");
	o->md.expiry = (int32_t)(n * 10);
	return MQTOOL_DONE;
}

static enum mqtool_status
set_reply_to(struct options *o, const char *text)
{
	if (strlen(text) >= sizeof(o->md.reply_to_q))
		return mqtool_usage("--reply-to is the name of a queue");
	strcpy(o->md.reply_to_q, text);
	return MQTOOL_DONE;
}

/* Words separated by commas. */
static enum mqtool_status
set_report(struct options *o, char *text)
{
	static const struct {
		const char *word;
		uint32_t option; /* of both kinds, for the data */
	} words[] = {{"exception", MQI_RO_EXCEPTION},
	    {"expiration", MQI_RO_EXPIRATION}, {"discard", MQI_RO_DISCARD_MSG},
	    {"with-data", 1}, {"with-full-data", 3}};

	uint32_t kinds, data = 0;

	for (char *next, *p = strtok_r(text, ",", &next); p != NULL;
	     p = strtok_r(NULL, ",", &next)) {
		size_t i = 0;

		while (i < MQ_ARRAY_LEN(words) && strcmp(words[i].word, p) != 0)
			i++;
		if (i == MQ_ARRAY_LEN(words))
			return mqtool_usage("--report does not know %s", p);
		if (words[i].option <= 3)
			data |= words[i].option;
		else
			o->md.report |= words[i].option;
	}
	kinds = o->md.report & (MQI_RO_EXCEPTION | MQI_RO_EXPIRATION);
	o->md.report |=
	    (data & 1 ? kinds << 1 : 0) | (data & 2 ? kinds << 2 : 0);
	return MQTOOL_DONE;
}

static enum mqtool_status
set_option(struct options *o, int opt, int argc, char **argv)
{
	int64_t n;

	switch (opt) {
	case OPT_ROOT:
		o->root = optarg;
		break;
	case OPT_QMGR:
		o->remote = optarg;
		break;
	case 'f':
		if (o->first_file != NULL)
			return mqtool_usage("one -f takes all files");
		o->first_file = optarg;
		break;
	case OPT_TOPIC:
		o->to_topic = true;
		break;
	case OPT_RETAIN:
		o->retain = true;
		break;
	case OPT_PERSISTENT:
		o->md.persistence = MQI_PERSISTENCE_YES;
		break;
	case OPT_NON_PERSISTENT:
		o->md.persistence = MQI_PERSISTENCE_NO;
		break;
	case OPT_PRIORITY:
		if (!mqtool_number(optarg, 0, MQI_MAX_PRIORITY, &n))
			return mqtool_usage("--priority is 0 to 9");
		o->md.priority = (int32_t)n;
		break;
	case OPT_CORREL:
		if (!mqtool_parse_id(optarg, o->md.correl_id))
			return mqtool_usage("--correl-id is 48 hexadecimal "
					    "digits, or at most 24 bytes");
		break;
	case OPT_EXPIRY:
		return set_expiry(o, optarg);
	case OPT_REPLY_TO:
		return set_reply_to(o, optarg);
	case OPT_REPORT:
		return set_report(o, optarg);
	case OPT_PROPERTY:
		return add_property(o, optarg);
	case OPT_UNIT:
		return set_unit(
		    o, mqtool_optional_number(argc, argv, optarg, &optind));
	case 'v':
		o->verbose = true;
		break;
	default:
		return mqtool_usage("nothing was put");
	}
	return MQTOOL_DONE;
}

static enum mqtool_status
parse(struct options *o, int argc, char **argv)
{
	enum mqtool_status status;
	int opt;

	mqi_md_init(&o->md);
	while (
	    (opt = getopt_long(argc, argv, "f:vh", long_options, NULL)) != -1) {
		if (opt == 'h') {
			help();
			exit(MQTOOL_DONE);
		}
		status = set_option(o, opt, argc, argv);
		if (status != MQTOOL_DONE)
			return status;
	}
	if (argc - optind < 2)
		return mqtool_usage("a queue manager and a queue are needed");
	o->qmgr = argv[optind];
	o->queue = argv[optind + 1];
	o->files = argv + optind + 2;
	o->n_files = argc - optind - 2;
	if (o->retain && !o->to_topic)
		return mqtool_usage("--retain is for --topic");
	if (o->n_files > 0 && o->first_file == NULL)
		return mqtool_usage("files need -f");
	o->md.props = o->props;
	o->md.n_props = o->n_props;
	return MQTOOL_DONE;
}

static enum mqtool_status
put_all(struct run *r)
{
	enum mqtool_status status;
	enum mqi_err err;

	status = r->o->first_file != NULL ? put_files(r) : put_lines(r);
	if (status == MQTOOL_DONE) {
		err = end_unit(r);
		if (err != MQI_OK)
			status = mqtool_failed(r->conn, err, r->o->queue);
	} else if (r->unit != NULL) {
		(void)mqi_backout(r->unit);
	}
	if (status == MQTOOL_DONE && r->o->verbose)
		mqtool_say("%llu messages put", (unsigned long long)r->n_put);
	return status;
}

int
main(int argc, char **argv)
{
	static struct options o;
	struct mqi_connect_opts copts = {0};
	struct run r = {.o = &o};
	enum mqtool_status status;
	enum mqi_err err;

	(void)signal(SIGPIPE, SIG_IGN);
	status = parse(&o, argc, argv);
	if (status != MQTOOL_DONE)
		return (int)status;
	copts.root = o.root;
	copts.app_name = "mqput";
	err = mqi_connect(o.qmgr, &copts, &r.conn);
	if (err != MQI_OK)
		return (int)mqtool_failed(NULL, err, o.qmgr);
	err = o.to_topic ? mqi_open_topic(r.conn, NULL, o.queue, &r.queue)
			 : mqi_open(r.conn, o.queue, o.remote, MQI_OO_OUTPUT,
			       &r.queue);
	if (err != MQI_OK)
		status = mqtool_failed(r.conn, err, o.queue);
	else
		status = put_all(&r);
	err = mqi_disconnect(r.conn);
	if (err != MQI_OK && status == MQTOOL_DONE)
		status = mqtool_failed(NULL, err, o.qmgr);
	return (int)status;
}
