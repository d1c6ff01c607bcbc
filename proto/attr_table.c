/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr_table.c - the table of attributes: IBM's keywords, ranges and defaults.
 *
 * Neighbours: attr.c looks things up here; the parser, the queue manager,
 * DISPLAY, `mqadmin mqsc` help and docs/mqsc.md all follow from it.
 *
 * Defaults that differ from IBM's, on purpose: HBINT 5 s (IBM: 300), so that a
 * dead partner is noticed in seconds; a blank SSLCIPH is any suite of TLS 1.3;
 * a listener's PORT is 1414 (IBM writes 0 for it).  Retries and limits are
 * IBM's.
 *
 * Invariants (tests/unit/proto/test_attr.c): rows are in order of keyword;
 * every default is valid; each (type, attribute) has at most one row; every
 * attribute number has a row.
 */
#include "proto/attr_table.h"

#include "base/address.h"
#include "base/cipher.h"
#include "base/compress.h"
#include "base/dn.h"
#include "base/name.h"
#include "proto/selector.h"

#define QM MQ_BIT(MQATTR_QMGR)
#define QL MQ_BIT(MQATTR_QLOCAL)
#define QA MQ_BIT(MQATTR_QALIAS)
#define QR MQ_BIT(MQATTR_QREMOTE)
#define MODEL MQ_BIT(MQATTR_QMODEL)
#define QLM (QL | MODEL) /* what holds messages, or makes what does */
#define CH MQ_BIT(MQATTR_CHANNEL)
#define LS MQ_BIT(MQATTR_LISTENER)
#define AR MQ_BIT(MQATTR_AUTHREC)
#define CA MQ_BIT(MQATTR_CHLAUTH)
#define NL MQ_BIT(MQATTR_NAMELIST)
#define PR MQ_BIT(MQATTR_PROCESS)
#define SV MQ_BIT(MQATTR_SERVICE)
#define TP MQ_BIT(MQATTR_TOPIC)
#define SU MQ_BIT(MQATTR_SUB)
#define QUEUES (QLM | QA | QR)
#define ALL (QM | QUEUES | CH | LS | NL | PR | SV | TP)

#define SDR MQ_BIT(MQATTR_SDR)
#define RCVR MQ_BIT(MQATTR_RCVR)
#define SVR MQ_BIT(MQATTR_SVR)
#define RQSTR MQ_BIT(MQATTR_RQSTR)
#define SVRCONN MQ_BIT(MQATTR_SVRCONN)
#define SENDS (SDR | SVR)
#define TAKES (RCVR | RQSTR)
#define DIALS (SDR | SVR | RQSTR)
#define MSGS (SENDS | TAKES)
#define EVERY (MSGS | SVRCONN)

#define MANY 999999999
#define LIST_LEN 1000 /* bytes of a list of addresses or users */
#define CORREL_LEN (2 * MQI_ID_LEN)

static const char *const words_able[] = {"ENABLED", "DISABLED", NULL};
static const char *const words_as_able[] = {
    "ASPARENT", "ENABLED", "DISABLED", NULL};
static const char *const words_as_priority[] = {"ASPARENT", NULL};
static const char *const words_as_yes_no[] = {"ASPARENT", "YES", "NO", NULL};
static const char *const words_destclas[] = {"PROVIDED", "MANAGED", NULL};
static const char *const words_msgdlv[] = {
    "ASPARENT", "ALL", "ALLDUR", "ALLAVAIL", NULL};
static const char *const words_pubprty[] = {
    "ASPUB", "ASQDEF", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};
static const char *const words_subtype[] = {"ADMIN", "API", NULL};
static const char *const words_targtype[] = {"QUEUE", "TOPIC", NULL};
static const char *const words_unlimited[] = {"UNLIMITED", NULL};
static const char *const words_varuser[] = {"ANY", "FIXED", NULL};
static const char *const words_wildcard[] = {"PASSTHRU", "BLOCK", NULL};
static const char *const words_wschema[] = {"TOPIC", NULL};
static const char *const words_yes_no[] = {"YES", "NO", NULL};
static const char *const words_chlauth[] = {"SSLPEERMAP", "USERMAP", "QMGRMAP",
    "ADDRESSMAP", "BLOCKUSER", "BLOCKADDR", NULL};
static const char *const words_chltype[] = {
    "SDR", "RCVR", "SVR", "RQSTR", "SVRCONN", NULL};
static const char *const words_control[] = {
    "MANUAL", "QMGR", "STARTONLY", NULL};
static const char *const words_defsopt[] = {"SHARED", "EXCL", NULL};
static const char *const words_deftype[] = {
    "PREDEFINED", "TEMPDYN", "PERMDYN", NULL};
static const char *const words_deftype_model[] = {"TEMPDYN", "PERMDYN", NULL};
static const char *const words_enttype[] = {"PRINCIPAL", "GROUP", NULL};
static const char *const words_auto[] = {"AUTO", NULL};
static const char *const words_monchl[] = {
    "QMGR", "OFF", "LOW", "MEDIUM", "HIGH", NULL};
static const char *const words_monchl_qmgr[] = {
    "NONE", "OFF", "LOW", "MEDIUM", "HIGH", NULL};
static const char *const words_msgdlvsq[] = {"PRIORITY", "FIFO", NULL};
static const char *const words_nolimit[] = {"NOLIMIT", NULL};
static const char *const words_npmspeed[] = {"FAST", "NORMAL", NULL};
static const char *const words_objtype[] = {"QMGR", "QUEUE", "CHANNEL",
    "LISTENER", "NAMELIST", "PROCESS", "SERVICE", "TOPIC", NULL};
static const char *const words_putaut[] = {"DEF", "CTX", NULL};
static const char *const words_servtype[] = {"COMMAND", "SERVER", NULL};
static const char *const words_sslcauth[] = {"REQUIRED", "OPTIONAL", NULL};
static const char *const words_trptype[] = {"TCP", NULL};
static const char *const words_trigtype[] = {
    "FIRST", "EVERY", "DEPTH", "NONE", NULL};
static const char *const words_usersrc[] = {"MAP", "NOACCESS", "CHANNEL", NULL};
static const char *const words_strmqos[] = {"BESTEF", "MUSTDUP", NULL};
static const char *const words_usage[] = {"NORMAL", "XMITQ", NULL};

/* of those without effect */
static const char *const words_acctq[] = {"QMGR", "ON", "OFF", NULL};
static const char *const words_acctq_qmgr[] = {"OFF", "ON", "NONE", NULL};
static const char *const words_on[] = {"OFF", "ON", NULL};
static const char *const words_activrec[] = {"MSG", "QUEUE", "DISABLED", NULL};
static const char *const words_bind[] = {"OPEN", "NOTFIXED", "GROUP", NULL};
static const char *const words_certvpol[] = {"ANY", "RFC5280", NULL};
static const char *const words_chlev[] = {
    "DISABLED", "EXCEPTION", "ENABLED", NULL};
static const char *const words_clwluseq[] = {"QMGR", "ANY", "LOCAL", NULL};
static const char *const words_clwluseq_qmgr[] = {"LOCAL", "ANY", NULL};
static const char *const words_cmdev[] = {
    "DISABLED", "ENABLED", "NODISPLAY", NULL};
static const char *const words_comphdr[] = {"NONE", "SYSTEM", NULL};
static const char *const words_default[] = {"DEFAULT", NULL};
static const char *const words_defclxq[] = {"SCTQ", "CHANNEL", NULL};
static const char *const words_defpresp[] = {"SYNC", "ASYNC", NULL};
static const char *const words_defreada[] = {"NO", "YES", "DISABLED", NULL};
static const char *const words_imgrcovq[] = {"QMGR", "YES", "NO", NULL};
static const char *const words_imgsched[] = {"MANUAL", "AUTO", NULL};
static const char *const words_ipaddrv[] = {"IPV4", "IPV6", NULL};
static const char *const words_mcatype[] = {"PROCESS", "THREAD", NULL};
static const char *const words_monq[] = {
    "QMGR", "OFF", "LOW", "MEDIUM", "HIGH", NULL};
static const char *const words_npmclass[] = {"NORMAL", "HIGH", NULL};
static const char *const words_off[] = {"OFF", NULL};
static const char *const words_propctl[] = {
    "COMPAT", "NONE", "ALL", "FORCE", "V6COMPAT", NULL};
static const char *const words_psmode[] = {
    "ENABLED", "COMPAT", "DISABLED", NULL};
static const char *const words_psnpmsg[] = {"DISCARD", "KEEP", NULL};
static const char *const words_psnpres[] = {
    "NORMAL", "SAFE", "DISCARD", "KEEP", NULL};
static const char *const words_pssyncpt[] = {"IFPER", "YES", NULL};
static const char *const words_qsvciev[] = {"NONE", "HIGH", "OK", NULL};
static const char *const words_schinit[] = {"QMGR", "MANUAL", NULL};
static const char *const words_scope[] = {"QMGR", "CELL", NULL};
static const char *const words_statchl[] = {
    "QMGR", "OFF", "LOW", "MEDIUM", "HIGH", NULL};
static const char *const words_statchl_qmgr[] = {
    "OFF", "NONE", "LOW", "MEDIUM", "HIGH", NULL};

/* one row, one line of meaning */
#define ROW(name, type, lo, hi, w, dflt, ro, mask, chl, text)                  \
	{                                                                      \
		.id = MQATTR_ID_##name, .keyword = #name,                      \
		.kind = MQATTR_##type, .min = (lo), .max = (hi), .words = (w), \
		.def = (dflt), .read_only = (ro), .objects = (uint32_t)(mask), \
		.chltypes = (uint32_t)(chl), .help = (text)                    \
	}
/* accepted, kept and shown; the text says why it does nothing */
#define INERT(type, name, lo, hi, w, dflt, mask, chl, text)                    \
	{                                                                      \
		.id = MQATTR_ID_##name, .keyword = #name,                      \
		.kind = MQATTR_##type, .min = (lo), .max = (hi), .words = (w), \
		.def = (dflt), .inert = true, .objects = (uint32_t)(mask),     \
		.chltypes = (uint32_t)(chl), .help = (text)                    \
	}
#define INT(name, lo, hi, dflt, mask, chl, text) \
	ROW(name, INT, lo, hi, NULL, dflt, false, mask, chl, text)
#define INT_RO(name, mask, text) \
	ROW(name, INT, 0, INT64_MAX, NULL, "0", true, mask, EVERY, text)
#define NAME(name, mask, chl, text) \
	ROW(name, NAME, 0, MQI_NAME_LEN, NULL, "", false, mask, chl, text)
#define TEXT(name, len, mask, chl, text) \
	ROW(name, TEXT, 0, len, NULL, "", false, mask, chl, text)
#define TEXT_RO(name, len, mask, text) \
	ROW(name, TEXT, 0, len, NULL, "", true, mask, EVERY, text)
#define WORD(name, w, dflt, mask, chl, text) \
	ROW(name, WORD, 0, 0, w, dflt, false, mask, chl, text)
#define FLAG(name, dflt, mask, text) \
	ROW(name, FLAG, 0, 0, words_yes_no, dflt, false, mask, EVERY, text)

const struct mqattr_def mqattr_table[] = {
    INERT(WORD, ACCTCONO, 0, 0, words_able, "DISABLED", QM, 0, "accounting"),
    INERT(INT, ACCTINT, 0, 604800, NULL, "1800", QM, 0, "accounting"),
    INERT(WORD, ACCTMQI, 0, 0, words_on, "OFF", QM, 0, "accounting"),
    INERT(WORD, ACCTQ, 0, 0, words_acctq_qmgr, "OFF", QM, 0, "accounting"),
    INERT(WORD, ACCTQ, 0, 0, words_acctq, "QMGR", QLM, 0, "accounting"),
    INERT(WORD, ACTIVREC, 0, 0, words_activrec, "MSG", QM, 0,
	"activity reports are always made"),
    INERT(WORD, ACTVCONO, 0, 0, words_able, "DISABLED", QM, 0, "accounting"),
    INERT(WORD, ACTVTRC, 0, 0, words_on, "OFF", QM, 0, "activity trace"),
    TEXT(ADDRESS, MQADDR_LEN, CA, 0,
	"the partner's address: one, or a pattern like 192.0.2-5.*"),
    TEXT(ADDRLIST, LIST_LEN, CA, 0,
	"BLOCKADDR: addresses and patterns, with commas"),
    TEXT_RO(ALTDATE, 10, ALL | CA | SU, "date of the last change, YYYY-MM-DD"),
    TEXT_RO(
	ALTTIME, 8, ALL | CA | SU, "time of the last change, hh.mm.ss, GMT"),
    TEXT(APPLICID, 256, PR, 0,
	"the program that a trigger monitor starts, and its arguments"),
    ROW(APPLTYPE, TEXT, 0, 16, NULL, "UNIX", false, PR, 0,
	"what kind of program: UNIX, or another kind's word or number"),
    TEXT(AUTHLIST, 256, AR, 0, "the rights that are given, with commas"),
    INERT(WORD, AUTHOREV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    ROW(AUTODEF, TEXT, 0, MQDN_MAX, NULL, "", true, CH, RCVR | SVRCONN,
	"the partner for which it was defined by itself; blank: none"),
    INT(BACKLOG, 0, 9999, "0", LS, 0,
	"connections that may wait to be accepted; 0: 100"),
    INERT(INT, BATCHHB, 0, 999999, NULL, "0", CH, SENDS,
	"heartbeats go on within a batch"),
    INT(BATCHINT, 0, MANY, "0", CH, SENDS,
	"milliseconds that the other end may wait for more before it commits"),
    INT(BATCHLIM, 0, MANY, "5000", CH, SENDS,
	"KB of messages in one unit of work of the other end; 0: no limit"),
    INT(BATCHSZ, 1, 9999, "50", CH, MSGS,
	"messages that one unit of work of the receiver may cover"),
    NAME(BOQNAME, QLM, 0,
	"where messages go that were backed out BOTHRESH times; blank: DEADQ"),
    INT(BOTHRESH, 0, MANY, "0", QLM, 0,
	"a message backed out so often goes to BOQNAME; 0: it stays"),
    ROW(CAPEXPRY, INT, 0, MANY, words_nolimit, "NOLIMIT", false, QUEUES, 0,
	"tenths of a second that a message put through it lives at most"),
    INERT(INT, CCSID, 1, 65535, NULL, "1208", QM, 0, "texts are not converted"),
    TEXT(CERTLABL, MQNAME_LABEL_LEN, QM | CH, DIALS,
	"certificate to use, LABEL.cert.pem; blank: cert.pem"),
    INERT(WORD, CERTVPOL, 0, 0, words_certvpol, "ANY", QM, 0,
	"certificates are always judged by RFC 5280"),
    WORD(CHAD, words_able, "DISABLED", QM, 0,
	"whether channels are defined that a partner calls in vain"),
    INERT(WORD, CHADEV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    WORD(CHLAUTH, words_able, "ENABLED", QM, 0,
	"whether CHLAUTH records decide who may connect"),
    TEXT(CHLAUTH, MQI_CHANNEL_NAME_LEN, CA, 0,
	"the channels: a name, in which * stands for any characters"),
    INERT(WORD, CHLEV, 0, 0, words_chlev, "DISABLED", QM, 0, "events"),
    WORD(CHLTYPE, words_chltype, "SDR", CH, EVERY,
	"which end it is, or for applications; cannot be altered"),
    INERT(
	TEXT, CLCHNAME, 0, MQI_CHANNEL_NAME_LEN, NULL, "", QLM, 0, "clusters"),
    TEXT(CLNTUSER, MQATTR_USER_LEN, CA, 0,
	"the user that a client says it is; may hold *"),
    INERT(NAME, CLUSNL, 0, MQI_NAME_LEN, NULL, "", QUEUES, 0, "clusters"),
    INERT(NAME, CLUSTER, 0, MQI_NAME_LEN, NULL, "", QUEUES, 0, "clusters"),
    INERT(TEXT, CLWLDATA, 0, 32, NULL, "", QM, 0, "clusters"),
    INERT(INT, CLWLLEN, 0, 999999999, NULL, "100", QM, 0, "clusters"),
    INERT(INT, CLWLMRUC, 1, MANY, NULL, "999999999", QM, 0, "clusters"),
    INERT(INT, CLWLPRTY, 0, 9, NULL, "0", QUEUES, 0, "clusters"),
    INERT(INT, CLWLRANK, 0, 9, NULL, "0", QUEUES, 0, "clusters"),
    INERT(
	WORD, CLWLUSEQ, 0, 0, words_clwluseq_qmgr, "LOCAL", QM, 0, "clusters"),
    INERT(WORD, CLWLUSEQ, 0, 0, words_clwluseq, "QMGR", QLM, 0, "clusters"),
    INERT(WORD, CMDEV, 0, 0, words_cmdev, "DISABLED", QM, 0, "events"),
    INERT(WORD, COMPHDR, 0, 0, words_comphdr, "NONE", CH, MSGS,
	"COMPMSG compresses headers too"),
    TEXT(COMPMSG, MQCOMPRESS_TEXT_LEN, CH, MSGS,
	"how messages may be compressed, best first; blank: NONE"),
    INERT(WORD, CONFIGEV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    TEXT(CONNAME, 264, CH, DIALS,
	"where the partner listens: host(port), several with commas"),
    WORD(CONTROL, words_control, "MANUAL", LS | SV, 0,
	"whether it starts and stops with the queue manager"),
    INERT(WORD, CONVERT, 0, 0, words_yes_no, "NO", CH, SENDS,
	"texts are not converted"),
    TEXT_RO(CRDATE, 10, QM | QUEUES | SU, "date of creation, YYYY-MM-DD"),
    TEXT_RO(CRTIME, 8, QM | QUEUES | SU, "time of creation, hh.mm.ss, GMT"),
    INT_RO(CURDEPTH, QL, "messages on the queue, uncommitted ones too"),
    INERT(TEXT, CUSTOM, 0, 128, NULL, "", QM | QUEUES, 0,
	"a place for new attributes"),
    NAME(DEADQ, QM, 0, "dead-letter queue; blank: none"),
    INERT(WORD, DEFBIND, 0, 0, words_bind, "OPEN", QUEUES, 0, "clusters"),
    INERT(WORD, DEFCLXQ, 0, 0, words_defclxq, "SCTQ", QM, 0, "clusters"),
    INERT(WORD, DEFPRESP, 0, 0, words_defpresp, "SYNC", QUEUES, 0,
	"a program says how it puts"),
    INT(DEFPRTY, 0, MQI_MAX_PRIORITY, "0", QUEUES, 0,
	"priority of messages put with none of their own"),
    ROW(DEFPRTY, INT, -1, MQI_MAX_PRIORITY, words_as_priority, "ASPARENT",
	false, TP, 0, "priority of publications with none of their own"),
    WORD(DEFPSIST, words_yes_no, "NO", QUEUES, 0,
	"persistence of messages put with none of their own"),
    WORD(DEFPSIST, words_as_yes_no, "ASPARENT", TP, 0,
	"persistence of publications with none of their own"),
    INERT(WORD, DEFREADA, 0, 0, words_defreada, "NO", QLM | QA, 0,
	"a program says how it gets"),
    WORD(DEFSOPT, words_defsopt, "SHARED", QL, 0,
	"how the queue is opened for input as the queue defines"),
    WORD(DEFSOPT, words_defsopt, "EXCL", MODEL, 0,
	"how the queue is opened for input as the queue defines"),
    WORD(DEFTYPE, words_deftype_model, "TEMPDYN", MODEL, 0,
	"TEMPDYN: ends with the handle that made it; PERMDYN: stays"),
    ROW(DEFTYPE, WORD, 0, 0, words_deftype, "PREDEFINED", true, QL, 0,
	"whether it was defined, or made by opening a model queue"),
    NAME(DEFXMITQ, QM, 0,
	"transmission queue for queue managers without their own"),
    TEXT(DESCR, 64, ALL | CA, EVERY, "a comment"),
    NAME(DEST, SU, 0, "queue that publications go to"),
    WORD(DESTCLAS, words_destclas, "PROVIDED", SU, 0,
	"MANAGED: a queue is made for it, and goes with it"),
    TEXT(DESTCORL, CORREL_LEN, SU, 0,
	"correlation id of its publications, in hex; blank: the publisher's"),
    NAME(DESTQMGR, SU, 0, "queue manager that has DEST; blank: this one"),
    INT(DISCINT, 0, 999999, "6000", CH, SENDS | SVRCONN,
	"seconds without work after which it ends; 0 (SVRCONN's own): never"),
    INERT(WORD, DISTL, 0, 0, words_yes_no, "NO", QLM, 0, "distribution lists"),
    WORD(DURSUB, words_as_yes_no, "ASPARENT", TP, 0,
	"whether durable subscriptions may be made"),
    TEXT(ENTITY, 64, AR, 0, "to whom they are given"),
    WORD(ENTTYPE, words_enttype, "PRINCIPAL", AR, 0,
	"whether that is a user or a group of users"),
    TEXT(ENVRDATA, 128, PR, 0, "arguments that follow the trigger's"),
    ROW(EXPIRY, INT, 0, MANY, words_unlimited, "UNLIMITED", false, SU, 0,
	"tenths of a second from its creation that it lives"),
    WORD(
	GET, words_able, "ENABLED", QLM | QA, 0, "whether messages may be got"),
    INERT(FLAG, HARDENBO, 0, 0, words_yes_no, "NO", QLM, 0,
	"backout counts are always durable"),
    INT(HBINT, 1, 999999, "5", CH, EVERY,
	"seconds between heartbeats on an idle channel (IBM MQ: 300)"),
    INT(HOPLIMIT, 1, 255, "16", QM, 0,
	"queue managers that a message may pass through"),
    INERT(INT, IMGINTVL, 0, MANY, words_off, "60", QM, 0, "media images"),
    INERT(INT, IMGLOGLN, 0, MANY, words_off, "OFF", QM, 0, "media images"),
    INERT(WORD, IMGRCOVO, 0, 0, words_yes_no, "YES", QM, 0, "media images"),
    INERT(WORD, IMGRCOVQ, 0, 0, words_imgrcovq, "QMGR", QLM, 0, "media images"),
    INERT(WORD, IMGRCOVQ, 0, 0, words_yes_no, "YES", QM, 0, "media images"),
    INERT(
	WORD, IMGSCHED, 0, 0, words_imgsched, "MANUAL", QM, 0, "media images"),
    INERT(WORD, INHIBTEV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    NAME(INITQ, QLM, 0, "where trigger messages are put"),
    TEXT(IPADDR, 48, LS, 0, "address to listen on; blank: all"),
    INERT(WORD, IPADDRV, 0, 0, words_ipaddrv, "IPV4", QM, 0,
	"both are tried, as a name resolves"),
    INT_RO(IPPROCS, QL, "handles open for input"),
    ROW(KAINT, INT, -1, 99999, words_auto, "AUTO", false, CH, EVERY,
	"seconds until TCP probes a silent partner; 0: never; AUTO: HBINT + "
	"60"),
    INERT(WORD, LOCALEV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    INERT(WORD, LOGGEREV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    INT(LONGRTY, 0, MANY, "999999999", CH, DIALS,
	"attempts to connect after the short ones have failed"),
    INT(LONGTMR, 0, MANY, "1200", CH, DIALS, "seconds between those attempts"),
    INERT(INT, MARKINT, 0, MANY, words_nolimit, "5000", QM, 0,
	"marks of browsed messages"),
    INT(MAXDEPTH, 0, MANY, "5000", QLM, 0, "messages that the queue may hold"),
    INERT(INT, MAXFSIZE, 19, 267386880, words_default, "DEFAULT", QLM, 0,
	"a queue has no file of its own"),
    INERT(INT, MAXHANDS, 1, MANY, NULL, "256", QM, 0,
	"a connection may have 65,536 handles"),
    INT(MAXINST, 0, MANY, "999999999", CH, SVRCONN,
	"applications that may be connected at once"),
    INT(MAXINSTC, 0, MANY, "999999999", CH, SVRCONN,
	"applications of one address that may be connected at once"),
    INT(MAXMSGL, 0, MQI_MAX_BODY, "4194304", QM | QLM | CH, EVERY,
	"bytes of the longest message"),
    INERT(INT, MAXPROPL, -1, 104857600, words_nolimit, "NOLIMIT", QM, 0,
	"properties have at most 16,384 bytes"),
    INT(MAXUMSGS, 1, MANY, "10000", QM, 0,
	"messages that a unit may put and get; some 14,000 puts fit in one"),
    INERT(WORD, MCATYPE, 0, 0, words_mcatype, "PROCESS", CH, DIALS,
	"each channel has a process"),
    TEXT(MCAUSER, MQATTR_USER_LEN, CH, EVERY,
	"user of whom USERSRC(CHANNEL) lets in or a RQSTR calls; blank: none"),
    TEXT(MCAUSER, MQATTR_USER_LEN, CA, 0, "MAP: the user that it is here"),
    NAME(MDURMDL, TP, 0,
	"model of the queues of durable subscriptions; blank: as parent"),
    NAME(MNDURMDL, TP, 0,
	"model of the queues of non-durable subscriptions; blank: as parent"),
    INERT(WORD, MONACLS, 0, 0, words_monq, "QMGR", QM, 0, "clusters"),
    WORD(MONCHL, words_monchl_qmgr, "OFF", QM, 0,
	"how much is measured of channels with MONCHL(QMGR); NONE: of any"),
    WORD(MONCHL, words_monchl, "QMGR", CH, MSGS,
	"how much is measured of the channel, from its next start"),
    INERT(WORD, MONQ, 0, 0, words_statchl_qmgr, "OFF", QM, 0,
	"figures are always kept"),
    INERT(WORD, MONQ, 0, 0, words_monq, "QMGR", QLM, 0,
	"figures are always kept"),
    INT(MRRTY, 0, MANY, "10", CH, TAKES,
	"attempts to put a message that was refused"),
    INT(MRTMR, 0, MANY, "1000", CH, TAKES,
	"milliseconds between those attempts"),
    WORD(MSGDLVSQ, words_msgdlvsq, "PRIORITY", QLM, 0,
	"order of delivery; transmission queues are always FIFO"),
    INT_RO(NAMCOUNT, NL, "names in it"),
    TEXT(NAMES, MQATTR_NAMES_LEN, NL, 0, "the names, at most 256, with commas"),
    INERT(WORD, NPMCLASS, 0, 0, words_npmclass, "NORMAL", QLM, 0,
	"messages that do not persist end with a run"),
    WORD(NPMSGDLV, words_msgdlv, "ASPARENT", TP, 0,
	"who must get a publication that does not persist, or nobody does"),
    WORD(NPMSPEED, words_npmspeed, "FAST", CH, MSGS,
	"FAST: messages that do not persist are dropped rather than end it"),
    WORD(OBJTYPE, words_objtype, "QUEUE", AR, 0,
	"the type of the objects on which they are given"),
    INT_RO(OPPROCS, QL, "handles open for output"),
    INERT(NAME, PARENT, 0, MQI_NAME_LEN, NULL, "", QM, 0,
	"hierarchies of queue managers"),
    INERT(WORD, PERFMEV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    WORD(PMSGDLV, words_msgdlv, "ASPARENT", TP, 0,
	"who must get a publication that persists, or nobody does"),
    INT(PORT, 1, 65535, "1414", LS, 0, "TCP port to listen on"),
    NAME(PROCESS, QLM, 0, "what trigger messages say is to be started"),
    TEXT(PROFILE, MQI_NAME_LEN, AR, 0,
	"the objects: a name, in which ?, * and ** stand for others"),
    INERT(WORD, PROPCTL, 0, 0, words_propctl, "COMPAT", QLM | QA, 0,
	"properties are never part of the body"),
    INERT(WORD, PSMODE, 0, 0, words_psmode, "ENABLED", QM, 0,
	"publish and subscribe is always there"),
    INERT(WORD, PSNPMSG, 0, 0, words_psnpmsg, "DISCARD", QM, 0,
	"queued publish and subscribe"),
    INERT(WORD, PSNPRES, 0, 0, words_psnpres, "NORMAL", QM, 0,
	"queued publish and subscribe"),
    INERT(INT, PSRTYCNT, 0, MANY, NULL, "5", QM, 0,
	"queued publish and subscribe"),
    INERT(WORD, PSSYNCPT, 0, 0, words_pssyncpt, "IFPER", QM, 0,
	"queued publish and subscribe"),
    WORD(PUB, words_as_able, "ASPARENT", TP, 0, "whether it may be published"),
    WORD(PUBPRTY, words_pubprty, "ASPUB", SU, 0,
	"priority of its publications; ASQDEF: DEST's own"),
    WORD(PUT, words_able, "ENABLED", QUEUES, 0, "whether messages may be put"),
    WORD(PUTAUT, words_putaut, "DEF", CH, TAKES,
	"CTX: each message is put with the rights of the user that it carries"),
    INERT(INT, QDEPTHHI, 0, 100, NULL, "80", QLM, 0, "events"),
    INERT(INT, QDEPTHLO, 0, 100, NULL, "20", QLM, 0, "events"),
    INERT(WORD, QDPHIEV, 0, 0, words_able, "DISABLED", QLM, 0, "events"),
    INERT(WORD, QDPLOEV, 0, 0, words_able, "DISABLED", QLM, 0, "events"),
    INERT(WORD, QDPMAXEV, 0, 0, words_able, "ENABLED", QLM, 0, "events"),
    TEXT_RO(QMID, 48, QM, "identity of the queue manager, random"),
    TEXT_RO(QMNAME, MQI_NAME_LEN, QM, "name of the queue manager"),
    TEXT(
	QMNAME, MQI_NAME_LEN, CA, 0, "the partner's queue manager; may hold *"),
    INERT(WORD, QSVCIEV, 0, 0, words_qsvciev, "NONE", QLM, 0, "events"),
    INERT(INT, QSVCINT, 0, MANY, NULL, "999999999", QLM, 0, "events"),
    INERT(WORD, REMOTEEV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    INERT(NAME, REPOS, 0, MQI_NAME_LEN, NULL, "", QM, 0, "clusters"),
    INERT(NAME, REPOSNL, 0, MQI_NAME_LEN, NULL, "", QM, 0, "clusters"),
    INERT(INT, RETINTVL, 0, MANY, NULL, "999999999", QLM, 0,
	"hours the queue is needed, for who keeps house"),
    INERT(WORD, REVDNS, 0, 0, words_able, "ENABLED", QM, 0,
	"names of hosts are not looked up"),
    NAME(RNAME, QR, 0,
	"queue at the other queue manager; blank: queue-manager alias"),
    INERT(WORD, ROUTEREC, 0, 0, words_activrec, "MSG", QM, 0,
	"trace-route messages are always answered"),
    NAME(RQMNAME, QR, 0, "the other queue manager"),
    INERT(WORD, SCHINIT, 0, 0, words_schinit, "QMGR", QM, 0,
	"there is no channel initiator"),
    INERT(WORD, SCMDSERV, 0, 0, words_schinit, "QMGR", QM, 0,
	"there is no command server"),
    INERT(WORD, SCOPE, 0, 0, words_scope, "QMGR", QUEUES, 0, "cells"),
    TEXT(SELECTOR, MQSELECTOR_TEXT_MAX, SU, 0,
	"condition that its publications fit; blank: all"),
    INERT(INT, SEQWRAP, 100, MANY, NULL, "999999999", CH, MSGS,
	"numbers have 64 bits and never wrap"),
    WORD(SERVTYPE, words_servtype, "COMMAND", SV, 0,
	"SERVER: one process, watched; COMMAND: one for each START"),
    FLAG(SHARE, "YES", QL, "more than one handle may be open for input"),
    FLAG(SHARE, "NO", MODEL, "more than one handle may be open for input"),
    INERT(INT, SHARECNV, 0, MANY, NULL, "10", CH, SVRCONN,
	"each connection has a socket"),
    INT(SHORTRTY, 0, MANY, "10", CH, DIALS, "first attempts to connect"),
    INT(SHORTTMR, 0, MANY, "60", CH, DIALS, "seconds between those attempts"),
    WORD(SSLCAUTH, words_sslcauth, "REQUIRED", CH, SVR | TAKES | SVRCONN,
	"whether who calls must show a certificate"),
    TEXT(SSLCERTI, MQDN_MAX, CA, 0,
	"pattern that the name of the certificate's issuer must match"),
    TEXT(SSLCIPH, MQCIPHER_NAME_LEN, CH, EVERY,
	"CipherSpec; blank: any of TLS 1.3"),
    INERT(NAME, SSLCRLNL, 0, MQI_NAME_LEN, NULL, "", QM, 0,
	"crl.pem is in SSLKEYR"),
    INERT(WORD, SSLEV, 0, 0, words_able, "DISABLED", QM, 0, "events"),
    INERT(WORD, SSLFIPS, 0, 0, words_yes_no, "NO", QM, 0, "OpenSSL decides"),
    TEXT(SSLKEYR, 256, QM, 0,
	"directory of the PEM files; blank: ssl in its own directory"),
    TEXT(SSLPEER, MQDN_MAX, CH | CA, EVERY,
	"pattern that the partner's distinguished name must match"),
    INERT(INT, SSLRKEYC, 0, MANY, NULL, "0", QM, 0,
	"TLS 1.3 renews keys by itself"),
    TEXT(STARTARG, 255, SV, 0, "arguments of STARTCMD"),
    TEXT(STARTCMD, 255, SV, 0, "path of the program"),
    INERT(WORD, STATACLS, 0, 0, words_acctq, "QMGR", QM, 0, "statistics"),
    INERT(WORD, STATCHL, 0, 0, words_statchl_qmgr, "OFF", QM, 0, "statistics"),
    INERT(WORD, STATCHL, 0, 0, words_statchl, "QMGR", CH, MSGS, "statistics"),
    INERT(INT, STATINT, 0, 604800, NULL, "1800", QM, 0, "statistics"),
    INERT(WORD, STATMQI, 0, 0, words_on, "OFF", QM, 0, "statistics"),
    INERT(WORD, STATQ, 0, 0, words_acctq_qmgr, "OFF", QM, 0, "statistics"),
    INERT(WORD, STATQ, 0, 0, words_acctq, "QMGR", QLM, 0, "statistics"),
    TEXT(STDERR, 255, SV, 0, "file for its errors; blank: nowhere"),
    TEXT(STDOUT, 255, SV, 0, "file for its output; blank: nowhere"),
    TEXT(STOPARG, 255, SV, 0, "arguments of STOPCMD"),
    TEXT(STOPCMD, 255, SV, 0,
	"path of a program that stops it; blank: a signal does"),
    ROW(STOPREQ, WORD, 0, 0, words_yes_no, "NO", true, CH, EVERY,
	"whether a person has stopped the channel and not started it since"),
    NAME(STREAMQ, QLM, 0,
	"where a copy of each message that is put goes; blank: nowhere"),
    WORD(STRMQOS, words_strmqos, "BESTEF", QLM, 0,
	"MUSTDUP: a message is put with its copy or not at all"),
    INERT(WORD, STRSTPEV, 0, 0, words_able, "ENABLED", QM, 0, "events"),
    WORD(SUB, words_as_able, "ASPARENT", TP, 0,
	"whether it may be subscribed to"),
    ROW(SUBTYPE, WORD, 0, 0, words_subtype, "ADMIN", true, SU, 0,
	"whether a command or a program made it"),
    TEXT(SUBUSER, MQATTR_USER_LEN, SU, 0, "user whose rights it had"),
    INERT(TEXT, SUITEB, 0, 64, NULL, "", QM, 0, "SSLCIPH says what is allowed"),
    NAME(TARGET, QA, 0, "queue or topic that the alias stands for"),
    WORD(TARGTYPE, words_targtype, "QUEUE", QA, 0, "which of both TARGET is"),
    NAME(TOPICOBJ, SU, 0, "topic object whose TOPICSTR stands before its own"),
    TEXT(TOPICSTR, MQATTR_TOPIC_LEN, TP, 0,
	"topic whose branch of the tree it is about"),
    TEXT(TOPICSTR, MQATTR_TOPIC_LEN, SU, 0,
	"topics, in which + stands for one level and # for any number"),
    INERT(INT, TREELIFE, 0, 604000, NULL, "1800", QM, 0,
	"topics that nobody needs go at once"),
    TEXT(TRIGDATA, 64, QLM, 0, "passed on in trigger messages"),
    INT(TRIGDPTH, 1, MANY, "1", QLM, 0,
	"TRIGTYPE(DEPTH): messages that set the trigger off"),
    FLAG(TRIGGER, "NO", QLM, "whether trigger messages are put"),
    INT(TRIGINT, 0, MANY, "999999999", QM, 0,
	"ms after which a message on a queue with others triggers FIRST again"),
    INT(TRIGMPRI, 0, MQI_MAX_PRIORITY, "0", QLM, 0,
	"priority below which a message triggers nothing"),
    WORD(TRIGTYPE, words_trigtype, "FIRST", QLM, 0,
	"what triggers: the first message, each one, or TRIGDPTH of them"),
    WORD(TRPTYPE, words_trptype, "TCP", CH | LS, EVERY, "transport"),
    WORD(TYPE, words_chlauth, "SSLPEERMAP", CA, 0,
	"what the record looks at, or blocks"),
    WORD(USAGE, words_usage, "NORMAL", QL, 0,
	"XMITQ: the queue is a transmission queue"),
    WORD(USEDLQ, words_yes_no, "YES", CH, MSGS,
	"whether the channel may use the dead-letter queue"),
    WORD(USEDLQ, words_as_yes_no, "ASPARENT", TP, 0,
	"whether what a subscriber cannot take goes to the dead-letter queue"),
    TEXT(USERDATA, 128, PR, 0, "passed on to the program"),
    TEXT(USERDATA, 128, SU, 0,
	"passed on with each publication as property MQSubUserData"),
    TEXT(USERLIST, LIST_LEN, CA, 0,
	"BLOCKUSER: users, with commas; *MQADMIN: the owner"),
    WORD(USERSRC, words_usersrc, "MAP", CA, 0,
	"which user it is: MCAUSER here, none, or the channel's MCAUSER"),
    WORD(VARUSER, words_varuser, "ANY", SU, 0,
	"whether others than SUBUSER may resume it"),
    WORD(WARN, words_yes_no, "NO", CA, 0,
	"YES: lets in whom it would refuse, with a line in the log"),
    WORD(WILDCARD, words_wildcard, "PASSTHRU", TP, 0,
	"BLOCK: wildcards above it do not reach its branch"),
    WORD(WSCHEMA, words_wschema, "TOPIC", SU, 0, "how wildcards are meant"),
    NAME(XMITQ, QR | CH, SENDS, "transmission queue"),
};

const size_t mqattr_table_len = MQ_ARRAY_LEN(mqattr_table);
