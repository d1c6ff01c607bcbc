/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqi_err.h - the one table of reasons.
 *
 * Every call that can fail returns an enum mqi_err.  The numbers below 10000
 * are IBM MQ's reason codes (MQRC_*), so that an administrator and a later
 * MQI-compatible library need no second table; those from 10000 on are ours.
 * They cross the wire and stand in logs: never renumber, only add.
 *
 * Each reason has one completion: OK, a WARNING (the call did its work and
 * its outputs are written) or FAILED (outputs are untouched).
 */
#ifndef MQ_MQI_ERR_H
#define MQ_MQI_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*      number, name, completion, text */
#define MQI_ERR_MAP(X)                                                         \
	X(0, OK, OK, "done")                                                   \
	X(2001, ALIAS_TARGET, FAIL,                                            \
	    "the target of the alias is not a queue that it may name")         \
	X(2003, BACKED_OUT, FAIL, "the unit of work was backed out")           \
	X(2009, CONNECTION_BROKEN, FAIL,                                       \
	    "the connection to the queue manager is broken")                   \
	X(2013, EXPIRY, FAIL, "the expiry time is not valid")                  \
	X(2016, GET_INHIBITED, FAIL, "gets are inhibited on the queue")        \
	X(2018, HCONN, FAIL, "the connection handle is not valid")             \
	X(2019, HOBJ, FAIL, "the object handle is not valid")                  \
	X(2024, SYNCPOINT_LIMIT, FAIL,                                         \
	    "the unit of work has reached its limit of messages or bytes")     \
	X(2025, MAX_CONNS_LIMIT_REACHED, FAIL,                                 \
	    "there are as many connections as there may be")                   \
	X(2026, MD, FAIL, "the message descriptor is not valid")               \
	X(2027, MISSING_REPLY_TO_Q, FAIL, "a reply-to queue is needed")        \
	X(2029, MSG_TYPE, FAIL, "the message type is not valid")               \
	X(2030, MSG_TOO_BIG_FOR_Q, FAIL,                                       \
	    "the message is longer than the queue's MAXMSGL")                  \
	X(2031, MSG_TOO_BIG_FOR_Q_MGR, FAIL,                                   \
	    "the message is longer than the queue manager's MAXMSGL")          \
	X(2033, NO_MSG_AVAILABLE, FAIL, "no message is available")             \
	X(2034, NO_MSG_UNDER_CURSOR, FAIL,                                     \
	    "the browse cursor is not on a message")                           \
	X(2035, NOT_AUTHORIZED, FAIL, "not authorized")                        \
	X(2037, NOT_OPEN_FOR_INPUT, FAIL, "the queue is not open for input")   \
	X(2036, NOT_OPEN_FOR_BROWSE, FAIL, "the queue is not open for browse") \
	X(2038, NOT_OPEN_FOR_INQUIRE, FAIL,                                    \
	    "the queue is not open for inquire")                               \
	X(2039, NOT_OPEN_FOR_OUTPUT, FAIL, "the queue is not open for output") \
	X(2042, OBJECT_IN_USE, FAIL, "the object is in use by another handle") \
	X(2043, OBJECT_TYPE, FAIL, "the object type is not valid")             \
	X(2045, OPTION_NOT_VALID_FOR_TYPE, FAIL,                               \
	    "an option is not valid for this type of object")                  \
	X(2046, OPTIONS, FAIL, "the options are not valid or contradict")      \
	X(2047, PERSISTENCE, FAIL, "the persistence is not valid")             \
	X(2050, PRIORITY, FAIL, "the priority is not valid")                   \
	X(2051, PUT_INHIBITED, FAIL, "puts are inhibited on the queue")        \
	X(2052, Q_DELETED, FAIL, "the queue has been deleted")                 \
	X(2053, Q_FULL, FAIL, "the queue is at its MAXDEPTH")                  \
	X(2055, Q_NOT_EMPTY, FAIL, "the queue is not empty")                   \
	X(2056, Q_SPACE, FAIL, "there is no room on disk for the queue")       \
	X(2058, Q_MGR_NAME, FAIL,                                              \
	    "the queue manager's name is not known here")                      \
	X(2059, Q_MGR_NOT_AVAILABLE, FAIL, "the queue manager is not running") \
	X(2063, SECURITY, FAIL, "a security error occurred")                   \
	X(2071, NO_MEMORY, FAIL, "there is not enough memory")                 \
	X(2079, TRUNCATED_ACCEPTED, WARN,                                      \
	    "the message was cut to the buffer and is gone from the queue")    \
	X(2080, TRUNCATED, WARN,                                               \
	    "the message was cut to the buffer and stays on the queue")        \
	X(2082, UNKNOWN_ALIAS_TARGET, FAIL,                                    \
	    "the target of the alias does not exist")                          \
	X(2085, UNKNOWN_OBJECT, FAIL, "no object has this name")               \
	X(2086, UNKNOWN_OBJECT_Q_MGR, FAIL,                                    \
	    "the queue manager named is not known for this open")              \
	X(2087, UNKNOWN_REMOTE_Q_MGR, FAIL,                                    \
	    "no route leads to the remote queue manager")                      \
	X(2090, WAIT_INTERVAL, FAIL, "the wait interval is not valid")         \
	X(2091, XMIT_Q_TYPE, FAIL, "the transmission queue is not local")      \
	X(2092, XMIT_Q_USAGE, FAIL,                                            \
	    "the queue named as transmission queue is not one")                \
	X(2101, OBJECT_DAMAGED, FAIL, "the object is damaged")                 \
	X(2102, RESOURCE_PROBLEM, FAIL, "a resource of the system ran out")    \
	X(2152, OBJECT_NAME, FAIL, "the object name is not valid")             \
	X(2153, OBJECT_Q_MGR_NAME, FAIL,                                       \
	    "the object's queue manager name is not valid")                    \
	X(2161, Q_MGR_QUIESCING, FAIL, "the queue manager is quiescing")       \
	X(2162, Q_MGR_STOPPING, FAIL, "the queue manager is stopping")         \
	X(2184, REMOTE_Q_NAME, FAIL,                                           \
	    "a queue-manager alias may not name a remote queue")               \
	X(2189, CLUSTER_RESOLUTION, FAIL, "the cluster name is not resolved")  \
	X(2192, STORAGE_MEDIUM_FULL, FAIL, "the disk is full")                 \
	X(2195, UNEXPECTED, FAIL, "an unexpected error occurred")              \
	X(2196, UNKNOWN_XMIT_Q, FAIL, "the transmission queue does not exist") \
	X(2197, UNKNOWN_DEF_XMIT_Q, FAIL,                                      \
	    "the default transmission queue does not exist")                   \
	X(2198, DEF_XMIT_Q_TYPE, FAIL,                                         \
	    "the default transmission queue is not local")                     \
	X(2199, DEF_XMIT_Q_USAGE, FAIL,                                        \
	    "the default transmission queue is not a transmission queue")      \
	X(2202, CONNECTION_QUIESCING, FAIL, "the connection is quiescing")     \
	X(2203, CONNECTION_STOPPING, FAIL, "the connection is stopping")       \
	X(2209, NO_MSG_LOCKED, FAIL, "no message is locked by browsing")       \
	X(2218, MSG_TOO_BIG_FOR_CHANNEL, FAIL,                                 \
	    "the message is longer than the channel's MAXMSGL")                \
	X(2232, UNIT_OF_WORK_NOT_STARTED, FAIL,                                \
	    "the unit of work is not started")                                 \
	X(2298, FUNCTION_NOT_SUPPORTED, FAIL,                                  \
	    "the function is not supported here")                              \
	X(2362, BACKOUT_THRESHOLD_REACHED, FAIL,                               \
	    "the message was backed out as often as BOTHRESH allows")          \
	X(2393, SSL_INITIALIZATION_ERROR, FAIL, "TLS could not be set up")     \
	X(2397, CLIENT_EXIT_ERROR, FAIL, "TLS failed on the connection")       \
	X(2425, TOPIC_STRING_ERROR, FAIL, "the topic string is not valid")     \
	X(2428, NO_SUBSCRIPTION, FAIL, "there is no such subscription")        \
	X(2429, SUBSCRIPTION_IN_USE, FAIL,                                     \
	    "the subscription is in use by another handle")                    \
	X(2432, SUB_ALREADY_EXISTS, FAIL,                                      \
	    "a subscription of this name exists already")                      \
	X(2434, IDENTITY_MISMATCH, FAIL, "the subscription is another user's") \
	X(2436, DURABILITY_NOT_ALLOWED, FAIL,                                  \
	    "durable subscriptions to the topic are not allowed")              \
	X(2437, NO_RETAINED_MSG, FAIL, "nothing is retained of the topic")     \
	X(2440, SUB_NAME_ERROR, FAIL,                                          \
	    "the subscription's name is not valid, missing or not wanted")     \
	X(2442, PROPERTY_NAME, FAIL, "a property name is not valid")           \
	X(2459, SELECTOR_SYNTAX_ERROR, FAIL,                                   \
	    "the selection string is not a condition")                         \
	X(2473, PROPERTY_TYPE, FAIL, "a property type is not valid")           \
	X(2502, PUBLICATION_FAILURE, FAIL,                                     \
	    "a subscriber who must get the publication cannot take it")        \
	X(2503, SUB_INHIBITED, FAIL,                                           \
	    "subscriptions to the topic are inhibited")                        \
	X(2519, SELECTION_STRING_ERROR, FAIL,                                  \
	    "the selection string is empty, too long or not a text")           \
	X(2537, CHANNEL_NOT_AVAILABLE, FAIL, "the channel is not available")   \
	X(2538, HOST_NOT_AVAILABLE, FAIL, "the host cannot be reached")        \
	X(2539, CHANNEL_CONFIG, FAIL,                                          \
	    "the channel's definition does not fit its partner's")             \
	X(2540, UNKNOWN_CHANNEL, FAIL, "no channel has this name")             \
	X(4025, CHANNEL_INDOUBT, FAIL,                                         \
	    "the channel has sent messages that are not acknowledged")         \
	X(10000, INVAL, FAIL, "an argument of the call is not valid")          \
	X(10001, PROTOCOL, FAIL, "the partner broke the protocol")             \
	X(10002, VERSION, FAIL, "the partner's version cannot be spoken to")   \
	X(10003, FORKED, FAIL,                                                 \
	    "the connection belongs to the parent of this process: connect "   \
	    "again after fork")                                                \
	X(10004, BUFFER_TOO_SMALL, FAIL, "the buffer is too small")            \
	X(10005, TOO_BIG, FAIL, "a value is beyond its limit")                 \
	X(10006, IO, FAIL, "an input or output error occurred")                \
	X(10007, STORE_FORMAT, FAIL,                                           \
	    "the store's format is not known to this version")                 \
	X(10008, STORE_FAILED, FAIL, "the store has failed")                   \
	X(10009, POSITION_MOVED, FAIL,                                         \
	    "the stored position is not the one expected")                     \
	X(10010, FENCED, FAIL,                                                 \
	    "a later holder has opened the position or the stream")            \
	X(10011, UNKNOWN_OUTCOME, FAIL,                                        \
	    "the connection broke: the call may or may not have been done")    \
	X(10012, NOT_DONE, FAIL,                                               \
	    "the connection broke before the call: it was not done")           \
	X(10013, RUNNING, FAIL, "the queue manager is running already")        \
	X(10014, EXISTS, FAIL, "an object of this name exists already")        \
	X(10015, SYNTAX, FAIL, "the command has a syntax error")               \
	X(10016, ATTRIBUTE, FAIL, "an attribute is not known or not valid")    \
	X(10017, STATE, FAIL, "the object is not in a state for this command") \
	X(10018, HOP_LIMIT, FAIL, "the message has made too many hops")        \
	X(10019, CANCELLED, FAIL, "the call was cancelled")                    \
	X(10020, NOT_CURRENT, FAIL,                                            \
	    "the stream belongs to another partner or incarnation")            \
	X(10021, CERTIFICATE, FAIL, "a certificate or key was refused")        \
	X(10022, BUSY, FAIL, "the handle is in use by another call")           \
	X(10023, SUPPRESSED, FAIL,                                             \
	    "not tried, since an earlier asynchronous put on the handle "      \
	    "failed")                                                          \
	X(10040, CALLS_BACK, FAIL,                                             \
	    "the partner ends this connection and dials one of its own")       \
	X(10080, SELECTOR_LIMIT, FAIL,                                         \
	    "the selection string has more parts than it may")

enum mqi_err {

#define MQI_ERR_ENUM(number, name, completion, text) MQI_E_##name = (number),
	MQI_ERR_MAP(MQI_ERR_ENUM)
#undef MQI_ERR_ENUM
};

#define MQI_OK MQI_E_OK

enum mqi_completion {
	MQI_COMP_OK = 0,
	MQI_COMP_WARN = 1,
	MQI_COMP_FAIL = 2,
};

/*
 * mqi_strerror - the text of a reason.
 * Returns a constant string, "unknown reason" for a number not in the table.
 * Thread-safe, never blocks.
 */
const char *mqi_strerror(enum mqi_err err);

/*
 * mqi_err_name - the name of a reason as in MQRC_ names ("Q_FULL").
 * Returns a constant string, "UNKNOWN" for a number not in the table.
 * Thread-safe, never blocks.
 */
const char *mqi_err_name(enum mqi_err err);

/*
 * mqi_completion - whether a reason is a success, a warning or a failure.
 * A number not in the table is a failure.  Thread-safe, never blocks.
 */
enum mqi_completion mqi_completion(enum mqi_err err);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
