/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr.h - the attributes of objects: one table gives IBM's keyword, kind,
 * range, words, default and the objects that have it, for the parser, the
 * queue manager, DISPLAY, help and the manual alike; and the bytes in which a
 * set of attributes is stored and sent.
 *
 * Stored form: u16 count, then (u16 attribute number, u16 length, bytes);
 * integers as 8 bytes little-endian, words as their text.  A set holds only
 * what differs from the default.  Unknown numbers are an error.
 *
 * Memory: as base/mem.h (values are small).  Pure; thread-safe; a set belongs
 * to one thread.
 */
#ifndef MQ_PROTO_ATTR_H
#define MQ_PROTO_ATTR_H

#include <mq/mqi_msg.h>
#include <stdbool.h>

#include "base/buf.h"

/* Never renumber: stored. */
enum mqattr_object {
	MQATTR_QMGR = 1,
	MQATTR_QLOCAL = 2,
	MQATTR_QALIAS = 3,
	MQATTR_QREMOTE = 4,
	MQATTR_CHANNEL = 5, /* CHLTYPE tells SDR from RCVR */
	MQATTR_LISTENER = 6,
	MQATTR_AUTHREC = 7,
	MQATTR_CHLAUTH = 8,
	MQATTR_NAMELIST = 9,
	MQATTR_PROCESS = 10,
	MQATTR_QMODEL = 11,
	MQATTR_SERVICE = 12,
	MQATTR_TOPIC = 13,
	MQATTR_SUB = 14,
};

#define MQATTR_OBJECT_MAX 14

/* Values of CHLTYPE in the order of its words, as bits of
 * mqattr_def.chltypes. */
enum mqattr_chltype {
	MQATTR_SDR = 0,
	MQATTR_RCVR = 1,
	MQATTR_SVR = 2,
	MQATTR_RQSTR = 3,
	MQATTR_SVRCONN = 4,
};

/* Never renumber: stored. */
#define MQATTR_MAP(X)                                                 \
	X(1, DESCR)                                                   \
	X(2, PUT)                                                     \
	X(3, GET)                                                     \
	X(4, DEFPSIST)                                                \
	X(5, DEFPRTY)                                                 \
	X(6, MAXDEPTH)                                                \
	X(7, MAXMSGL)                                                 \
	X(8, MSGDLVSQ)                                                \
	X(9, USAGE)                                                   \
	X(10, SHARE)                                                  \
	X(11, DEFSOPT)                                                \
	X(12, TARGET)                                                 \
	X(13, RNAME)                                                  \
	X(14, RQMNAME)                                                \
	X(15, XMITQ)                                                  \
	X(16, DEADQ)                                                  \
	X(17, DEFXMITQ)                                               \
	X(18, MAXUMSGS)                                               \
	X(19, CHLTYPE)                                                \
	X(20, CONNAME)                                                \
	X(21, SSLPEER)                                                \
	X(22, SSLCIPH)                                                \
	X(23, SSLCAUTH)                                               \
	X(24, CERTLABL)                                               \
	X(25, BATCHSZ)                                                \
	X(26, HBINT)                                                  \
	X(27, SHORTRTY)                                               \
	X(28, SHORTTMR)                                               \
	X(29, LONGRTY)                                                \
	X(30, LONGTMR)                                                \
	X(31, DISCINT)                                                \
	X(32, NPMSPEED)                                               \
	X(33, MRRTY)                                                  \
	X(34, MRTMR)                                                  \
	X(35, USEDLQ)                                                 \
	X(36, TRPTYPE)                                                \
	X(37, PORT)                                                   \
	X(38, IPADDR)                                                 \
	X(39, BACKLOG)                                                \
	X(40, CONTROL)                                                \
	X(41, CRDATE)                                                 \
	X(42, CRTIME)                                                 \
	X(43, ALTDATE)                                                \
	X(44, ALTTIME)                                                \
	X(45, CURDEPTH)                                               \
	X(46, IPPROCS)                                                \
	X(47, OPPROCS)                                                \
	X(48, QMNAME)                                                 \
	X(49, QMID)                                                   \
	X(50, MCAUSER)                                                \
	X(51, SSLKEYR) /* the directory with the PEM files */         \
	X(52, TRIGGER)                                                \
	X(53, TRIGTYPE)                                               \
	X(54, TRIGDATA)                                               \
	X(55, INITQ)                                                  \
	X(56, BATCHLIM)                                               \
	X(57, HOPLIMIT) /* ours: queue managers a message may pass */ \
	X(58, STOPREQ)  /* of a channel: kept over restarts */        \
	X(60, PROFILE)                                                \
	X(61, OBJTYPE)                                                \
	X(62, ENTITY)                                                 \
	X(63, ENTTYPE)                                                \
	X(64, AUTHLIST)                                               \
	X(70, CHLAUTH) /* of QMGR, and a record's channels */         \
	X(71, TYPE)                                                   \
	X(72, ADDRESS)                                                \
	X(73, ADDRLIST)                                               \
	X(74, CLNTUSER)                                               \
	X(75, SSLCERTI)                                               \
	X(76, USERLIST)                                               \
	X(77, USERSRC)                                                \
	X(78, WARN)                                                   \
	X(79, PUTAUT)                                                 \
	X(80, BATCHINT)                                               \
	X(82, KAINT)                                                  \
	X(83, MONCHL)                                                 \
	X(96, CHAD)                                                   \
	X(97, AUTODEF) /* ours: for whom a channel was defined */     \
	X(100, MAXINST)                                               \
	X(101, MAXINSTC)                                              \
	X(110, COMPMSG)                                               \
	X(145, NAMES)                                                 \
	X(146, APPLTYPE)                                              \
	X(147, APPLICID)                                              \
	X(148, USERDATA)                                              \
	X(149, ENVRDATA)                                              \
	X(150, PROCESS)                                               \
	X(151, TRIGDPTH)                                              \
	X(152, TRIGMPRI)                                              \
	X(153, TRIGINT)                                               \
	X(154, SERVTYPE)                                              \
	X(155, STARTCMD)                                              \
	X(156, STARTARG)                                              \
	X(157, STOPCMD)                                               \
	X(158, STOPARG)                                               \
	X(159, STDOUT)                                                \
	X(160, STDERR)                                                \
	X(161, NAMCOUNT)                                              \
	X(170, BOTHRESH)                                              \
	X(171, BOQNAME)                                               \
	X(172, CAPEXPRY)                                              \
	X(173, DEFTYPE)                                               \
	X(200, TOPICSTR)                                              \
	X(201, PUB)                                                   \
	X(202, SUB)                                                   \
	X(203, DURSUB)                                                \
	X(204, MDURMDL)                                               \
	X(205, MNDURMDL)                                              \
	X(206, PMSGDLV)                                               \
	X(207, NPMSGDLV)                                              \
	X(208, WILDCARD)                                              \
	X(211, TOPICOBJ)                                              \
	X(212, DEST)                                                  \
	X(213, DESTQMGR)                                              \
	X(214, DESTCLAS)                                              \
	X(215, SELECTOR)                                              \
	X(216, WSCHEMA)                                               \
	X(217, DESTCORL)                                              \
	X(218, EXPIRY)                                                \
	X(219, PUBPRTY)                                               \
	X(220, SUBUSER)                                               \
	X(221, VARUSER)                                               \
	X(227, SUBTYPE)                                               \
	X(228, TARGTYPE)                                              \
	X(250, STREAMQ)                                               \
	X(251, STRMQOS)                                               \
	X(252, ACCTCONO)                                              \
	X(253, ACCTINT)                                               \
	X(254, ACCTMQI)                                               \
	X(255, ACCTQ)                                                 \
	X(256, ACTIVREC)                                              \
	X(257, ACTVCONO)                                              \
	X(258, ACTVTRC)                                               \
	X(259, AUTHOREV)                                              \
	X(260, BATCHHB)                                               \
	X(261, CCSID)                                                 \
	X(262, CERTVPOL)                                              \
	X(263, CHADEV)                                                \
	X(264, CHLEV)                                                 \
	X(265, CLCHNAME)                                              \
	X(266, CLUSNL)                                                \
	X(267, CLUSTER)                                               \
	X(268, CLWLDATA)                                              \
	X(269, CLWLLEN)                                               \
	X(270, CLWLMRUC)                                              \
	X(271, CLWLPRTY)                                              \
	X(272, CLWLRANK)                                              \
	X(273, CLWLUSEQ)                                              \
	X(274, CMDEV)                                                 \
	X(275, COMPHDR)                                               \
	X(276, CONFIGEV)                                              \
	X(277, CONVERT)                                               \
	X(278, CUSTOM)                                                \
	X(279, DEFBIND)                                               \
	X(280, DEFCLXQ)                                               \
	X(281, DEFPRESP)                                              \
	X(282, DEFREADA)                                              \
	X(283, DISTL)                                                 \
	X(284, HARDENBO)                                              \
	X(285, IMGINTVL)                                              \
	X(286, IMGLOGLN)                                              \
	X(287, IMGRCOVO)                                              \
	X(288, IMGRCOVQ)                                              \
	X(289, IMGSCHED)                                              \
	X(290, INHIBTEV)                                              \
	X(291, IPADDRV)                                               \
	X(292, LOCALEV)                                               \
	X(293, LOGGEREV)                                              \
	X(294, MARKINT)                                               \
	X(295, MAXFSIZE)                                              \
	X(296, MAXHANDS)                                              \
	X(297, MAXPROPL)                                              \
	X(298, MCATYPE)                                               \
	X(299, MONACLS)                                               \
	X(300, MONQ)                                                  \
	X(301, NPMCLASS)                                              \
	X(302, PARENT)                                                \
	X(303, PERFMEV)                                               \
	X(304, PROPCTL)                                               \
	X(305, PSMODE)                                                \
	X(306, PSNPMSG)                                               \
	X(307, PSNPRES)                                               \
	X(308, PSRTYCNT)                                              \
	X(309, PSSYNCPT)                                              \
	X(310, QDEPTHHI)                                              \
	X(311, QDEPTHLO)                                              \
	X(312, QDPHIEV)                                               \
	X(313, QDPLOEV)                                               \
	X(314, QDPMAXEV)                                              \
	X(315, QSVCIEV)                                               \
	X(316, QSVCINT)                                               \
	X(317, REMOTEEV)                                              \
	X(318, REPOS)                                                 \
	X(319, REPOSNL)                                               \
	X(320, RETINTVL)                                              \
	X(321, REVDNS)                                                \
	X(322, ROUTEREC)                                              \
	X(323, SCHINIT)                                               \
	X(324, SCMDSERV)                                              \
	X(325, SCOPE)                                                 \
	X(326, SEQWRAP)                                               \
	X(327, SHARECNV)                                              \
	X(328, SSLCRLNL)                                              \
	X(329, SSLEV)                                                 \
	X(330, SSLFIPS)                                               \
	X(331, SSLRKEYC)                                              \
	X(332, STATACLS)                                              \
	X(333, STATCHL)                                               \
	X(334, STATINT)                                               \
	X(335, STATMQI)                                               \
	X(336, STATQ)                                                 \
	X(337, STRSTPEV)                                              \
	X(338, SUITEB)                                                \
	X(339, TREELIFE)

enum mqattr {

#define MQATTR_ENUM(number, name) MQATTR_ID_##name = number,
	MQATTR_MAP(MQATTR_ENUM)
#undef MQATTR_ENUM
};
#define MQATTR_MAX 400
#define MQATTR_TOPIC_LEN 10240 /* bytes of a topic string */
#define MQATTR_USER_LEN 64     /* bytes of a user's name */
#define MQATTR_NAMES_MAX 256u  /* names of a namelist */
#define MQATTR_NAMES_LEN (MQATTR_NAMES_MAX * (MQI_NAME_LEN + 1) - 1)

/* What channels are like that the queue manager defines by itself (CHAD). */
#define MQATTR_AUTO_RECEIVER "SYSTEM.AUTO.RECEIVER"
#define MQATTR_AUTO_SVRCONN "SYSTEM.AUTO.SVRCONN"

enum mqattr_kind {
	MQATTR_INT,
	MQATTR_NAME, /* object name; at most max bytes */
	MQATTR_TEXT, /* UTF-8 text; at most max bytes */
	MQATTR_WORD, /* one of words */
	MQATTR_FLAG, /* KEYWORD or NOKEYWORD: words "YES" and "NO" */
};

struct mqattr_def {
	enum mqattr id;
	const char *keyword;
	enum mqattr_kind kind;
	int64_t min;
	int64_t max; /* INT: largest; NAME, TEXT: bytes */
	/* NULL-terminated.  Of an INT that has any: the first one stands for
	 * min, and is how that is written. */
	const char *const *words;
	const char *def; /* default as text */
	bool read_only;
	bool inert;        /* accepted, kept and shown, without effect */
	uint32_t objects;  /* MQ_BIT(enum mqattr_object) */
	uint32_t chltypes; /* CHANNEL: MQ_BIT(enum mqattr_chltype) */
	const char *help;  /* one line */
};

/* NULL if the object type has no such attribute.  Keywords are found in any
 * case, also by an older name (TARGQ for TARGET); a flag by its keyword, not
 * by its NO form. */
const struct mqattr_def *mqattr_find(
    enum mqattr_object type, const char *keyword);
const struct mqattr_def *mqattr_def(enum mqattr_object type, enum mqattr id);
/* Walks the attributes of a type in order of keyword; prev NULL: the first. */
const struct mqattr_def *mqattr_next(
    enum mqattr_object type, const struct mqattr_def *prev);
const char *mqattr_object_name(enum mqattr_object type); /* "QLOCAL" */

/* The number that a valid value of an INT stands for. */
int64_t mqattr_number(const struct mqattr_def *d, const char *value);

/* A set of attribute values of one object.  mqattr_set_free() it. */
struct mqattr_set;

struct mqattr_set *mqattr_set_new(enum mqattr_object type); /* all defaults */
struct mqattr_set *mqattr_set_copy(const struct mqattr_set *s);
struct mqattr_set *mqattr_set_free(struct mqattr_set *s); /* NULL */
enum mqattr_object mqattr_set_type(const struct mqattr_set *s);
/* Whether the object has the attribute: by its type and, for a channel, by the
 * set's CHLTYPE. */
bool mqattr_set_has(const struct mqattr_set *s, enum mqattr id);
/* A channel's CHLTYPE. */
enum mqattr_chltype mqattr_chltype(const struct mqattr_set *s);

/* Sets from text, checked.  Errors: ATTRIBUTE; ret_why, if not NULL, gets a
 * sentence that names the attribute, the value and what is allowed. */
MQ_MUST_CHECK enum mqi_err mqattr_set_text(struct mqattr_set *s, enum mqattr id,
    const char *value, char *ret_why, size_t why_len);
/* The same, read-only ones too: by the queue manager itself, of what it has
 * been told. */
MQ_MUST_CHECK enum mqi_err mqattr_set_told(struct mqattr_set *s, enum mqattr id,
    const char *value, char *ret_why, size_t why_len);
/* The same of what it knows: the value must be valid. */
void mqattr_set_own(struct mqattr_set *s, enum mqattr id, const char *value);

/* The value, or the default.  The attribute must belong to the type: its kind
 * must be INT for mqattr_int(), WORD or FLAG for mqattr_is(), any for
 * mqattr_text(), which gives it as DISPLAY shows it.  Text is valid until the
 * attribute is set again. */
int64_t mqattr_int(const struct mqattr_set *s, enum mqattr id);
const char *mqattr_text(const struct mqattr_set *s, enum mqattr id);
bool mqattr_is(const struct mqattr_set *s, enum mqattr id, const char *word);

void mqattr_encode(const struct mqattr_set *s, struct mqbuf *b);
/* Errors: PROTOCOL, ATTRIBUTE, NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqattr_decode(enum mqattr_object type,
    const void *data, size_t len, struct mqattr_set **ret);

#endif
