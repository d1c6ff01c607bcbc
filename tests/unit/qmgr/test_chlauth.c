/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_chlauth.c - qmgr/chlauth.c: which record decides, whatever their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "qmgr/chlauth.h"

#define MAX_RULES 24

/* Keywords and values, in turn. */
struct spec {
	const char *pairs[14];
};

static struct mqattr_set *
make(const struct spec *spec)
{
	struct mqattr_set *set = mqattr_set_new(MQATTR_CHLAUTH);
	char why[256];

	for (size_t i = 0; spec->pairs[i] != NULL; i += 2) {
		const struct mqattr_def *d =
		    mqattr_find(MQATTR_CHLAUTH, spec->pairs[i]);

		assert_non_null(d);
		if (mqattr_set_text(set, d->id, spec->pairs[i + 1], why,
			sizeof(why)) != MQI_OK)
			fail_msg("%s", why);
	}
	return set;
}

static size_t
make_all(const struct spec *specs, size_t n, struct mqattr_set **ret)
{
	assert_true(n <= MAX_RULES);
	for (size_t i = 0; i < n; i++)
		ret[i] = make(&specs[i]);
	return n;
}

static void
free_all(struct mqattr_set **rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mqattr_set_free(rules[i]);
}

static bool
is_privileged(void *arg, const char *user)
{
	(void)arg;
	return strcmp(user, "mqm") == 0;
}

/* channel, address, subject, issuer, queue manager, user */
typedef const char *partner[6];

static struct chlauth_question
question(const partner p)
{
	struct chlauth_question q = {.partner = {.channel = p[0],
					 .address = p[1],
					 .dn = p[2] != NULL ? p[2] : "",
					 .issuer = p[3] != NULL ? p[3] : "",
					 .qmgr = p[4] != NULL ? p[4] : "",
					 .user = p[5] != NULL ? p[5] : ""},
	    .sslpeer = "",
	    .mcauser = "",
	    .enabled = true,
	    .is_privileged = is_privileged};

	return q;
}

static void
shuffle(const struct mqattr_set **rules, size_t n, uint64_t *seed)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = mqrand_next(seed) % i;
		const struct mqattr_set *t = rules[i - 1];

		rules[i - 1] = rules[j];
		rules[j] = t;
	}
}

/* Each record gives a user of its own, by which it is known. */
static const struct spec maps[] = {
    {{"CHLAUTH", "*", "TYPE", "ADDRESSMAP", "ADDRESS", "*", "MCAUSER", "any"}},
    {{"CHLAUTH", "*", "TYPE", "ADDRESSMAP", "ADDRESS", "10.*", "MCAUSER",
	"ten"}},
    {{"CHLAUTH", "*", "TYPE", "ADDRESSMAP", "ADDRESS", "10.1.*", "MCAUSER",
	"tenone"}},
    {{"CHLAUTH", "*", "TYPE", "SSLPEERMAP", "SSLPEER", "O=Ex*", "MCAUSER",
	"org"}},
    {{"CHLAUTH", "*", "TYPE", "SSLPEERMAP", "SSLPEER", "O=Example", "SSLCERTI",
	"CN=CA1", "MCAUSER", "orgca"}},
    {{"CHLAUTH", "*", "TYPE", "SSLPEERMAP", "SSLPEER", "CN=QM1,O=Example",
	"MCAUSER", "qm1"}},
    {{"CHLAUTH", "*", "TYPE", "SSLPEERMAP", "SSLPEER", "CN=QM1,O=Example",
	"ADDRESS", "10.0.0.0/8", "MCAUSER", "qm1ten"}},
    {{"CHLAUTH", "*", "TYPE", "QMGRMAP", "QMNAME", "QM*", "MCAUSER", "anyqm"}},
    {{"CHLAUTH", "*", "TYPE", "QMGRMAP", "QMNAME", "QM7", "MCAUSER", "qm7"}},
    {{"CHLAUTH", "*", "TYPE", "USERMAP", "CLNTUSER", "jo", "MCAUSER",
	"johnson"}},
    {{"CHLAUTH", "TO.*", "TYPE", "ADDRESSMAP", "ADDRESS", "*", "MCAUSER",
	"to"}},
    {{"CHLAUTH", "TO.QM2", "TYPE", "ADDRESSMAP", "ADDRESS", "10.9.*", "MCAUSER",
	"toqm2"}},
    {{"CHLAUTH", "*.X", "TYPE", "SSLPEERMAP", "SSLPEER", "CN=*", "USERSRC",
	"NOACCESS"}},
};

static const struct {
	partner partner;
	const char *user; /* "": refused */
} cases[] = {
    {{"C", "192.0.2.1"}, "any"},
    {{"C", "192.0.2.1(4711)"}, "any"},
    {{"C", "10.2.3.4"}, "ten"},
    {{"C", "10.1.3.4"}, "tenone"},
    {{"C", "10.1.3.4", "CN=Z,O=Exotic"}, "org"},
    {{"C", "10.1.3.4", "CN=Z,O=Example", "CN=CA1"}, "orgca"},
    {{"C", "10.1.3.4", "CN=Z,O=Example", "CN=CA2"}, "org"},
    {{"C", "10.1.3.4", "CN=Z,O=Else", "CN=CA1"}, "tenone"},
    {{"C", "192.0.2.1", "CN=QM1,O=Example", "CN=CA1"}, "qm1"},
    {{"C", "10.1.3.4", "CN=QM1,O=Example", "CN=CA1"}, "qm1ten"},
    /* a name of a queue manager or client beats an address, not a DN */
    {{"C", "10.1.3.4", "CN=Q,O=Else", "", "QM9"}, "anyqm"},
    {{"C", "10.1.3.4", "CN=Q,O=Else", "", "QM7"}, "qm7"},
    {{"C", "10.1.3.4", "CN=Q,O=Exotic", "", "QM7"}, "org"},
    {{"C", "10.1.3.4", "CN=Q,O=Else", "", "", "jo"}, "johnson"},
    {{"C", "10.1.3.4", "CN=Q,O=Else", "", "", "joe"}, "tenone"},
    /* the channel's profile comes first of all */
    {{"TO.QM3", "10.1.3.4", "CN=QM1,O=Example", "CN=CA1"}, "to"},
    {{"TO.QM2", "10.9.3.4", "CN=QM1,O=Example", "CN=CA1"}, "toqm2"},
    {{"TO.QM2", "10.8.3.4", "CN=QM1,O=Example", "CN=CA1"}, "to"},
    {{"A.X", "10.8.3.4", "CN=QM1,O=Example", "CN=CA1"}, ""},
    {{"A.X", "10.8.3.4"}, "ten"},
    /* at the first difference of TO.* and *.X */
    {{"TO.X", "10.8.3.4", "CN=QM1,O=Example", "CN=CA1"}, "to"},
    /* what cannot be read fits none that asks for it */
    {{"C", "?", "CN=QM1,O=Example"}, "qm1"},
    {{"C", "10.1.3.4", "nonsense"}, "tenone"},
    {{"C", "?"}, ""},
};

static void
test_the_closest_record_decides_in_any_order(void **state)
{
	struct mqattr_set *own[MAX_RULES];
	size_t n = make_all(maps, MQ_ARRAY_LEN(maps), own);
	const struct mqattr_set *rules[MAX_RULES];
	uint64_t seed = 4711;

	(void)state;
	memcpy(rules, own, sizeof(own));
	for (size_t round = 0; round < 50; round++) {
		shuffle(rules, n, &seed);
		for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
			struct chlauth_question q = question(cases[i].partner);
			struct chlauth_answer a;

			chlauth_check(rules, n, &q, &a);
			if (strcmp(a.user, cases[i].user) != 0 ||
			    a.allowed != (cases[i].user[0] != '\0') ||
			    a.allowed != (a.why[0] == '\0'))
				fail_msg("%s %s %s: '%s' instead of '%s': %s",
				    cases[i].partner[0], cases[i].partner[1],
				    q.partner.dn, a.user, cases[i].user, a.why);
		}
	}
	free_all(own, n);
}

/* One partner, some records; what becomes of it. */
static void
check(const struct spec *specs, size_t n, struct chlauth_question *q,
    const char *user, const char *why, bool warned)
{
	struct mqattr_set *own[MAX_RULES];
	struct chlauth_answer a;

	make_all(specs, n, own);
	chlauth_check((const struct mqattr_set *const *)own, n, q, &a);
	if (strcmp(a.user, user) != 0 || strstr(a.why, why) == NULL ||
	    a.allowed != (user[0] != '\0') || (a.warned != NULL) != warned)
		fail_msg("'%s' '%s' %d", a.user, a.why, a.warned != NULL);
	free_all(own, n);
}

#define CHECK(specs, q, user, why, warned) \
	check(specs, MQ_ARRAY_LEN(specs), q, user, why, warned)

static const partner qm1 = {"QM1.QM2", "192.0.2.1", "CN=QM1,O=A\\, B", "CN=CA"};

static void
test_nobody_gets_in_whom_no_record_lets_in(void **state)
{
	struct chlauth_question q = question(qm1);
	static const partner plain = {"C", "192.0.2.1(4711)"};

	(void)state;
	q.mcauser = "mary";
	check(NULL, 0, &q, "",
	    "one would be SET CHLAUTH('QM1.QM2') TYPE(SSLPEERMAP) "
	    "SSLPEER('CN=QM1,O=A\\, B') MCAUSER('...')",
	    false);
	q = question(plain);
	check(NULL, 0, &q, "",
	    "SET CHLAUTH('C') TYPE(ADDRESSMAP) ADDRESS('192.0.2.1') "
	    "MCAUSER('...')",
	    false);
}

static void
test_the_user_is_the_maps_or_the_channels(void **state)
{
	static const struct spec channel[] = {{{"CHLAUTH", "QM1.*", "TYPE",
	    "ADDRESSMAP", "ADDRESS", "*", "USERSRC", "CHANNEL"}}};
	static const struct spec owner[] = {{{"CHLAUTH", "QM1.*", "TYPE",
	    "ADDRESSMAP", "ADDRESS", "*", "MCAUSER", "mqm"}}};
	struct chlauth_question q = question(qm1);

	(void)state;
	CHECK(channel, &q, "", "MCAUSER is blank: SET CHLAUTH('QM1.*')", false);
	q.mcauser = "mary";
	CHECK(channel, &q, "mary", "", false);
	/* the owner never, wherever it comes from */
	q.mcauser = "mqm";
	CHECK(channel, &q, "", "owner", false);
	q.mcauser = "mary";
	CHECK(owner, &q, "", "owner", false);
}

static void
test_blocked_addresses_and_users_are_out(void **state)
{
	static const struct spec specs[] = {
	    {{"CHLAUTH", "*", "TYPE", "ADDRESSMAP", "ADDRESS", "*", "USERSRC",
		"CHANNEL"}},
	    {{"CHLAUTH", "*", "TYPE", "BLOCKADDR", "ADDRLIST",
		"198.51.100.*,192.0.2.0-9"}},
	    {{"CHLAUTH", "*", "TYPE", "BLOCKUSER", "USERLIST", "eve,mallory"}},
	    {{"CHLAUTH", "QM1.*", "TYPE", "BLOCKUSER", "USERLIST", "mary"}},
	};
	struct chlauth_question q = question(qm1);

	(void)state;
	q.mcauser = "jo";
	CHECK(specs, &q, "", "the address is blocked: 192.0.2.1", false);
	q.partner.address = "192.0.2.10";
	CHECK(specs, &q, "jo", "", false);
	q.partner.address = "unknown";
	CHECK(specs, &q, "", "the address is blocked", false);
	q.partner.address = "192.0.2.10";
	/* of two lists of users the closer counts, alone */
	q.mcauser = "mary";
	CHECK(specs, &q, "", "the user is blocked: mary: SET CHLAUTH('QM1.*')",
	    false);
	q.mcauser = "eve";
	CHECK(specs, &q, "eve", "", false);
	q.partner.channel = "OTHER";
	CHECK(specs, &q, "", "the user is blocked: eve", false);
	q.mcauser = "ev";
	CHECK(specs, &q, "ev", "", false);
}

static void
test_a_record_that_warns_lets_in(void **state)
{
	static const struct spec specs[] = {
	    {{"CHLAUTH", "*", "TYPE", "ADDRESSMAP", "ADDRESS", "*", "USERSRC",
		"NOACCESS", "WARN", "YES"}}};
	static const struct spec blocks[] = {
	    {{"CHLAUTH", "*", "TYPE", "BLOCKADDR", "ADDRLIST", "*", "WARN",
		"YES"}},
	    {{"CHLAUTH", "*", "TYPE", "ADDRESSMAP", "ADDRESS", "*", "USERSRC",
		"CHANNEL"}}};
	static const struct spec user[] = {
	    {{"CHLAUTH", "*", "TYPE", "ADDRESSMAP", "ADDRESS", "*", "USERSRC",
		"CHANNEL"}},
	    {{"CHLAUTH", "*", "TYPE", "BLOCKUSER", "USERLIST", "mary", "WARN",
		"YES"}}};
	struct chlauth_question q = question(qm1);

	(void)state;
	q.mcauser = "mary";
	CHECK(specs, &q, "mary", "", true);
	CHECK(blocks, &q, "mary", "", true);
	CHECK(user, &q, "mary", "", true);
	q.mcauser = "jo";
	CHECK(user, &q, "jo", "", false);
	q.mcauser = "";
	CHECK(specs, &q, "", "MCAUSER is blank", true);
}

static void
test_sslpeer_counts_beside_the_records(void **state)
{
	static const struct spec specs[] = {{{"CHLAUTH", "*", "TYPE",
	    "ADDRESSMAP", "ADDRESS", "*", "MCAUSER", "mary"}}};
	struct chlauth_question q = question(qm1);

	(void)state;
	q.sslpeer = "CN=QM1";
	CHECK(specs, &q, "mary", "", false);
	q.sslpeer = "CN=QM2";
	CHECK(specs, &q, "", "SSLPEER: CN=QM1", false);
	/* without CHLAUTH the channel alone decides */
	q.enabled = false;
	q.mcauser = "jo";
	CHECK(specs, &q, "", "SSLPEER: CN=QM1", false);
	q.sslpeer = "CN=QM1";
	CHECK(specs, &q, "jo", "", false);
	q.sslpeer = "";
	CHECK(specs, &q, "", "needs an SSLPEER", false);
	q.sslpeer = "CN=QM1";
	q.mcauser = "";
	CHECK(specs, &q, "", "MCAUSER is blank", false);
}

static void
test_profiles_have_stars_anywhere(void **state)
{
	/* each is closer than the next */
	static const char *const order[] = {"QM1.QM2", "QM1.Q*2", "QM1.Q*",
	    "QM1.*", "QM*.QM2", "Q*", "*.QM2", "*"};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(order); i++) {
		assert_true(chlauth_profile_fits(order[i], "QM1.QM2"));
		for (size_t j = 0; j < MQ_ARRAY_LEN(order); j++) {
			int c = chlauth_profile_compare(order[i], order[j]);

			if (i < j ? c >= 0 : i > j ? c <= 0 : c != 0)
				fail_msg(
				    "%s against %s: %d", order[i], order[j], c);
		}
	}
	assert_false(chlauth_profile_fits("QM1.*", "QM1"));
	assert_false(chlauth_profile_fits("QM1", "QM1.QM2"));
	assert_false(chlauth_profile_fits("*.QM3", "QM1.QM2"));
	assert_false(chlauth_profile_fits("", "QM1"));
	assert_true(chlauth_profile_fits("*A*B*", "xAyAzBB"));
	assert_false(chlauth_profile_fits("*A*B*C", "xAyAzBB"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_closest_record_decides_in_any_order),
	    cmocka_unit_test(test_nobody_gets_in_whom_no_record_lets_in),
	    cmocka_unit_test(test_the_user_is_the_maps_or_the_channels),
	    cmocka_unit_test(test_blocked_addresses_and_users_are_out),
	    cmocka_unit_test(test_a_record_that_warns_lets_in),
	    cmocka_unit_test(test_sslpeer_counts_beside_the_records),
	    cmocka_unit_test(test_profiles_have_stars_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
