/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.c - lists of keyword and value, and administration commands, as bytes.
 *
 * Neighbours: admin/mqsc.c makes commands, libmq/agent.h sends them and hands
 * rows on, qmgr/ctl*.c carries them out; agents report their status and get
 * their orders as lists.
 *
 * Invariants: a list never has more than MQCTL_MAX_PAIRS pairs; a keyword is
 * printable, without blanks, never empty; a value holds no NUL and is at most
 * MQCTL_MAX_VALUE bytes.  The encoder is given only such lists.
 *
 * Happy path: decode(encode(x)) is x.  Failure: a list that breaks a rule is
 * PROTOCOL, and nothing is left allocated.
 */
#include "proto/ctl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const verb_names[MQCTL_VERB_MAX + 1] = {
    [MQCTL_DEFINE] = "DEFINE",
    [MQCTL_ALTER] = "ALTER",
    [MQCTL_DELETE] = "DELETE",
    [MQCTL_DISPLAY] = "DISPLAY",
    [MQCTL_CLEAR] = "CLEAR",
    [MQCTL_START] = "START",
    [MQCTL_STOP] = "STOP",
    [MQCTL_PING] = "PING",
    [MQCTL_RESET] = "RESET",
    [MQCTL_RESOLVE] = "RESOLVE",
    [MQCTL_SET] = "SET",
    [MQCTL_REFRESH] = "REFRESH",
    [MQCTL_AUTODEFINE] = "AUTODEFINE",
};

static const char *const noun_names[MQCTL_NOUN_MAX + 1] = {
    [MQCTL_QMGR] = "QMGR",
    [MQCTL_QLOCAL] = "QLOCAL",
    [MQCTL_QALIAS] = "QALIAS",
    [MQCTL_QREMOTE] = "QREMOTE",
    [MQCTL_QMODEL] = "QMODEL",
    [MQCTL_QUEUE] = "QUEUE",
    [MQCTL_CHANNEL] = "CHANNEL",
    [MQCTL_LISTENER] = "LISTENER",
    [MQCTL_QSTATUS] = "QSTATUS",
    [MQCTL_CHSTATUS] = "CHSTATUS",
    [MQCTL_LSSTATUS] = "LSSTATUS",
    [MQCTL_QMSTATUS] = "QMSTATUS",
    [MQCTL_AUTHREC] = "AUTHREC",
    [MQCTL_CHLAUTH] = "CHLAUTH",
    [MQCTL_SECURITY] = "SECURITY",
    [MQCTL_NAMELIST] = "NAMELIST",
    [MQCTL_PROCESS] = "PROCESS",
    [MQCTL_SERVICE] = "SERVICE",
    [MQCTL_SVSTATUS] = "SVSTATUS",
    [MQCTL_TOPIC] = "TOPIC",
    [MQCTL_SUB] = "SUB",
    [MQCTL_TOPICSTR] = "TOPICSTR",
    [MQCTL_TPSTATUS] = "TPSTATUS",
    [MQCTL_SBSTATUS] = "SBSTATUS",
    [MQCTL_PUBSUB] = "PUBSUB",
};

static bool
verb_is_known(unsigned verb)
{
	return verb >= MQCTL_DEFINE && verb <= MQCTL_VERB_MAX;
}

static bool
noun_is_known(unsigned noun)
{
	return noun >= MQCTL_QMGR && noun <= MQCTL_NOUN_MAX;
}

const char *
mqctl_verb_name(enum mqctl_verb verb)
{
	return verb_is_known(verb) ? verb_names[verb] : "?";
}

const char *
mqctl_noun_name(enum mqctl_noun noun)
{
	return noun_is_known(noun) ? noun_names[noun] : "?";
}

/* ---- lists ---- */

void
mqctl_list_init(struct mqctl_list *l)
{
	l->n = 0;
}

void
mqctl_list_fini(struct mqctl_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free(l->pairs[i].value);
	l->n = 0;
}

enum mqi_err
mqctl_list_add(struct mqctl_list *l, const char *keyword, const char *value)
{
	size_t keyword_len = strlen(keyword);
	size_t value_len = strlen(value);
	if (l->n >= MQCTL_MAX_PAIRS ||
	    keyword_len >= sizeof(l->pairs[0].keyword) ||
	    value_len > MQCTL_MAX_VALUE)
		return MQI_E_TOO_BIG;
	char *copy = strdup(value);
	if (copy == NULL)
		return MQI_E_NO_MEMORY;
	struct mqctl_pair *p = &l->pairs[l->n++];
	memcpy(p->keyword, keyword, keyword_len + 1);
	p->value = copy;
	return MQI_OK;
}

const char *
mqctl_list_get(const struct mqctl_list *l, const char *keyword)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (strcasecmp(l->pairs[i].keyword, keyword) == 0)
			return l->pairs[i].value;
	return NULL;
}

void
mqctl_encode_list(struct mqbuf *b, const struct mqctl_list *l)
{
	MQ_PRE(l->n <= MQCTL_MAX_PAIRS);
	mqbuf_put_u16(b, (uint16_t)l->n);
	for (uint32_t i = 0; i < l->n; i++) {
		mqbuf_put_str16(b, l->pairs[i].keyword);
		mqbuf_put_str16(b, l->pairs[i].value);
	}
}

static bool
keyword_is_valid(const char *keyword)
{
	if (*keyword == '\0')
		return false;
	for (const char *p = keyword; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p))
			return false;
	return true;
}

enum mqi_err
mqctl_decode_list(struct mqreader *r, struct mqctl_list *ret)
{
	enum mqi_err err = MQI_OK;
	char keyword[sizeof(ret->pairs[0].keyword)];
	char value[MQCTL_MAX_VALUE + 1];

	mqctl_list_init(ret);
	uint16_t n = mqreader_u16(r);
	if (r->err != MQI_OK || n > MQCTL_MAX_PAIRS)
		return MQI_E_PROTOCOL;
	for (uint16_t i = 0; i < n && err == MQI_OK; i++) {
		mqreader_str16(r, keyword, sizeof(keyword));
		mqreader_str16(r, value, sizeof(value));
		if (r->err != MQI_OK || !keyword_is_valid(keyword))
			err = MQI_E_PROTOCOL;
		else
			err = mqctl_list_add(ret, keyword, value);
	}
	if (err != MQI_OK)
		mqctl_list_fini(ret);
	return err;
}

/* ---- commands ---- */

void
mqctl_encode_command(struct mqbuf *b, const struct mqctl_command *c)
{
	MQ_PRE(verb_is_known(c->verb) && noun_is_known(c->noun));
	MQ_PRE((c->flags & ~MQCTL_FLAGS) == 0);
	mqbuf_put_u8(b, (uint8_t)c->verb);
	mqbuf_put_u8(b, (uint8_t)c->noun);
	mqbuf_put_u16(b, 0);
	mqbuf_put_u32(b, c->flags);
	mqbuf_put_str16(b, c->name);
	mqbuf_put_str16(b, c->like);
	mqctl_encode_list(b, &c->attrs);
}

enum mqi_err
mqctl_decode_command(const void *data, size_t len, struct mqctl_command *ret)
{
	struct mqreader r;
	mqreader_init(&r, data, len);
	unsigned verb = mqreader_u8(&r);
	unsigned noun = mqreader_u8(&r);
	uint16_t zero = mqreader_u16(&r);
	uint32_t flags = mqreader_u32(&r);
	if (!verb_is_known(verb) || !noun_is_known(noun) || zero != 0 ||
	    (flags & ~MQCTL_FLAGS) != 0)
		return MQI_E_PROTOCOL;
	ret->verb = (enum mqctl_verb)verb;
	ret->noun = (enum mqctl_noun)noun;
	ret->flags = flags;
	mqreader_str16(&r, ret->name, sizeof(ret->name));
	mqreader_str16(&r, ret->like, sizeof(ret->like));
	enum mqi_err err = mqctl_decode_list(&r, &ret->attrs);
	if (err != MQI_OK)
		return err;
	err = mqreader_done(&r);
	if (err != MQI_OK)
		mqctl_command_fini(ret);
	return err;
}

void
mqctl_command_fini(struct mqctl_command *c)
{
	mqctl_list_fini(&c->attrs);
}
