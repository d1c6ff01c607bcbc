/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.c - the AMQ message that a command's result is said with: IBM's
 * number and severity letter, and a sentence.
 *
 * Neighbours: print.c shows them.  A result that succeeded is found by verb and
 * noun, one that failed by its reason; the queue manager's sentence, which
 * names what was wrong, is used where it gave one.
 */
#include <stdio.h>
#include <string.h>

#include "admin/print.h"

struct done_row {
	enum mqctl_verb verb;
	enum mqctl_noun noun;
	const char *id;
	const char *text;
};

static const struct done_row done[] = {
    {MQCTL_DEFINE, MQCTL_QLOCAL, "AMQ8006I", "Queue created."},
    {MQCTL_DEFINE, MQCTL_QALIAS, "AMQ8006I", "Queue created."},
    {MQCTL_DEFINE, MQCTL_QREMOTE, "AMQ8006I", "Queue created."},
    {MQCTL_DEFINE, MQCTL_QMODEL, "AMQ8006I", "Queue created."},
    {MQCTL_DEFINE, MQCTL_CHANNEL, "AMQ8014I", "Channel created."},
    {MQCTL_DEFINE, MQCTL_LISTENER, "AMQ8626I", "Listener created."},
    {MQCTL_DEFINE, MQCTL_NAMELIST, "AMQ8552I", "Namelist created."},
    {MQCTL_DEFINE, MQCTL_SERVICE, "AMQ8625I", "Service created."},
    {MQCTL_DEFINE, MQCTL_PROCESS, "AMQ8010I", "Process created."},
    {MQCTL_DEFINE, MQCTL_TOPIC, "AMQ8690I", "Topic created."},
    {MQCTL_DEFINE, MQCTL_SUB, "AMQ8094I", "Subscription created."},
    {MQCTL_ALTER, MQCTL_QLOCAL, "AMQ8008I", "Queue changed."},
    {MQCTL_ALTER, MQCTL_QALIAS, "AMQ8008I", "Queue changed."},
    {MQCTL_ALTER, MQCTL_QREMOTE, "AMQ8008I", "Queue changed."},
    {MQCTL_ALTER, MQCTL_QMODEL, "AMQ8008I", "Queue changed."},
    {MQCTL_ALTER, MQCTL_CHANNEL, "AMQ8016I", "Channel changed."},
    {MQCTL_ALTER, MQCTL_LISTENER, "AMQ8627I", "Listener changed."},
    {MQCTL_ALTER, MQCTL_NAMELIST, "AMQ8551I", "Namelist changed."},
    {MQCTL_ALTER, MQCTL_SERVICE, "AMQ8622I", "Service changed."},
    {MQCTL_ALTER, MQCTL_PROCESS, "AMQ8012I", "Process changed."},
    {MQCTL_ALTER, MQCTL_QMGR, "AMQ8005I", "Queue manager changed."},
    {MQCTL_ALTER, MQCTL_TOPIC, "AMQ8691I", "Topic changed."},
    {MQCTL_ALTER, MQCTL_SUB, "AMQ8095I", "Subscription changed."},
    {MQCTL_DELETE, MQCTL_QLOCAL, "AMQ8007I", "Queue deleted."},
    {MQCTL_DELETE, MQCTL_QALIAS, "AMQ8007I", "Queue deleted."},
    {MQCTL_DELETE, MQCTL_QREMOTE, "AMQ8007I", "Queue deleted."},
    {MQCTL_DELETE, MQCTL_QMODEL, "AMQ8007I", "Queue deleted."},
    {MQCTL_DELETE, MQCTL_CHANNEL, "AMQ8015I", "Channel deleted."},
    {MQCTL_DELETE, MQCTL_LISTENER, "AMQ8628I", "Listener deleted."},
    {MQCTL_DELETE, MQCTL_NAMELIST, "AMQ8553I", "Namelist deleted."},
    {MQCTL_DELETE, MQCTL_SERVICE, "AMQ8624I", "Service deleted."},
    {MQCTL_DELETE, MQCTL_PROCESS, "AMQ8011I", "Process deleted."},
    {MQCTL_DELETE, MQCTL_TOPIC, "AMQ8692I", "Topic deleted."},
    {MQCTL_DELETE, MQCTL_SUB, "AMQ8097I", "Subscription deleted."},
    {MQCTL_DISPLAY, MQCTL_QLOCAL, "AMQ8409I", "Display Queue details."},
    {MQCTL_DISPLAY, MQCTL_QALIAS, "AMQ8409I", "Display Queue details."},
    {MQCTL_DISPLAY, MQCTL_QREMOTE, "AMQ8409I", "Display Queue details."},
    {MQCTL_DISPLAY, MQCTL_QMODEL, "AMQ8409I", "Display Queue details."},
    {MQCTL_DISPLAY, MQCTL_QUEUE, "AMQ8409I", "Display Queue details."},
    {MQCTL_DISPLAY, MQCTL_CHANNEL, "AMQ8414I", "Display Channel details."},
    {MQCTL_DISPLAY, MQCTL_LISTENER, "AMQ8630I",
	"Display listener information details."},
    {MQCTL_DISPLAY, MQCTL_NAMELIST, "AMQ8550I", "Display namelist details."},
    {MQCTL_DISPLAY, MQCTL_SERVICE, "AMQ8629I",
	"Display service information details."},
    {MQCTL_DISPLAY, MQCTL_SVSTATUS, "AMQ8632I",
	"Display service status details."},
    {MQCTL_START, MQCTL_SERVICE, "AMQ8733I",
	"Request to start Service accepted."},
    {MQCTL_STOP, MQCTL_SERVICE, "AMQ8734I",
	"Request to stop Service accepted."},
    {MQCTL_DISPLAY, MQCTL_PROCESS, "AMQ8407I", "Display Process details."},
    {MQCTL_DISPLAY, MQCTL_TPSTATUS, "AMQ8754I",
	"Display topic status details."},
    {MQCTL_DISPLAY, MQCTL_SBSTATUS, "AMQ8099I",
	"Display subscription status details."},
    {MQCTL_DISPLAY, MQCTL_PUBSUB, "AMQ8723I",
	"Display pub/sub status details."},
    {MQCTL_DISPLAY, MQCTL_TOPIC, "AMQ8633I", "Display topic details."},
    {MQCTL_DISPLAY, MQCTL_SUB, "AMQ8096I", "Display subscription details."},
    {MQCTL_DISPLAY, MQCTL_QMGR, "AMQ8408I", "Display Queue Manager details."},
    {MQCTL_DISPLAY, MQCTL_QSTATUS, "AMQ8450I", "Display queue status details."},
    {MQCTL_DISPLAY, MQCTL_CHSTATUS, "AMQ8417I",
	"Display Channel Status details."},
    {MQCTL_DISPLAY, MQCTL_LSSTATUS, "AMQ8631I",
	"Display listener status details."},
    {MQCTL_DISPLAY, MQCTL_QMSTATUS, "AMQ8705I",
	"Display Queue Manager Status Details."},
    {MQCTL_SET, MQCTL_AUTHREC, "AMQ8862I", "Authority record set."},
    {MQCTL_DELETE, MQCTL_AUTHREC, "AMQ8863I", "Authority record deleted."},
    {MQCTL_DISPLAY, MQCTL_AUTHREC, "AMQ8864I",
	"Display authority record details."},
    {MQCTL_SET, MQCTL_CHLAUTH, "AMQ8877I",
	"Channel authentication record set."},
    {MQCTL_DISPLAY, MQCTL_CHLAUTH, "AMQ8878I",
	"Display channel authentication record details."},
    {MQCTL_REFRESH, MQCTL_SECURITY, "AMQ8560I", "Security cache refreshed."},
    {MQCTL_CLEAR, MQCTL_TOPICSTR, "AMQ8698I", "Retained publication cleared."},
    {MQCTL_CLEAR, MQCTL_QLOCAL, "AMQ8022I", "Queue cleared."},
    {MQCTL_START, MQCTL_CHANNEL, "AMQ8018I", "Start Channel accepted."},
    {MQCTL_START, MQCTL_LISTENER, "AMQ8021I", "Start Listener accepted."},
    {MQCTL_STOP, MQCTL_CHANNEL, "AMQ8019I", "Stop Channel accepted."},
    {MQCTL_STOP, MQCTL_LISTENER, "AMQ8706I", "Stop Listener accepted."},
    {MQCTL_STOP, MQCTL_QMGR, "AMQ8004I", "Stop Queue Manager accepted."},
    {MQCTL_PING, MQCTL_QMGR, "AMQ8415I",
	"Ping Queue Manager command complete."},
    {MQCTL_PING, MQCTL_CHANNEL, "AMQ8020I", "Ping Channel complete."},
    {MQCTL_RESET, MQCTL_QMGR, "AMQ8702I", "Queue manager reset."},
    {MQCTL_REFRESH, MQCTL_SECURITY, "AMQ8560I", "Security cache refreshed."},
    {MQCTL_RESET, MQCTL_CHANNEL, "AMQ8023I", "Channel reset."},
    {MQCTL_RESOLVE, MQCTL_CHANNEL, "AMQ8025I", "Channel resolved."},
};

static const struct {
	enum mqi_err err;
	const char *id;
} failed[] = {
    {MQI_E_UNKNOWN_OBJECT, "AMQ8147E"},
    {MQI_E_UNKNOWN_CHANNEL, "AMQ8147E"},
    {MQI_E_EXISTS, "AMQ8150E"},
    {MQI_E_OBJECT_TYPE, "AMQ8150E"},
    {MQI_E_OBJECT_IN_USE, "AMQ8148E"},
    {MQI_E_Q_NOT_EMPTY, "AMQ8143E"},
    {MQI_E_NOT_AUTHORIZED, "AMQ8135E"},
    {MQI_E_ATTRIBUTE, "AMQ8405E"},
    {MQI_E_OBJECT_NAME, "AMQ8405E"},
    {MQI_E_FUNCTION_NOT_SUPPORTED, "AMQ8405E"},
    {MQI_E_SYNTAX, "AMQ8405E"},
    {MQI_E_Q_MGR_STOPPING, "AMQ8146E"},
    {MQI_E_Q_MGR_QUIESCING, "AMQ8146E"},
    {MQI_E_Q_MGR_NOT_AVAILABLE, "AMQ8146E"},
    {MQI_E_CONNECTION_BROKEN, "AMQ8146E"},
    {MQI_E_NOT_DONE, "AMQ8146E"},
    {MQI_E_UNKNOWN_OUTCOME, "AMQ8146E"},
};

/* What IBM says of a channel, a listener or a service in the wrong state. */
static const char *
state_id(const struct mqctl_command *c)
{
	if (c->noun == MQCTL_LISTENER || c->noun == MQCTL_SERVICE)
		return c->verb == MQCTL_START ? "AMQ8730E" : "AMQ8731W";
	return c->verb == MQCTL_START ? "AMQ9514E" : "AMQ9533W";
}

static const char *
failed_id(const struct mqctl_command *c, enum mqi_err err)
{
	if (err == MQI_E_STATE)
		return state_id(c);
	if (err == MQI_E_UNKNOWN_OBJECT && c->noun == MQCTL_CHSTATUS)
		return "AMQ8420I";
	for (size_t i = 0; i < MQ_ARRAY_LEN(failed); i++)
		if (failed[i].err == err)
			return failed[i].id;
	return "AMQ8101S";
}

void
print_message_of(const struct mqctl_command *c, enum mqi_err err,
    const char *text, struct print_message *ret)
{
	/* for what a later queue manager can do */
	const char *id = "AMQ8000I";
	const char *sentence = "Command processed.";
	if (err == MQI_OK) {
		for (size_t i = 0; i < MQ_ARRAY_LEN(done); i++) {
			if (done[i].verb != c->verb || done[i].noun != c->noun)
				continue;
			id = done[i].id;
			sentence = done[i].text;
		}
		if (text[0] != '\0')
			(void)snprintf(ret->text, sizeof(ret->text),
			    "%.*s: %s.", (int)strlen(sentence) - 1, sentence,
			    text);
		else
			(void)snprintf(
			    ret->text, sizeof(ret->text), "%s", sentence);
	} else {
		id = failed_id(c, err);
		(void)snprintf(ret->text, sizeof(ret->text), "%s (%d, %s).",
		    text[0] != '\0' ? text : mqi_strerror(err), (int)err,
		    mqi_err_name(err));
	}
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
}
