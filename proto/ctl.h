/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - administration: the payload of COMMAND, COMMAND_ROW, AGENT_STATUS
 * and AGENT_ORDER frames.  A command is a verb, a noun, a name and a list of
 * (keyword, value) pairs; a row of an answer is a list of (keyword, value)
 * pairs in the order of display.  Values are text.
 *
 *   list     u16 n; n times: str16 keyword, str16 value
 *   command  u8 verb, u8 noun, u16 0, u32 flags, str16 name, str16 like, list
 *
 * str16 is a u16 length and the bytes.  Pure; thread-safe.
 */
#ifndef MQ_PROTO_CTL_H
#define MQ_PROTO_CTL_H

#include <mq/mqi_msg.h>
#include <stdbool.h>

#include "base/buf.h"

#define MQCTL_MAX_PAIRS 128u
#define MQCTL_MAX_VALUE 12544u /* bytes: a namelist's names */

enum mqctl_verb {
	MQCTL_DEFINE = 1,
	MQCTL_ALTER = 2,
	MQCTL_DELETE = 3,
	MQCTL_DISPLAY = 4,
	MQCTL_CLEAR = 5,
	MQCTL_START = 6,
	MQCTL_STOP = 7,
	MQCTL_PING = 8,
	MQCTL_RESET = 9,
	MQCTL_RESOLVE = 10,
	MQCTL_SET = 11,
	MQCTL_REFRESH = 12,
	MQCTL_AUTODEFINE = 13, /* of agents, for one who calls */
};

#define MQCTL_VERB_MAX 13

enum mqctl_noun {
	MQCTL_QMGR = 1,
	MQCTL_QLOCAL = 2,
	MQCTL_QALIAS = 3,
	MQCTL_QREMOTE = 4,
	MQCTL_QUEUE = 5, /* any type of queue */
	MQCTL_CHANNEL = 6,
	MQCTL_LISTENER = 7,
	MQCTL_QSTATUS = 8,
	MQCTL_CHSTATUS = 9,
	MQCTL_LSSTATUS = 10,
	MQCTL_QMSTATUS = 11,
	MQCTL_AUTHREC = 12,  /* has no name: its key is in its attributes */
	MQCTL_CHLAUTH = 13,  /* the name is a channel's, '*' anywhere */
	MQCTL_SECURITY = 14, /* has no name */
	MQCTL_NAMELIST = 15,
	MQCTL_PROCESS = 16,
	MQCTL_QMODEL = 17,
	MQCTL_SERVICE = 18,
	MQCTL_SVSTATUS = 19,
	MQCTL_TOPIC = 20,
	MQCTL_SUB = 21,
	MQCTL_TOPICSTR = 22, /* the string is an attribute */
	MQCTL_TPSTATUS = 23, /* as TOPICSTR */
	MQCTL_SBSTATUS = 24,
	MQCTL_PUBSUB = 25, /* has no name */
};

#define MQCTL_NOUN_MAX 25

/* flags of a command */
#define MQCTL_REPLACE 0x1u
#define MQCTL_PURGE 0x2u
#define MQCTL_FORCE 0x4u
#define MQCTL_IGNSTATE 0x8u
#define MQCTL_ALL 0x10u
#define MQCTL_FLAGS 0x1fu /* all of them */

struct mqctl_pair {
	char keyword[32];
	char *value; /* malloc'd; "" for a keyword alone */
};

struct mqctl_list {
	uint32_t n;
	struct mqctl_pair pairs[MQCTL_MAX_PAIRS];
};

struct mqctl_command {
	enum mqctl_verb verb;
	enum mqctl_noun noun;
	uint32_t flags;
	char name[MQI_NAME_LEN + 2]; /* may end in '*' for DISPLAY */
	char like[MQI_NAME_LEN + 1]; /* DEFINE ... LIKE(); "" none */
	struct mqctl_list attrs;     /* DISPLAY: the keywords asked for */
};

void mqctl_list_init(struct mqctl_list *l);
void mqctl_list_fini(struct mqctl_list *l);
/* Errors: TOO_BIG (too many pairs, or too long), NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqctl_list_add(
    struct mqctl_list *l, const char *keyword, const char *value);
/* The first pair's value; NULL if it is not there.  Any case. */
const char *mqctl_list_get(const struct mqctl_list *l, const char *keyword);

void mqctl_encode_list(struct mqbuf *b, const struct mqctl_list *l);
/* ret is initialised here; mqctl_list_fini() it on success.
 * Errors: PROTOCOL, NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqctl_decode_list(
    struct mqreader *r, struct mqctl_list *ret);

void mqctl_encode_command(struct mqbuf *b, const struct mqctl_command *c);
/* As for a list. */
MQ_MUST_CHECK enum mqi_err mqctl_decode_command(
    const void *data, size_t len, struct mqctl_command *ret);
void mqctl_command_fini(struct mqctl_command *c);

/* "DEFINE", "QLOCAL"; "?" for an unknown number. */
const char *mqctl_verb_name(enum mqctl_verb verb);
const char *mqctl_noun_name(enum mqctl_noun noun);

#endif
