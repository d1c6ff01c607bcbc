/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_int.h - what the files of command execution (ctl*.c) share: the command
 * being carried out, its answer as it grows, and the functions that carry out
 * each verb on each noun.  Loop thread only.
 */
#ifndef MQ_QMGR_CTL_INT_H
#define MQ_QMGR_CTL_INT_H

#include "proto/attr.h"
#include "proto/ctl.h"
#include "qmgr/engine/engine.h"

/* A value, or an object's name in a sentence. */
#define CTL_DATE_LEN 11 /* YYYY-MM-DD */
#define CTL_TIME_LEN 9  /* hh.mm.ss */

struct ctl {
	struct qmgr *qm;
	struct engine *engine;
	uint32_t id; /* of the request */
	const struct mqctl_command *cmd;
	const struct engine_identity *who; /* asks */
	struct engine_session *session;    /* the same */
	bool later;                        /* somebody else answers */
	enum authority_type type;          /* of the objects that it is about */
	struct mqbuf out;                  /* rows, as frames */
	uint32_t n_rows;
	uint64_t pos;   /* where what was changed is durable */
	char text[512]; /* for a person */
};

/* Sets the sentence of the answer and returns err. */
enum mqi_err ctl_fail(struct ctl *c, enum mqi_err err, const char *fmt, ...)
    MQ_PRINTF(3, 4);

/* A row of the answer.  The first failure to add is kept and ctl_row_end()
 * returns it; rows are freed in every case. */
struct ctl_row {
	struct mqctl_list list;
	enum mqi_err err;
};

void ctl_row_begin(struct ctl_row *r);
void ctl_row_text(struct ctl_row *r, const char *keyword, const char *value);
void ctl_row_uint(struct ctl_row *r, const char *keyword, uint64_t value);
void ctl_row_hex16(
    struct ctl_row *r, const char *keyword, const uint8_t value[16]);
/* Two pairs; both values are blank if wall_ms is 0. */
void ctl_row_time(struct ctl_row *r, const char *date_keyword,
    const char *time_keyword, uint64_t wall_ms);
MQ_MUST_CHECK enum mqi_err ctl_row_end(struct ctl *c, struct ctl_row *r);

/* As DISPLAY shows times, GMT. */
void ctl_stamp(
    uint64_t wall_ms, char ret_date[CTL_DATE_LEN], char ret_time[CTL_TIME_LEN]);

/* A name against a pattern, which may end in '*'. */
bool ctl_matches(const char *pattern, const char *name);
bool ctl_is_generic(const char *pattern);

/* Whether who asks may see the object, one of those that the command is about.
 */
bool ctl_may_see(const struct ctl *c, const char *name);

/* Of a DISPLAY of status: ATTRIBUTE if a keyword that is asked for, or that a
 * condition names, is none of those, NULL-terminated. */
MQ_MUST_CHECK enum mqi_err ctl_status_wanted(
    struct ctl *c, const char *const *keywords);
/* Ends a row of status, if it is as the conditions say, with what was asked
 * for, and always with the first n_head pairs. */
MQ_MUST_CHECK enum mqi_err ctl_status_row(
    struct ctl *c, struct ctl_row *r, uint32_t n_head);
/* The result of a DISPLAY of status; why: said if there was nothing to show. */
enum mqi_err ctl_status_end(struct ctl *c, enum mqi_err err, const char *why);

/* The value of an option (MODE, ACTION, ...), NULL if it was not given. */
const char *ctl_option(const struct ctl *c, const char *keyword);
/* ATTRIBUTE if a pair is not among the options, a NULL-terminated list. */
MQ_MUST_CHECK enum mqi_err ctl_only_options(
    struct ctl *c, const char *const *options);

/* ---- the commands; each returns the reason of its RESULT ---- */

typedef enum mqi_err (*ctl_fn)(struct ctl *c);

enum mqi_err ctl_define(struct ctl *c);     /* ctl_object.c */
enum mqi_err ctl_autodefine(struct ctl *c); /* ctl_autodefine.c */
enum mqi_err ctl_alter(struct ctl *c);
enum mqi_err ctl_delete(struct ctl *c);
enum mqi_err ctl_clear(struct ctl *c);
enum mqi_err ctl_clear_topic(struct ctl *c);
enum mqi_err ctl_display(struct ctl *c);     /* ctl_display.c */
enum mqi_err ctl_set_authrec(struct ctl *c); /* ctl_authrec.c */
enum mqi_err ctl_delete_authrec(struct ctl *c);
enum mqi_err ctl_display_authrec(struct ctl *c);
enum mqi_err ctl_set_chlauth(struct ctl *c); /* ctl_chlauth.c */
enum mqi_err ctl_display_chlauth(struct ctl *c);
enum mqi_err ctl_sbstatus(struct ctl *c); /* ctl_pubsub.c */
enum mqi_err ctl_tpstatus(struct ctl *c);
enum mqi_err ctl_pubsub(struct ctl *c);
enum mqi_err ctl_qstatus(struct ctl *c); /* ctl_status.c */
enum mqi_err ctl_lsstatus(struct ctl *c);
enum mqi_err ctl_qmstatus(struct ctl *c);
enum mqi_err ctl_chstatus(struct ctl *c);      /* ctl_chstatus.c */
enum mqi_err ctl_start_service(struct ctl *c); /* ctl_service.c */
enum mqi_err ctl_stop_service(struct ctl *c);
enum mqi_err ctl_svstatus(struct ctl *c);
enum mqi_err ctl_start_channel(struct ctl *c); /* ctl_control.c */
enum mqi_err ctl_stop_channel(struct ctl *c);
enum mqi_err ctl_resolve_channel(struct ctl *c);
enum mqi_err ctl_reset_channel(struct ctl *c);
/* Of a channel that takes messages. */
enum mqi_err ctl_reset_position(struct ctl *c, const struct engine_object *o);
enum mqi_err ctl_start_listener(struct ctl *c);
enum mqi_err ctl_stop_listener(struct ctl *c);
enum mqi_err ctl_ping_qmgr(struct ctl *c);
enum mqi_err ctl_ping_channel(struct ctl *c);
enum mqi_err ctl_reset_qmgr(struct ctl *c);
enum mqi_err ctl_refresh_security(struct ctl *c);
enum mqi_err ctl_stop_qmgr(struct ctl *c);

/* ---- parts of commands ---- */

/* The times of a change and, created NULL, of the creation; else created has
 * those, and STOPREQ.  (ctl_object.c) */
void ctl_stamp_set(struct mqattr_set *set, const struct mqattr_set *created);
/* What the queue manager would define for one who calls a channel that does
 * not exist is like this; NULL: it would not.  (ctl_autodefine.c) */
const struct mqattr_set *ctl_auto_model(const struct ctl *c, const char *type);
/* Defines those models that are missing.  Errors: OBJECT_TYPE, the engine's. */
MQ_MUST_CHECK enum mqi_err ctl_auto_make_models(struct ctl *c);
/* Whether one who calls, as ADDRESS, SSLPEER, SSLCERTI, QMNAME and CLNTUSER of
 * the command say, may use a channel of such attributes (NULL: the channel's
 * name alone counts), by CHLAUTH.  (ctl_chlauth.c)
 * Errors: ATTRIBUTE. */
struct chlauth_answer;
MQ_MUST_CHECK enum mqi_err ctl_runcheck(struct ctl *c,
    const struct mqattr_set *channel, struct chlauth_answer *ret);

/* The name of the object that holds a record, from its key, whose parts end
 * with NULL: FNV-1a, twice. */
void ctl_record_name(const char *const *parts, char ret[MQI_NAME_LEN + 1]);

/* The type of object that a noun stands for; 0 for QUEUE and for views. */
enum mqattr_object ctl_noun_type(enum mqctl_noun noun);

#endif
