/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.c - administration commands: from a COMMAND frame to its answer.
 *
 * Neighbours: session.c hands over the frame's payload; ctl_object.c,
 * ctl_autodefine.c, ctl_authrec.c, ctl_chlauth.c, ctl_display.c, ctl_status.c
 * ctl_pubsub.c, ctl_service.c and ctl_control.c carry out verbs on nouns; the
 * engine sends the answer when what it reveals is durable; admin/mqsc.c made
 * the command.
 *
 * Invariants: nothing is carried out without the authority that the table
 * names; every command gets exactly one answer, which ends with one
 * RESULT; an answer is at most CTL_MAX_ANSWER bytes; a command that failed has
 * changed nothing; every command is logged with its result.
 *
 * Happy path: decode, look up (verb, noun) in the table, authorize, carry out,
 * append RESULT, engine_reply_external().  Failure: the reason and a sentence
 * that names what was wrong stand in RESULT.
 */
#include "qmgr/ctl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "proto/local.h"
#include "qmgr/ctl_int.h"
#include "qmgr/qmgr.h"

#define CTL_MAX_ANSWER 16777216u /* bytes of rows */
#define CTL_RESULT_ROOM 4096u    /* always left for the result */

/* What each command needs, on the object that it names; DEFINE of one that is
 * there already needs CHG instead of CRT.  A row without a right does not
 * compile. */
static const struct command {
	enum mqctl_verb verb;
	enum mqctl_noun noun;
	ctl_fn fn;
	enum authority_type type;
	enum authority_right right;
} commands[] = {
    {MQCTL_DEFINE, MQCTL_QLOCAL, ctl_define, AUTHORITY_QUEUE, AUTHORITY_CRT},
    {MQCTL_DEFINE, MQCTL_QALIAS, ctl_define, AUTHORITY_QUEUE, AUTHORITY_CRT},
    {MQCTL_DEFINE, MQCTL_QREMOTE, ctl_define, AUTHORITY_QUEUE, AUTHORITY_CRT},
    {MQCTL_DEFINE, MQCTL_QMODEL, ctl_define, AUTHORITY_QUEUE, AUTHORITY_CRT},
    {MQCTL_DEFINE, MQCTL_CHANNEL, ctl_define, AUTHORITY_CHANNEL, AUTHORITY_CRT},
    {MQCTL_DEFINE, MQCTL_LISTENER, ctl_define, AUTHORITY_LISTENER,
	AUTHORITY_CRT},
    {MQCTL_DEFINE, MQCTL_NAMELIST, ctl_define, AUTHORITY_NAMELIST,
	AUTHORITY_CRT},
    {MQCTL_DEFINE, MQCTL_PROCESS, ctl_define, AUTHORITY_PROCESS, AUTHORITY_CRT},
    /* whoever has such a program run may do what the owner may */
    {MQCTL_DEFINE, MQCTL_SERVICE, ctl_define, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_SERVICE, ctl_alter, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_DELETE, MQCTL_SERVICE, ctl_delete, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_DISPLAY, MQCTL_SERVICE, ctl_display, AUTHORITY_SERVICE,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_SVSTATUS, ctl_svstatus, AUTHORITY_SERVICE,
	AUTHORITY_DSP},
    {MQCTL_START, MQCTL_SERVICE, ctl_start_service, AUTHORITY_SERVICE,
	AUTHORITY_CTRL},
    {MQCTL_STOP, MQCTL_SERVICE, ctl_stop_service, AUTHORITY_SERVICE,
	AUTHORITY_CTRL},
    {MQCTL_DEFINE, MQCTL_TOPIC, ctl_define, AUTHORITY_TOPIC, AUTHORITY_CRT},
    {MQCTL_ALTER, MQCTL_TOPIC, ctl_alter, AUTHORITY_TOPIC, AUTHORITY_CHG},
    {MQCTL_DELETE, MQCTL_TOPIC, ctl_delete, AUTHORITY_TOPIC, AUTHORITY_DLT},
    {MQCTL_DISPLAY, MQCTL_TOPIC, ctl_display, AUTHORITY_TOPIC, AUTHORITY_DSP},
    /* whoever has publications put somewhere may put there */
    {MQCTL_DEFINE, MQCTL_SUB, ctl_define, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_SUB, ctl_alter, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_DELETE, MQCTL_SUB, ctl_delete, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_DISPLAY, MQCTL_SUB, ctl_display, AUTHORITY_QMGR, AUTHORITY_DSP},
    {MQCTL_ALTER, MQCTL_QLOCAL, ctl_alter, AUTHORITY_QUEUE, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_QALIAS, ctl_alter, AUTHORITY_QUEUE, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_QREMOTE, ctl_alter, AUTHORITY_QUEUE, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_QMODEL, ctl_alter, AUTHORITY_QUEUE, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_CHANNEL, ctl_alter, AUTHORITY_CHANNEL, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_LISTENER, ctl_alter, AUTHORITY_LISTENER, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_NAMELIST, ctl_alter, AUTHORITY_NAMELIST, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_PROCESS, ctl_alter, AUTHORITY_PROCESS, AUTHORITY_CHG},
    {MQCTL_ALTER, MQCTL_QMGR, ctl_alter, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_DELETE, MQCTL_QLOCAL, ctl_delete, AUTHORITY_QUEUE, AUTHORITY_DLT},
    {MQCTL_DELETE, MQCTL_QALIAS, ctl_delete, AUTHORITY_QUEUE, AUTHORITY_DLT},
    {MQCTL_DELETE, MQCTL_QREMOTE, ctl_delete, AUTHORITY_QUEUE, AUTHORITY_DLT},
    {MQCTL_DELETE, MQCTL_QMODEL, ctl_delete, AUTHORITY_QUEUE, AUTHORITY_DLT},
    {MQCTL_DELETE, MQCTL_CHANNEL, ctl_delete, AUTHORITY_CHANNEL, AUTHORITY_DLT},
    {MQCTL_DELETE, MQCTL_LISTENER, ctl_delete, AUTHORITY_LISTENER,
	AUTHORITY_DLT},
    {MQCTL_DELETE, MQCTL_NAMELIST, ctl_delete, AUTHORITY_NAMELIST,
	AUTHORITY_DLT},
    {MQCTL_DELETE, MQCTL_PROCESS, ctl_delete, AUTHORITY_PROCESS, AUTHORITY_DLT},
    {MQCTL_DISPLAY, MQCTL_QLOCAL, ctl_display, AUTHORITY_QUEUE, AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_QALIAS, ctl_display, AUTHORITY_QUEUE, AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_QREMOTE, ctl_display, AUTHORITY_QUEUE, AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_QMODEL, ctl_display, AUTHORITY_QUEUE, AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_QUEUE, ctl_display, AUTHORITY_QUEUE, AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_CHANNEL, ctl_display, AUTHORITY_CHANNEL,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_LISTENER, ctl_display, AUTHORITY_LISTENER,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_NAMELIST, ctl_display, AUTHORITY_NAMELIST,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_PROCESS, ctl_display, AUTHORITY_PROCESS,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_QMGR, ctl_display, AUTHORITY_QMGR, AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_QSTATUS, ctl_qstatus, AUTHORITY_QUEUE, AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_CHSTATUS, ctl_chstatus, AUTHORITY_CHANNEL,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_LSSTATUS, ctl_lsstatus, AUTHORITY_LISTENER,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_QMSTATUS, ctl_qmstatus, AUTHORITY_QMGR,
	AUTHORITY_DSP},
    {MQCTL_SET, MQCTL_AUTHREC, ctl_set_authrec, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_DELETE, MQCTL_AUTHREC, ctl_delete_authrec, AUTHORITY_QMGR,
	AUTHORITY_CHG},
    {MQCTL_DISPLAY, MQCTL_AUTHREC, ctl_display_authrec, AUTHORITY_QMGR,
	AUTHORITY_DSP},
    {MQCTL_SET, MQCTL_CHLAUTH, ctl_set_chlauth, AUTHORITY_QMGR, AUTHORITY_CHG},
    {MQCTL_DISPLAY, MQCTL_CHLAUTH, ctl_display_chlauth, AUTHORITY_QMGR,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_SBSTATUS, ctl_sbstatus, AUTHORITY_QMGR,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_TPSTATUS, ctl_tpstatus, AUTHORITY_QMGR,
	AUTHORITY_DSP},
    {MQCTL_DISPLAY, MQCTL_PUBSUB, ctl_pubsub, AUTHORITY_QMGR, AUTHORITY_DSP},
    {MQCTL_CLEAR, MQCTL_TOPICSTR, ctl_clear_topic, AUTHORITY_QMGR,
	AUTHORITY_CTRL},
    {MQCTL_CLEAR, MQCTL_QLOCAL, ctl_clear, AUTHORITY_QUEUE, AUTHORITY_CLR},
    {MQCTL_START, MQCTL_CHANNEL, ctl_start_channel, AUTHORITY_CHANNEL,
	AUTHORITY_CTRL},
    {MQCTL_START, MQCTL_LISTENER, ctl_start_listener, AUTHORITY_LISTENER,
	AUTHORITY_CTRL},
    {MQCTL_STOP, MQCTL_CHANNEL, ctl_stop_channel, AUTHORITY_CHANNEL,
	AUTHORITY_CTRL},
    {MQCTL_STOP, MQCTL_LISTENER, ctl_stop_listener, AUTHORITY_LISTENER,
	AUTHORITY_CTRL},
    {MQCTL_STOP, MQCTL_QMGR, ctl_stop_qmgr, AUTHORITY_QMGR, AUTHORITY_CTRL},
    {MQCTL_PING, MQCTL_QMGR, ctl_ping_qmgr, AUTHORITY_QMGR, AUTHORITY_DSP},
    {MQCTL_PING, MQCTL_CHANNEL, ctl_ping_channel, AUTHORITY_CHANNEL,
	AUTHORITY_CTRL},
    {MQCTL_RESET, MQCTL_QMGR, ctl_reset_qmgr, AUTHORITY_QMGR, AUTHORITY_CTRL},
    {MQCTL_REFRESH, MQCTL_SECURITY, ctl_refresh_security, AUTHORITY_QMGR,
	AUTHORITY_CHG},
    {MQCTL_RESET, MQCTL_CHANNEL, ctl_reset_channel, AUTHORITY_CHANNEL,
	AUTHORITY_CTRLX},
    {MQCTL_RESOLVE, MQCTL_CHANNEL, ctl_resolve_channel, AUTHORITY_CHANNEL,
	AUTHORITY_CTRLX},
    {MQCTL_AUTODEFINE, MQCTL_CHANNEL, ctl_autodefine, AUTHORITY_QMGR,
	AUTHORITY_SYSTEM},
};

/* ---- what the other files share ---- */

enum mqi_err
ctl_fail(struct ctl *c, enum mqi_err err, const char *fmt, ...)
{
	va_list ap;
	MQ_PRE(err != MQI_OK);
	va_start(ap, fmt);
	(void)vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
	return err;
}

void
ctl_row_begin(struct ctl_row *r)
{
	mqctl_list_init(&r->list);
	r->err = MQI_OK;
}

void
ctl_row_text(struct ctl_row *r, const char *keyword, const char *value)
{
	if (r->err == MQI_OK)
		r->err = mqctl_list_add(&r->list, keyword, value);
}

void
ctl_row_uint(struct ctl_row *r, const char *keyword, uint64_t value)
{
	char buf[24];
	(void)snprintf(buf, sizeof(buf), "%" PRIu64, value);
	ctl_row_text(r, keyword, buf);
}

void
ctl_row_hex16(struct ctl_row *r, const char *keyword, const uint8_t value[16])
{
	char hex[33];
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", value[i]);
	ctl_row_text(r, keyword, hex);
}

void
ctl_row_time(struct ctl_row *r, const char *date_keyword,
    const char *time_keyword, uint64_t wall_ms)
{
	char date[CTL_DATE_LEN] = "";
	char time[CTL_TIME_LEN] = "";
	if (wall_ms != 0)
		ctl_stamp(wall_ms, date, time);
	ctl_row_text(r, date_keyword, date);
	ctl_row_text(r, time_keyword, time);
}

enum mqi_err
ctl_row_end(struct ctl *c, struct ctl_row *r)
{
	if (r->err == MQI_OK) {
		size_t start =
		    mqframe_begin(&c->out, MQLOCAL_COMMAND_ROW, 0, c->id);
		mqctl_encode_list(&c->out, &r->list);
		mqframe_end(&c->out, start, 0);
		c->n_rows++;
		r->err = c->out.err == MQI_OK && c->out.len > CTL_MAX_ANSWER
			     ? MQI_E_TOO_BIG
			     : c->out.err;
	}
	mqctl_list_fini(&r->list);
	if (r->err != MQI_OK)
		return ctl_fail(
		    c, r->err, "the answer is too long: name fewer objects");
	return MQI_OK;
}

void
ctl_stamp(
    uint64_t wall_ms, char ret_date[CTL_DATE_LEN], char ret_time[CTL_TIME_LEN])
{
	char d[9];
	char t[9];
	mqclock_mq_date(wall_ms * 1000, d, t);
	(void)snprintf(
	    ret_date, CTL_DATE_LEN, "%.4s-%.2s-%.2s", d, d + 4, d + 6);
	(void)snprintf(
	    ret_time, CTL_TIME_LEN, "%.2s.%.2s.%.2s", t, t + 2, t + 4);
}

bool
ctl_is_generic(const char *pattern)
{
	size_t len = strlen(pattern);
	return len > 0 && pattern[len - 1] == '*';
}

bool
ctl_matches(const char *pattern, const char *name)
{
	if (ctl_is_generic(pattern))
		return strncmp(pattern, name, strlen(pattern) - 1) == 0;
	return strcmp(pattern, name) == 0;
}

const char *
ctl_option(const struct ctl *c, const char *keyword)
{
	return mqctl_list_get(&c->cmd->attrs, keyword);
}

enum mqi_err
ctl_only_options(struct ctl *c, const char *const *options)
{
	for (uint32_t i = 0; i < c->cmd->attrs.n; i++) {
		const char *keyword = c->cmd->attrs.pairs[i].keyword;
		const char *const *o = options;
		while (*o != NULL && strcasecmp(*o, keyword) != 0)
			o++;
		if (*o == NULL)
			return ctl_fail(c, MQI_E_ATTRIBUTE,
			    "%s is not a parameter of %s %s", keyword,
			    mqctl_verb_name(c->cmd->verb),
			    mqctl_noun_name(c->cmd->noun));
	}
	return MQI_OK;
}

static uint64_t
hash_more(uint64_t h, const char *text)
{
	do {
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	} while (*text++ != '\0');
	return h;
}

void
ctl_record_name(const char *const *parts, char ret[MQI_NAME_LEN + 1])
{
	uint64_t a = UINT64_C(0xcbf29ce484222325);
	uint64_t b = UINT64_C(0x6c62272e07bb0142);
	for (; *parts != NULL; parts++) {
		a = hash_more(a, *parts);
		b = hash_more(b, *parts);
	}
	(void)snprintf(
	    ret, MQI_NAME_LEN + 1, "%016" PRIx64 "%016" PRIx64, a, b);
}

enum mqattr_object
ctl_noun_type(enum mqctl_noun noun)
{
	switch (noun) {
	case MQCTL_QMGR:
		return MQATTR_QMGR;
	case MQCTL_QLOCAL:
		return MQATTR_QLOCAL;
	case MQCTL_QALIAS:
		return MQATTR_QALIAS;
	case MQCTL_QREMOTE:
		return MQATTR_QREMOTE;
	case MQCTL_QMODEL:
		return MQATTR_QMODEL;
	case MQCTL_CHANNEL:
		return MQATTR_CHANNEL;
	case MQCTL_LISTENER:
		return MQATTR_LISTENER;
	case MQCTL_AUTHREC:
		return MQATTR_AUTHREC;
	case MQCTL_CHLAUTH:
		return MQATTR_CHLAUTH;
	case MQCTL_NAMELIST:
		return MQATTR_NAMELIST;
	case MQCTL_PROCESS:
		return MQATTR_PROCESS;
	case MQCTL_SERVICE:
		return MQATTR_SERVICE;
	case MQCTL_TOPIC:
		return MQATTR_TOPIC;
	case MQCTL_SUB:
		return MQATTR_SUB;
	case MQCTL_QUEUE:
	case MQCTL_QSTATUS:
	case MQCTL_CHSTATUS:
	case MQCTL_LSSTATUS:
	case MQCTL_QMSTATUS:
	case MQCTL_SECURITY:
	case MQCTL_SVSTATUS:
	case MQCTL_TOPICSTR:
	case MQCTL_TPSTATUS:
	case MQCTL_SBSTATUS:
	case MQCTL_PUBSUB:
		break;
	}
	return (enum mqattr_object)0;
}

/* ---- one command ---- */

/* What an agent must see to do its work, whoever it works for. */
static bool
agent_may_see(const struct ctl *c)
{
	return c->who->is_agent && c->cmd->verb == MQCTL_DISPLAY &&
	       (c->cmd->noun == MQCTL_CHANNEL ||
		   c->cmd->noun == MQCTL_LISTENER ||
		   c->cmd->noun == MQCTL_QMGR || c->cmd->noun == MQCTL_CHLAUTH);
}

bool
ctl_may_see(const struct ctl *c, const char *name)
{
	return agent_may_see(c) ||
	       engine_may(c->engine, c->who, c->type, name, AUTHORITY_DSP);
}

static enum mqi_err
authorize(struct ctl *c, const char *name, enum authority_right right)
{
	return engine_authorize(c->engine, c->who, c->type, name,
	    (uint32_t)right, c->text, sizeof(c->text));
}

/* What is shown of several objects, ctl_may_see() says one by one. */
static enum mqi_err
check_authority(struct ctl *c, const struct command *row)
{
	const char *name = c->cmd->name;
	enum mqattr_object type = ctl_noun_type(c->cmd->noun);
	enum authority_right right = row->right;
	enum mqi_err err;

	if (agent_may_see(c))
		return MQI_OK;
	/* the queue manager's agent, for a partner and no user */
	if (c->who->is_owner && c->who->channel[0] != '\0')
		return ctl_fail(c, MQI_E_NOT_AUTHORIZED,
		    "an agent of a channel may not administer the queue "
		    "manager");
	if (row->type == AUTHORITY_QMGR)
		name = qmgr_name(c->qm);
	else if (row->verb == MQCTL_DISPLAY && ctl_is_generic(name))
		return MQI_OK;
	if (row->verb == MQCTL_DEFINE &&
	    engine_object_find(c->engine, type, name) != NULL)
		right = AUTHORITY_CHG;
	err = authorize(c, name, right);
	/* who has it on the queue manager has all */
	if (err == MQI_OK && c->cmd->like[0] != '\0' &&
	    row->type != AUTHORITY_QMGR)
		err = authorize(c, c->cmd->like, AUTHORITY_DSP);
	return err;
}

static enum mqi_err
carry_out(struct ctl *c)
{
	for (size_t i = 0; i < MQ_ARRAY_LEN(commands); i++) {
		const struct command *row = &commands[i];
		enum mqi_err err;
		if (row->verb != c->cmd->verb || row->noun != c->cmd->noun)
			continue;
		c->type = row->type;
		err = check_authority(c, row);
		return err == MQI_OK ? row->fn(c) : err;
	}
	return ctl_fail(c, MQI_E_FUNCTION_NOT_SUPPORTED,
	    "%s %s is not a command", mqctl_verb_name(c->cmd->verb),
	    mqctl_noun_name(c->cmd->noun));
}

/* Appends " KEYWORD(value)", without parentheses if there is no value. */
static size_t
describe_pair(
    char *ret, size_t used, size_t len, const char *keyword, const char *value)
{
	bool bare = *value == '\0';
	if (used >= len)
		return used;
	int n =
	    snprintf(ret + used, len - used, "%s%s%s%s%s", used > 0 ? " " : "",
		keyword, bare ? "" : "(", value, bare ? "" : ")");
	return used + (n > 0 ? (size_t)n : 0);
}

/* The command as MQSC, as far as it fits. */
static void
describe(const struct mqctl_command *cmd, char *ret, size_t len)
{
	size_t used =
	    describe_pair(ret, 0, len, mqctl_verb_name(cmd->verb), "");
	used = describe_pair(
	    ret, used, len, mqctl_noun_name(cmd->noun), cmd->name);
	if (cmd->like[0] != '\0')
		used = describe_pair(ret, used, len, "LIKE", cmd->like);
	if (cmd->flags & MQCTL_REPLACE)
		used = describe_pair(ret, used, len, "REPLACE", "");
	if (cmd->flags & MQCTL_PURGE)
		used = describe_pair(ret, used, len, "PURGE", "");
	for (uint32_t i = 0; i < cmd->attrs.n; i++)
		used = describe_pair(ret, used, len,
		    cmd->attrs.pairs[i].keyword, cmd->attrs.pairs[i].value);
}

static void
log_command(const struct engine_session *s, const struct mqctl_command *cmd,
    enum mqi_err err, const char *text)
{
	char what[1024];
	struct mqlog_line l;
	const struct engine_identity *who = engine_session_identity(s);
	mqlog_begin(&l, err == MQI_OK ? MQLOG_INFO : MQLOG_WARN, "command");
	mqlog_str(&l, "user", who->user);
	mqlog_str(&l, "app", who->app_name);
	if (cmd != NULL) {
		describe(cmd, what, sizeof(what));
		mqlog_str(&l, "command", what);
	}
	mqlog_str(&l, "result", mqi_err_name(err));
	if (text[0] != '\0')
		mqlog_str(&l, "text", text);
	mqlog_end(&l);
}

/* What is in c->out and the result, ready to leave; NULL: no memory. */
static struct mqref *
finish_answer(struct ctl *c, enum mqi_err err)
{
	struct mqlocal_result r = {.reason = (uint32_t)err};
	if (err != MQI_OK) /* no half answers, and room for the result */
		mqbuf_reset(&c->out);
	(void)snprintf(r.text, sizeof(r.text), "%s", c->text);
	mqlocal_encode_result(&c->out, c->id, &r);
	return c->out.err == MQI_OK ? mqref_copy(c->out.data, c->out.len)
				    : NULL;
}

static void
answer(struct ctl *c, struct engine_session *s, enum mqi_err err)
{
	struct mqref *bytes = finish_answer(c, err);
	if (bytes == NULL) {
		err = ctl_fail(c, MQI_E_NO_MEMORY,
		    "there is no memory for the answer: name fewer objects");
		bytes = finish_answer(c, err);
	}
	MQ_INVARIANT(bytes != NULL); /* a few hundred bytes */
	engine_reply_external(c->engine, s, c->id, c->pos, bytes);
	mqref_unref(bytes);
}

void
ctl_command(struct qmgr *qm, struct engine_session *s, uint32_t id,
    const void *payload, size_t len)
{
	struct mqctl_command cmd;
	struct ctl c = {.qm = qm, .engine = qmgr_engine(qm), .id = id};
	mqbuf_init(&c.out, CTL_MAX_ANSWER + CTL_RESULT_ROOM);
	enum mqi_err err = mqctl_decode_command(payload, len, &cmd);
	if (err != MQI_OK) {
		(void)ctl_fail(&c, err, "the command's bytes are not valid");
		log_command(s, NULL, err, c.text);
		answer(&c, s, err);
	} else {
		c.cmd = &cmd;
		c.who = engine_session_identity(s);
		c.session = s;
		err = carry_out(&c);
		log_command(s, &cmd, err, c.text);
		if (!c.later)
			answer(&c, s, err);
		mqctl_command_fini(&cmd);
	}
	mqbuf_fini(&c.out);
}
