/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create.c - the objects that a new queue manager has.
 *
 * Neighbours: qmgr.c calls it once, with --create, when the engine is ready.
 * Invariants: the QMGR object is written last: a queue manager whose QMGR
 * object has no date of creation has not been created wholly, is not started,
 * and may be created again.
 * Happy path: the system's queues, the queue manager.
 * Failure: the engine's reason.
 */
#include <stdio.h>

#include "base/clock.h"
#include "qmgr/qmgr_impl.h"

#define DEFAULT_MODEL "SYSTEM.DEFAULT.MODEL.QUEUE"
#define DEAD_LETTER_QUEUE "SYSTEM.DEAD.LETTER.QUEUE"

static void
set_times(struct mqattr_set *s, uint64_t wall_us)
{
	char date[9], time[9], text[16];

	mqclock_mq_date(wall_us, date, time);
	(void)snprintf(
	    text, sizeof(text), "%.4s-%.2s-%.2s", date, date + 4, date + 6);
	mqattr_set_own(s, MQATTR_ID_CRDATE, text);
	mqattr_set_own(s, MQATTR_ID_ALTDATE, text);
	(void)snprintf(
	    text, sizeof(text), "%.2s.%.2s.%.2s", time, time + 2, time + 4);
	mqattr_set_own(s, MQATTR_ID_CRTIME, text);
	mqattr_set_own(s, MQATTR_ID_ALTTIME, text);
}

static const struct new_queue {
	const char *name;
	const char *descr;
	/* a dead-letter queue that refuses a message stops a channel: it takes
	 * all */
	bool takes_all;
} queues[] = {
    {"SYSTEM.DEFAULT.LOCAL.QUEUE",
	"what DEFINE QLOCAL takes its attributes from", false},
    {DEAD_LETTER_QUEUE, "messages that could not be delivered", true},
    {"SYSTEM.DEFAULT.INITIATION.QUEUE", "for trigger monitors", false},
    {"SYSTEM.CHANNEL.INITQ", "named by transmission queues", false},
};

static enum mqi_err
create_queue(struct engine *e, const struct new_queue *q, uint64_t wall_us)
{
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	uint64_t pos;
	enum mqi_err err;

	if (s == NULL)
		return MQI_E_NO_MEMORY;
	set_times(s, wall_us);
	mqattr_set_own(s, MQATTR_ID_DESCR, q->descr);
	if (q->takes_all) {
		mqattr_set_own(s, MQATTR_ID_MAXDEPTH, "999999999");
		mqattr_set_own(s, MQATTR_ID_MAXMSGL, "104857600");
	}
	err = engine_object_set(e, MQATTR_QLOCAL, q->name, s, &pos);
	mqattr_set_free(s);
	return err;
}

/* What a program opens that wants a queue of its own, for replies. */
static enum mqi_err
create_default_model(struct engine *e, uint64_t wall_us)
{
	struct mqattr_set *s = mqattr_set_new(MQATTR_QMODEL);
	uint64_t pos;
	enum mqi_err err;

	if (s == NULL)
		return MQI_E_NO_MEMORY;
	set_times(s, wall_us);
	mqattr_set_own(
	    s, MQATTR_ID_DESCR, "what DEFINE QMODEL takes its attributes from");
	err = engine_object_set(e, MQATTR_QMODEL, DEFAULT_MODEL, s, &pos);
	mqattr_set_free(s);
	return err;
}

static enum mqi_err
create_qmgr(struct engine *e, const char *name, uint64_t wall_us)
{
	struct mqattr_set *s = mqattr_set_new(MQATTR_QMGR);
	uint64_t pos;
	enum mqi_err err;

	if (s == NULL)
		return MQI_E_NO_MEMORY;
	set_times(s, wall_us);
	mqattr_set_own(s, MQATTR_ID_DEADQ, DEAD_LETTER_QUEUE);
	err = engine_object_set(e, MQATTR_QMGR, name, s, &pos);
	mqattr_set_free(s);
	return err;
}

bool
create_is_done(const struct engine *e, const char *name)
{
	const struct engine_object *o =
	    engine_object_find(e, MQATTR_QMGR, name);

	/* an engine over an empty store has a QMGR object of its own */
	return o != NULL && mqattr_text(o->attrs, MQATTR_ID_CRDATE)[0] != '\0';
}

enum mqi_err
create_objects(struct engine *e, const char *name, uint64_t wall_us)
{
	enum mqi_err err = MQI_OK;

	MQ_PRE(!create_is_done(e, name));
	for (size_t i = 0; i < MQ_ARRAY_LEN(queues) && err == MQI_OK; i++)
		err = create_queue(e, &queues[i], wall_us);
	if (err == MQI_OK)
		err = create_default_model(e, wall_us);
	if (err == MQI_OK) {
		engine_pubsub_create(e);
		err = create_qmgr(e, name, wall_us);
	}
	return err;
}
