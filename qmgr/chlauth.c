/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chlauth.c - who may connect (chlauth.h).
 *
 * Neighbours: ctl_chlauth.c keeps the records and answers DISPLAY CHLAUTH
 * MATCH(RUNCHECK), which is what agents ask; base/dn.c and base/address.c
 * compare names and addresses.
 *
 * Invariants: exactly one map decides, or none does and the partner is
 * refused; a record with WARN(YES) never refuses, but is named; what cannot be
 * read fits no record, and refuses where it would block.
 *
 * Happy path: not a blocked address, the closest map, its user, not blocked.
 */
#include "qmgr/chlauth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/dn.h"

typedef const struct mqattr_set *rule;

static const char *const type_names[] = {
    [CHLAUTH_SSLPEERMAP] = "SSLPEERMAP",
    [CHLAUTH_USERMAP] = "USERMAP",
    [CHLAUTH_QMGRMAP] = "QMGRMAP",
    [CHLAUTH_ADDRESSMAP] = "ADDRESSMAP",
    [CHLAUTH_BLOCKUSER] = "BLOCKUSER",
    [CHLAUTH_BLOCKADDR] = "BLOCKADDR",
};

const char *
chlauth_type_name(enum chlauth_type type)
{
	return type_names[type];
}

enum chlauth_type
chlauth_type_of(rule r)
{
	for (size_t i = 0; i < MQ_ARRAY_LEN(type_names); i++)
		if (mqattr_is(r, MQATTR_ID_TYPE, type_names[i]))
			return (enum chlauth_type)i;
	MQ_INVARIANT(false); /* each type has a name */
	return CHLAUTH_BLOCKADDR;
}

static bool
warns(rule r)
{
	return mqattr_is(r, MQATTR_ID_WARN, "YES");
}

/* ---- profiles ---- */

bool
chlauth_profile_fits(const char *profile, const char *name)
{
	const char *star = NULL, *again = NULL;

	while (*name != '\0') {
		if (*profile == '*') {
			star = profile++;
			again = name;
		} else if (*profile == *name) {
			profile++;
			name++;
		} else if (star != NULL) {
			profile = star + 1;
			name = ++again;
		} else {
			return false;
		}
	}
	while (*profile == '*')
		profile++;
	return *profile == '\0';
}

int
chlauth_profile_compare(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	/* at the first difference a character, or the end, is closer than
	 * '*'; then the longer one says more */
	if (*a == '*' || *b == '*')
		return *b == '*' ? -1 : 1;
	if (*a == '\0' || *b == '\0')
		return *b == '\0' ? -1 : 1;
	return *a < *b ? -1 : 1;
}

/* ---- the command that a record is ---- */

static size_t
add(char *ret, size_t used, size_t len, const char *keyword, const char *value)
{
	char quoted[2 * MQDN_MAX + 1];
	size_t n = 0;
	int k;

	if (*value == '\0' || used >= len)
		return used;
	for (; *value != '\0' && n + 3 < sizeof(quoted); value++) {
		quoted[n++] = *value;
		if (*value == '\'')
			quoted[n++] = '\'';
	}
	quoted[n] = '\0';
	k = snprintf(ret + used, len - used, " %s('%s')", keyword, quoted);
	return used + (k > 0 ? (size_t)k : 0);
}

/* 'a,b' as 'a','b' */
static size_t
add_list(
    char *ret, size_t used, size_t len, const char *keyword, const char *list)
{
	const char *mark = "('";

	if (*list == '\0' || used >= len)
		return used;
	used += (size_t)snprintf(ret + used, len - used, " %s", keyword);
	while (*list != '\0' && used < len) {
		size_t n = strcspn(list, ",");

		used += (size_t)snprintf(
		    ret + used, len - used, "%s%.*s", mark, (int)n, list);
		mark = "','";
		list += n + (list[n] == ',' ? 1 : 0);
	}
	if (used < len)
		used += (size_t)snprintf(ret + used, len - used, "')");
	return used;
}

void
chlauth_text(rule r, char *ret, size_t len)
{
	static const struct {
		enum mqattr id;
		const char *keyword;
	} keys[] = {{MQATTR_ID_SSLPEER, "SSLPEER"},
	    {MQATTR_ID_SSLCERTI, "SSLCERTI"}, {MQATTR_ID_CLNTUSER, "CLNTUSER"},
	    {MQATTR_ID_QMNAME, "QMNAME"}, {MQATTR_ID_ADDRESS, "ADDRESS"}};
	enum chlauth_type type = chlauth_type_of(r);
	size_t used = (size_t)snprintf(ret, len, "SET CHLAUTH('%s') TYPE(%s)",
	    mqattr_text(r, MQATTR_ID_CHLAUTH), type_names[type]);

	for (size_t i = 0; i < MQ_ARRAY_LEN(keys); i++)
		used = add(ret, used, len, keys[i].keyword,
		    mqattr_text(r, keys[i].id));
	used = add_list(
	    ret, used, len, "USERLIST", mqattr_text(r, MQATTR_ID_USERLIST));
	used = add_list(
	    ret, used, len, "ADDRLIST", mqattr_text(r, MQATTR_ID_ADDRLIST));
	if (type < CHLAUTH_BLOCKUSER && used < len)
		used += (size_t)snprintf(ret + used, len - used, " USERSRC(%s)",
		    mqattr_text(r, MQATTR_ID_USERSRC));
	used =
	    add(ret, used, len, "MCAUSER", mqattr_text(r, MQATTR_ID_MCAUSER));
	if (warns(r) && used < len)
		(void)snprintf(ret + used, len - used, " WARN(YES)");
}

/* ---- one record against the partner ---- */

static bool
dn_fits(const char *pattern, const char *dn)
{
	char why[MQDN_WHY_LEN];
	bool match = false;

	return *pattern == '\0' ||
	       (*dn != '\0' && mqdn_match(pattern, dn, &match, why) == MQI_OK &&
		   match);
}

static bool
address_fits(const char *pattern, const char *address)
{
	struct mqaddr_pattern p, a;

	return *pattern == '\0' ||
	       (mqaddr_pattern(pattern, &p) && mqaddr_parse(address, &a) &&
		   mqaddr_matches(&p, &a));
}

static bool
text_fits(const char *pattern, const char *text)
{
	return *pattern == '\0' ||
	       (*text != '\0' && chlauth_profile_fits(pattern, text));
}

static bool
map_fits(rule r, const struct chlauth_partner *p)
{
	return chlauth_type_of(r) < CHLAUTH_BLOCKUSER &&
	       chlauth_profile_fits(
		   mqattr_text(r, MQATTR_ID_CHLAUTH), p->channel) &&
	       dn_fits(mqattr_text(r, MQATTR_ID_SSLPEER), p->dn) &&
	       dn_fits(mqattr_text(r, MQATTR_ID_SSLCERTI), p->issuer) &&
	       text_fits(mqattr_text(r, MQATTR_ID_CLNTUSER), p->user) &&
	       text_fits(mqattr_text(r, MQATTR_ID_QMNAME), p->qmgr) &&
	       address_fits(mqattr_text(r, MQATTR_ID_ADDRESS), p->address);
}

/* ---- which of two is closer ---- */

/* One that is blank says less than any other. */
static int
compare_dn(const char *a, const char *b)
{
	if (*a == '\0' || *b == '\0')
		return (*a == '\0') - (*b == '\0');
	return mqdn_compare(a, b);
}

static int
compare_text(const char *a, const char *b)
{
	if (*a == '\0' || *b == '\0')
		return (*a == '\0') - (*b == '\0');
	return chlauth_profile_compare(a, b);
}

static int
compare_address(const char *a, const char *b)
{
	struct mqaddr_pattern pa, pb;
	bool good = mqaddr_pattern(*a != '\0' ? a : "*", &pa) &&
		    mqaddr_pattern(*b != '\0' ? b : "*", &pb);

	MQ_PRE(good); /* the records are valid */
	if (*a == '\0' || *b == '\0')
		return (*a == '\0') - (*b == '\0');
	return mqaddr_compare(&pa, &pb);
}

/* USERMAP and QMGRMAP stand side by side: no partner has both names. */
static int
rank(rule r)
{
	enum chlauth_type t = chlauth_type_of(r);

	return t == CHLAUTH_QMGRMAP ? CHLAUTH_USERMAP : (int)t;
}

static int
compare(rule a, rule b)
{
	int c = chlauth_profile_compare(mqattr_text(a, MQATTR_ID_CHLAUTH),
	    mqattr_text(b, MQATTR_ID_CHLAUTH));

	if (c == 0)
		c = rank(a) - rank(b);
	if (c == 0)
		c = compare_dn(mqattr_text(a, MQATTR_ID_SSLPEER),
		    mqattr_text(b, MQATTR_ID_SSLPEER));
	if (c == 0)
		c = compare_text(mqattr_text(a, MQATTR_ID_CLNTUSER),
		    mqattr_text(b, MQATTR_ID_CLNTUSER));
	if (c == 0)
		c = compare_text(mqattr_text(a, MQATTR_ID_QMNAME),
		    mqattr_text(b, MQATTR_ID_QMNAME));
	if (c == 0)
		c = compare_dn(mqattr_text(a, MQATTR_ID_SSLCERTI),
		    mqattr_text(b, MQATTR_ID_SSLCERTI));
	if (c == 0)
		c = compare_address(mqattr_text(a, MQATTR_ID_ADDRESS),
		    mqattr_text(b, MQATTR_ID_ADDRESS));
	return c;
}

/* Of two that say equally much, any order will do that is always the same. */
static bool
is_closer(rule a, rule b)
{
	char ta[CHLAUTH_TEXT_LEN], tb[CHLAUTH_TEXT_LEN];
	int c = compare(a, b);

	if (c != 0)
		return c < 0;
	chlauth_text(a, ta, sizeof(ta));
	chlauth_text(b, tb, sizeof(tb));
	return strcmp(ta, tb) < 0;
}

/* ---- the steps ---- */

static bool
list_has_address(const char *list, const char *address)
{
	struct mqaddr_pattern p, a;
	bool good;

	if (!mqaddr_parse(address, &a))
		return true; /* what cannot be read is not let in */
	while (mqaddr_next(&list, &p, &good))
		if (good && mqaddr_matches(&p, &a))
			return true;
	return false;
}

static bool
list_has_user(
    const char *list, const struct chlauth_question *q, const char *user)
{
	while (*list != '\0') {
		size_t n = strcspn(list, ",");

		if (strlen(user) == n && strncmp(list, user, n) == 0)
			return true;
		if (n == strlen("*MQADMIN") &&
		    strncasecmp(list, "*MQADMIN", n) == 0 &&
		    q->is_privileged(q->arg, user))
			return true;
		list += n + (list[n] == ',' ? 1 : 0);
	}
	return false;
}

/* who may be the answer's own user. */
static void
refuse(struct chlauth_answer *ret, rule r, const char *what, const char *who)
{
	char text[CHLAUTH_TEXT_LEN] = "";

	if (r != NULL)
		chlauth_text(r, text, sizeof(text));
	(void)snprintf(ret->why, sizeof(ret->why), "%s%.300s%s%.1000s", what,
	    who, r != NULL ? ": " : "", text);
	ret->allowed = false;
	ret->user[0] = '\0';
	ret->rule = r;
}

/* False: a record of this type refuses. */
static bool
pass_blocks(rule const *rules, size_t n, enum chlauth_type type,
    const struct chlauth_question *q, struct chlauth_answer *ret)
{
	rule closest = NULL;
	bool is_user = type == CHLAUTH_BLOCKUSER;
	bool blocked;

	for (size_t i = 0; i < n; i++)
		if (chlauth_type_of(rules[i]) == type &&
		    chlauth_profile_fits(
			mqattr_text(rules[i], MQATTR_ID_CHLAUTH),
			q->partner.channel) &&
		    (closest == NULL || is_closer(rules[i], closest)))
			closest = rules[i];
	if (closest == NULL)
		return true;
	blocked =
	    is_user ? list_has_user(mqattr_text(closest, MQATTR_ID_USERLIST), q,
			  ret->user)
		    : list_has_address(mqattr_text(closest, MQATTR_ID_ADDRLIST),
			  q->partner.address);
	if (!blocked)
		return true;
	if (warns(closest)) {
		ret->warned = closest;
		return true;
	}
	if (is_user)
		refuse(ret, closest, "the user is blocked: ", ret->user);
	else
		refuse(ret, closest,
		    "the address is blocked: ", q->partner.address);
	return false;
}

static void
no_rule(const struct chlauth_partner *p, struct chlauth_answer *ret)
{
	char text[CHLAUTH_TEXT_LEN];
	const char *what = p->dn[0] != '\0' ? "SSLPEER" : "ADDRESS";
	char host[MQADDR_LEN + 1];

	/* without the port */
	(void)snprintf(host, sizeof(host), "%.*s",
	    (int)strcspn(p->address, "(%"), p->address);
	if (add(text, 0, sizeof(text), what, p->dn[0] != '\0' ? p->dn : host) ==
	    0)
		text[0] = '\0';
	(void)snprintf(ret->why, sizeof(ret->why),
	    "no CHLAUTH record lets it in; one would be SET "
	    "CHLAUTH('%.20s') TYPE(%s)%.800s MCAUSER('...')",
	    p->channel, p->dn[0] != '\0' ? "SSLPEERMAP" : "ADDRESSMAP", text);
}

/* The map that decides.  False: refused. */
static bool
pass_maps(rule const *rules, size_t n, const struct chlauth_question *q,
    struct chlauth_answer *ret)
{
	rule closest = NULL;
	const char *user;

	for (size_t i = 0; i < n; i++)
		if (map_fits(rules[i], &q->partner) &&
		    (closest == NULL || is_closer(rules[i], closest)))
			closest = rules[i];
	if (closest == NULL) {
		no_rule(&q->partner, ret);
		return false;
	}
	ret->rule = closest;
	user = q->mcauser;
	if (mqattr_is(closest, MQATTR_ID_USERSRC, "MAP"))
		user = mqattr_text(closest, MQATTR_ID_MCAUSER);
	else if (mqattr_is(closest, MQATTR_ID_USERSRC, "NOACCESS") &&
		 !warns(closest)) {
		refuse(ret, closest, "it is refused", "");
		return false;
	} else if (mqattr_is(closest, MQATTR_ID_USERSRC, "NOACCESS")) {
		ret->warned = closest;
	}
	(void)snprintf(ret->user, sizeof(ret->user), "%s", user);
	return true;
}

static bool
pass_sslpeer(const struct chlauth_question *q, struct chlauth_answer *ret)
{
	if (q->sslpeer[0] == '\0' && !q->enabled) {
		refuse(ret, NULL, "without CHLAUTH a channel needs an SSLPEER",
		    "");
		return false;
	}
	if (dn_fits(q->sslpeer, q->partner.dn))
		return true;
	refuse(ret, NULL,
	    "its certificate does not fit the channel's SSLPEER: ",
	    q->partner.dn);
	return false;
}

void
chlauth_check(rule const *rules, size_t n, const struct chlauth_question *q,
    struct chlauth_answer *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!q->enabled)
		n = 0;
	if (!pass_blocks(rules, n, CHLAUTH_BLOCKADDR, q, ret) ||
	    !pass_sslpeer(q, ret))
		return;
	if (!q->enabled)
		(void)snprintf(ret->user, sizeof(ret->user), "%s", q->mcauser);
	else if (!pass_maps(rules, n, q, ret))
		return;
	if (ret->user[0] == '\0')
		refuse(ret, ret->rule,
		    "it would have no user: the channel's MCAUSER is blank",
		    "");
	else if (q->is_privileged(q->arg, ret->user))
		refuse(ret, ret->rule,
		    "no partner may be the owner of the queue manager: ",
		    ret->user);
	else if (pass_blocks(rules, n, CHLAUTH_BLOCKUSER, q, ret))
		ret->allowed = true;
}
