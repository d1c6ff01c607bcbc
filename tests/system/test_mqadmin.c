/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mqadmin.c - mqadmin with a real queue manager: create, start, status,
 * stop, delete and their exit statuses; scripts of tests/data/mqsc against
 * their .ref output; JSON; what survives a restart; the prompt on a terminal;
 * names and roots that make paths difficult.
 *
 * Queue managers are started by mqadmin, which ends; so this process adopts
 * them (PR_SET_CHILD_SUBREAPER) and can wait for their end.  Teardown stops
 * them, and a signal kills those that are left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/proc.h"
#include "tests/lib/tmpdir.h"

#define QM "QM.1/x"

struct fixture {
	struct tmpdir dir;
	char root[PATH_MAX];
	char *out; /* of the last run */
};

static struct fixture *fixture;

/* Runs mqadmin with arguments up to NULL; its output is in fixture->out. */
static int
mqadmin_in(const char *input, const char *first, va_list ap)
{
	const char *argv[16] = {0};
	char bin[PATH_MAX];
	char log[PATH_MAX];
	size_t n = 0;
	proc_bin("mqadmin", bin, sizeof(bin));
	argv[n++] = bin;
	for (const char *a = first; a != NULL; a = va_arg(ap, const char *)) {
		assert_true(n < 15);
		argv[n++] = a;
	}
	(void)snprintf(
	    log, sizeof(log), "%.4000s/mqadmin.log", fixture->dir.path);
	free(fixture->out);
	fixture->out = NULL;
	return proc_run(argv, input, log, &fixture->out);
}

static int
mqadmin(const char *first, ...)
{
	va_list ap;
	va_start(ap, first);
	int rc = mqadmin_in(NULL, first, ap);
	va_end(ap);
	return rc;
}

static int
mqadmin_input(const char *input, const char *first, ...)
{
	va_list ap;
	va_start(ap, first);
	int rc = mqadmin_in(input, first, ap);
	va_end(ap);
	return rc;
}

static void
expect_status(int rc, int expected, int line)
{
	if (rc != expected)
		fail_msg("line %d: exit status %d, not %d:\n%s", line, rc,
		    expected, fixture->out);
}

#define EXPECT(expected, ...) \
	expect_status(mqadmin(__VA_ARGS__, NULL), expected, __LINE__)

static void
expect_text(const char *text)
{
	if (strstr(fixture->out, text) == NULL)
		fail_msg("'%s' is not in:\n%s", text, fixture->out);
}

/* ---- fixture: a queue manager that runs ---- */

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	tmpdir_make(&f->dir);
	(void)snprintf(f->root, sizeof(f->root), "%.4000s/root", f->dir.path);
	(void)setenv("MQ_ROOT", f->root, 1);
	fixture = f;
	*state = f;
	return 0;
}

static int
setup_running(void **state)
{
	(void)setup(state);
	EXPECT(0, "create", QM);
	EXPECT(0, "start", QM);
	return 0;
}

/* Ends whatever still runs under the root. */
static void
stop_all(void)
{
	(void)mqadmin("status", "--json", NULL);
	char *text = strdup(fixture->out);
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		json_t *o = json_loads(line, 0, NULL);
		json_int_t pid = json_integer_value(json_object_get(o, "pid"));
		const char *name =
		    json_string_value(json_object_get(o, "name"));
		if (pid > 0 && name != NULL &&
		    mqadmin(
			"stop", name, "--immediate", "--wait", "20", NULL) != 0)
			(void)kill((pid_t)pid, SIGKILL);
		json_decref(o);
	}
	free(text);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	stop_all();
	tmpdir_free(&f->dir);
	free(f->out);
	free(f);
	fixture = NULL;
	return 0;
}

static json_t *
one_json(void)
{
	json_error_t e;
	json_t *o = json_loads(fixture->out, 0, &e);
	if (o == NULL)
		fail_msg("%s in %s", e.text, fixture->out);
	return o;
}

/* ---- the life of a queue manager ---- */

static void
test_a_queue_manager_is_made_started_stopped_and_deleted(void **state)
{
	(void)state;
	EXPECT(20, "status", QM);
	expect_text("AMQ8118E");
	expect_text(fixture->root);
	EXPECT(0, "create", QM);
	expect_text("AMQ8001I");
	EXPECT(10, "create", QM);
	EXPECT(10, "status", QM);
	expect_text("QMNAME(" QM ")");
	expect_text("STATUS(Ended)");
	EXPECT(10, "stop", QM);
	expect_text("AMQ8146E");

	EXPECT(0, "start", QM);
	expect_text("AMQ8003I");
	EXPECT(10, "start", QM);
	expect_text("running already");
	EXPECT(0, "status", QM);
	expect_text("STATUS(Running)");
	EXPECT(0, "status", QM, "--json");
	json_t *o = one_json();
	assert_true(json_is_true(json_object_get(o, "running")));
	assert_true(json_integer_value(json_object_get(o, "pid")) > 0);
	assert_string_equal(json_string_value(json_object_get(o, "name")), QM);
	pid_t pid = (pid_t)json_integer_value(json_object_get(o, "pid"));
	json_decref(o);
	EXPECT(10, "delete", QM, "--yes");
	expect_text("stop it first");

	EXPECT(0, "stop", QM);
	expect_text("AMQ8004I");
	int status;
	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	EXPECT(10, "delete", QM);
	expect_text("--yes");
	EXPECT(0, "delete", QM, "--yes");
	EXPECT(20, "status", QM);
	EXPECT(0, "status");
	assert_string_equal(fixture->out, "");
}

static void
test_wrong_arguments_are_refused_before_anything_is_done(void **state)
{
	(void)state;
	EXPECT(20, "frobnicate");
	expect_text("'frobnicate' is not a subcommand");
	EXPECT(20, "create");
	EXPECT(20, "create", "A", "B");
	EXPECT(20, "create", "not a name");
	EXPECT(20, "create", "--frob", "A");
	EXPECT(20, "stop", "A", "--wait", "soon");
	EXPECT(20, "mqsc");
	EXPECT(20, "mqsc", "NOBODY", "/dev/null");
	expect_text("AMQ8118E");
	EXPECT(20, "attributes", "FISH");
	EXPECT(0, "--help");
	static const char *const subcommands[] = {"create", "start", "stop",
	    "status", "delete", "mqsc", "attributes"};
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(*subcommands);
	     i++) {
		expect_text("--root DIR");
		EXPECT(0, subcommands[i], "--help");
		expect_text("Usage: mqadmin");
		EXPECT(0, "--help");
		expect_text(subcommands[i]);
	}
	EXPECT(0, "create", QM);
	EXPECT(20, "mqsc", QM, "/dev/null");
	expect_text("AMQ8146E");
	EXPECT(20, "mqsc", QM, "/no/such/file");
	EXPECT(20, "mqsc", QM, "/dev/null", "-c", "PING QMGR");
}

static void
test_several_are_listed_in_order_and_each_runs_by_itself(void **state)
{
	(void)state;
	EXPECT(0, "create", "B");
	EXPECT(0, "create", "A");
	EXPECT(0, "create", "../x/y");
	EXPECT(0, "start", "../x/y");
	EXPECT(0, "status");
	const char *a = strstr(fixture->out, "QMNAME(A)");
	const char *b = strstr(fixture->out, "QMNAME(B)");
	assert_true(a != NULL && b != NULL && a < b);
	expect_text("QMNAME(../x/y)");
	EXPECT(10, "status", "A");
	EXPECT(0, "status", "../x/y");
	EXPECT(0, "mqsc", "../x/y", "-c", "PING QMGR");
	EXPECT(0, "stop", "../x/y", "--immediate");
	EXPECT(10, "status", "../x/y");
}

static void
test_a_root_of_300_characters_works(void **state)
{
	(void)state;
	char root[PATH_MAX];
	size_t len;
	(void)snprintf(root, sizeof(root), "%.3000s/", fixture->dir.path);
	len = strlen(root);
	while (len < 300) {
		root[len] = len % 50 == 49 ? '/' : 'd';
		len++;
	}
	root[len - 1] = 'd';
	root[len] = '\0';
	EXPECT(0, "create", "QM1", "--root", root);
	EXPECT(0, "start", "QM1", "--root", root);
	EXPECT(0, "mqsc", "QM1", "--root", root, "-c", "DIS QMSTATUS DATPATH");
	EXPECT(20, "status", "QM1");
	EXPECT(0, "stop", "QM1", "--root", root);
	EXPECT(0, "delete", "QM1", "--yes", "--root", root);
}

/* ---- scripts ---- */

/* Writes x for the digits of dates (9999-99-99) and times (99.99.99). */
static void
mask_stamps(char *text)
{
	static const char *const forms[] = {"9999-99-99", "99.99.99"};
	for (char *p = text; *p != '\0'; p++) {
		for (size_t f = 0; f < 2; f++) {
			size_t n = 0;
			while (forms[f][n] != '\0' &&
			       (forms[f][n] == '9'
				       ? isdigit((unsigned char)p[n]) != 0
				       : p[n] == forms[f][n]))
				n++;
			if (forms[f][n] != '\0')
				continue;
			for (size_t i = 0; i < n; i++)
				if (isdigit((unsigned char)p[i]))
					p[i] = 'x';
		}
	}
}

static char *
read_file(const char *path)
{
	char *text = NULL;
	size_t cap = 0;
	FILE *f = fopen(path, "re");
	if (f == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	if (getdelim(&text, &cap, '\0', f) < 0)
		text = strdup("");
	(void)fclose(f);
	return text;
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The exit status is in the script's first line: "* exit 10". */
static void
check_script(const char *path)
{
	char ref[PATH_MAX];
	int status = 0;
	char *script = read_file(path);
	(void)sscanf(script, "* exit %d", &status);
	free(script);
	(void)snprintf(ref, sizeof(ref), "%.*s.ref",
	    (int)(strlen(path) - strlen(".mqsc")), path);
	int rc = mqadmin("mqsc", QM, path, NULL);
	mask_stamps(fixture->out);
	if (getenv("MQ_WRITE_REF") != NULL)
		write_file(ref, fixture->out);
	char *expected = read_file(ref);
	if (strcmp(fixture->out, expected) != 0)
		fail_msg("%s writes:\n%s\nnot %s", path, fixture->out, ref);
	free(expected);
	if (rc != status)
		fail_msg("%s: exit status %d, not %d", path, rc, status);
}

static void
test_scripts_write_what_their_ref_files_hold(void **state)
{
	(void)state;
	char pattern[PATH_MAX];
	glob_t g;
	(void)snprintf(pattern, sizeof(pattern),
	    "%.4000s/tests/data/mqsc/*.mqsc", getenv("MQ_SRC"));
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_true(g.gl_pathc >= 4);
	for (size_t i = 0; i < g.gl_pathc; i++)
		check_script(g.gl_pathv[i]);
	globfree(&g);
}

static void
test_objects_survive_a_restart_and_a_kill(void **state)
{
	(void)state;
	static const char display[] =
	    "DISPLAY Q(*) ALL\nDISPLAY CHL(*) ALL\nDISPLAY LSTR(*) ALL\n"
	    "DISPLAY QMGR ALL\n";
	EXPECT(0, "mqsc", QM, "-c", "DEF QL(KEPT) MAXDEPTH(77) DESCR('it''s')",
	    "-c", "DEF QL(GONE)", "-c", "DEF QA(ALIAS) TARGET(KEPT)", "-c",
	    "DELETE QL(GONE)", "-c", "ALTER QMGR DEADQ(KEPT)");
	EXPECT(0, "mqsc", QM, "-c",
	    "DEF CHL(R) CHLTYPE(RCVR) SSLPEER('CN=X') MRRTY(3)", "-c",
	    "DEF LSTR(L) PORT(4444) IPADDR('127.0.0.1')");
	expect_status(
	    mqadmin_input(display, "mqsc", QM, "-e", NULL), 0, __LINE__);
	char *before = strdup(fixture->out);
	assert_non_null(strstr(before, "MAXDEPTH(77)"));
	assert_non_null(strstr(before, "DESCR(it's)"));
	assert_null(strstr(before, "GONE"));

	EXPECT(0, "stop", QM);
	EXPECT(0, "start", QM);
	expect_status(
	    mqadmin_input(display, "mqsc", QM, "-e", NULL), 0, __LINE__);
	assert_string_equal(fixture->out, before);

	EXPECT(0, "status", QM, "--json");
	json_t *o = one_json();
	pid_t pid = (pid_t)json_integer_value(json_object_get(o, "pid"));
	json_decref(o);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	EXPECT(0, "start", QM);
	expect_status(
	    mqadmin_input(display, "mqsc", QM, "-e", NULL), 0, __LINE__);
	assert_string_equal(fixture->out, before);
	free(before);
}

static void
test_json_is_one_object_per_command(void **state)
{
	(void)state;
	EXPECT(10, "mqsc", QM, "--json", "-c", "DEF QL(J) MAXDEPTH(7)", "-c",
	    "DIS QL(J) MAXDEPTH CURDEPTH SHARE DESCR", "-c",
	    "DEF QL(J2) BOGUS(1)", "-c", "nonsense");
	char *text = strdup(fixture->out);
	char *save = NULL;
	const char *line = strtok_r(text, "\n", &save);
	json_t *o = json_loads(line, 0, NULL);
	assert_string_equal(
	    json_string_value(json_object_get(o, "completion")), "OK");
	json_decref(o);
	o = json_loads(strtok_r(NULL, "\n", &save), 0, NULL);
	json_t *row = json_array_get(json_object_get(o, "objects"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(row, "QUEUE")), "J");
	assert_int_equal(
	    json_integer_value(json_object_get(row, "MAXDEPTH")), 7);
	assert_true(json_is_integer(json_object_get(row, "CURDEPTH")));
	assert_string_equal(
	    json_string_value(json_object_get(row, "DESCR")), "");
	json_decref(o);
	o = json_loads(strtok_r(NULL, "\n", &save), 0, NULL);
	assert_string_equal(
	    json_string_value(json_object_get(o, "reasonName")), "ATTRIBUTE");
	assert_non_null(strstr(json_string_value(json_object_get(
				   json_object_get(o, "message"), "text")),
	    "BOGUS"));
	json_decref(o);
	o = json_loads(strtok_r(NULL, "\n", &save), 0, NULL);
	assert_string_equal(
	    json_string_value(json_object_get(o, "reasonName")), "SYNTAX");
	json_decref(o);
	assert_null(strtok_r(NULL, "\n", &save));
	free(text);
}

static void
test_verify_needs_no_queue_manager_and_changes_nothing(void **state)
{
	(void)state;
	expect_status(mqadmin_input("DEF QL(A)\n", "mqsc", "NONE", "-v", NULL),
	    0, __LINE__);
	expect_text("No commands were run.");
	expect_status(mqadmin_input("DEF QL(A\n", "mqsc", "NONE", "-v", NULL),
	    10, __LINE__);
	expect_text("AMQ8406E");
}

static void
test_commands_are_logged_with_who_and_what(void **state)
{
	(void)state;
	char path[PATH_MAX + 64];
	EXPECT(10, "mqsc", QM, "-c", "DEFINE QLOCAL(LOGGED) MAXDEPTH(3)", "-c",
	    "DELETE QLOCAL(NOBODY)");
	(void)snprintf(
	    path, sizeof(path), "%s/QM%%2E1%%2Fx/qmgr.log", fixture->root);
	char *log = read_file(path);
	assert_non_null(strstr(log, "DEFINE QLOCAL(LOGGED) MAXDEPTH(3)"));
	const char *line = strstr(log, "DELETE QLOCAL(NOBODY)");
	assert_non_null(line);
	assert_non_null(strstr(line, "UNKNOWN_OBJECT"));
	assert_non_null(strstr(log, "user="));
	free(log);
}

/* ---- channels ---- */

/* The first object that a DISPLAY of one command finds; NULL if none. */
static json_t *
display(const char *qm, const char *command)
{
	if (mqadmin("mqsc", qm, "--json", "-c", command, NULL) == 20)
		fail_msg("%s: %s", command, fixture->out);
	json_t *o = one_json();
	json_t *row =
	    json_incref(json_array_get(json_object_get(o, "objects"), 0));
	json_decref(o);
	return row;
}

/* Asks until the attribute has the value; dies after a while. */
static void
wait_for(const char *qm, const char *command, const char *attribute,
    const char *value)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	for (;;) {
		char text[300] = "";
		json_t *row = display(qm, command);
		json_t *v = json_object_get(row, attribute);
		if (json_is_integer(v))
			(void)snprintf(text, sizeof(text), "%lld",
			    (long long)json_integer_value(v));
		else if (json_is_string(v))
			(void)snprintf(
			    text, sizeof(text), "%s", json_string_value(v));
		json_decref(row);
		if (strcmp(text, value) == 0)
			return;
		if (test_now_ms() > end)
			fail_msg("%s at %s: %s is '%s', not '%s'", command, qm,
			    attribute, text, value);
		(void)poll(NULL, 0, 5);
	}
}

static void
put_lines(const char *qm, const char *queue, const char *lines)
{
	char bin[PATH_MAX];
	char log[PATH_MAX];
	char *out;
	proc_bin("mqput", bin, sizeof(bin));
	(void)snprintf(
	    log, sizeof(log), "%.4000s/mqput.log", fixture->dir.path);
	int rc = proc_run(
	    (const char *const[]){bin, qm, queue, NULL}, lines, log, &out);
	if (rc != 0)
		fail_msg("mqput: %d\n%s", rc, out);
	free(out);
}

static void
make_route(int port)
{
	char ca[PATH_MAX];
	char ssl[PATH_MAX];
	char script[1024];
	(void)snprintf(ca, sizeof(ca), "%.4000s/ca", fixture->dir.path);
	EXPECT(0, "tls", "init", ca);
	for (int i = 1; i <= 2; i++) {
		const char *name = i == 1 ? "QM1" : "QM2";
		EXPECT(0, "create", name);
		(void)snprintf(
		    ssl, sizeof(ssl), "%.4000s/%s/ssl", fixture->root, name);
		EXPECT(0, "tls", "issue", ca, name, "--out", ssl);
		EXPECT(0, "start", name);
	}
	(void)snprintf(script, sizeof(script),
	    "DEF QL(IN) DEFPSIST(YES)\n"
	    "DEF CHL(QM1.QM2) CHLTYPE(RCVR)\n"
	    "SET CHLAUTH(QM1.QM2) TYPE(SSLPEERMAP) SSLPEER('CN=QM1') "
	    "MCAUSER('qm1')\n"
	    "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('qm1') AUTHADD(CONNECT)\n"
	    "SET AUTHREC PROFILE(IN) OBJTYPE(QUEUE) PRINCIPAL('qm1') "
	    "AUTHADD(PUT)\n"
	    "DEF LSTR(L) IPADDR('127.0.0.1') PORT(%d)\nSTART LSTR(L)\n",
	    port);
	expect_status(mqadmin_input(script, "mqsc", "QM2", NULL), 0, __LINE__);
	(void)snprintf(script, sizeof(script),
	    "DEF QL(QM2) USAGE(XMITQ)\n"
	    "DEF QR(OUT) RNAME(IN) RQMNAME(QM2) DEFPSIST(YES)\n"
	    "DEF CHL(QM1.QM2) CHLTYPE(SDR) XMITQ(QM2) SSLPEER('CN=QM2') "
	    "CONNAME('127.0.0.1(%d)') SHORTRTY(1000) SHORTTMR(1)\n",
	    port);
	expect_status(mqadmin_input(script, "mqsc", "QM1", NULL), 0, __LINE__);
}

static void
test_a_channel_is_watched_stopped_and_resolved_by_commands(void **state)
{
	(void)state;
	make_route(proc_free_port());
	wait_for("QM2", "DIS LS(L)", "STATUS", "RUNNING");
	EXPECT(10, "mqsc", "QM1", "-c", "DIS CHS(QM1.QM2)");
	expect_text("AMQ8420I");

	put_lines("QM1", "OUT", "a\nb\nc\n");
	wait_for("QM2", "DIS QL(IN) CURDEPTH", "CURDEPTH", "3");
	wait_for("QM1", "DIS CHS(QM1.QM2)", "STATUS", "RUNNING");
	wait_for("QM1", "DIS CHS(QM1.QM2)", "SSLPEER", "CN=QM2");
	wait_for("QM2", "DIS CHS(QM1.QM2)", "RQMNAME", "QM1");
	wait_for("QM1", "DIS CHS(QM1.QM2) SAVED", "INDOUBT", "NO");
	EXPECT(10, "mqsc", "QM1", "-c", "DELETE CHL(QM1.QM2)", "-c",
	    "CLEAR QL(QM2)", "-c", "RESOLVE CHL(QM1.QM2) ACTION(COMMIT)");
	expect_text("3 valid MQSC commands could not be processed.");

	EXPECT(0, "mqsc", "QM1", "-c", "STOP CHL(QM1.QM2)");
	wait_for("QM1", "DIS CHS(QM1.QM2)", "STATUS", "STOPPED");
	put_lines("QM1", "OUT", "d\n");
	wait_for("QM1", "DIS QL(QM2) CURDEPTH", "CURDEPTH", "1");

	/* both ends say the same of the stream */
	json_t *sent = display("QM1", "DIS CHS(*) SAVED");
	json_t *got = display("QM2", "DIS CHS(*) SAVED");
	static const char *const same[] = {"STREAM", "LSTSEQNO"};
	for (size_t i = 0; i < 2; i++)
		assert_true(json_equal(json_object_get(sent, same[i]),
		    json_object_get(got, same[i])));
	json_decref(sent);
	json_decref(got);

	EXPECT(0, "mqsc", "QM1", "-c", "RESOLVE CHL(QM1.QM2) ACTION(BACKOUT)");
	expect_text("AMQ8025I");
	EXPECT(0, "mqsc", "QM1", "-c", "START CHL(QM1.QM2)");
	wait_for("QM2", "DIS QL(IN) CURDEPTH", "CURDEPTH", "4");
	EXPECT(0, "mqsc", "QM2", "-c", "STOP LSTR(L)");
	wait_for("QM2", "DIS LS(L)", "STATUS", "STOPPED");
	EXPECT(0, "stop", "QM1");
	EXPECT(0, "stop", "QM2");
}

/* ---- the prompt ---- */

/* Everything written to the terminal until `wanted` has been. */
static void
read_until(int fd, char *text, size_t cap, const char *wanted)
{
	size_t n = strlen(text);
	while (strstr(text, wanted) == NULL) {
		ssize_t got = read(fd, text + n, cap - 1 - n);
		if (got <= 0)
			fail_msg("'%s' is not in:\n%s", wanted, text);
		n += (size_t)got;
		text[n] = '\0';
	}
}

static void
type(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void
test_the_prompt_runs_lines_and_keeps_a_history(void **state)
{
	(void)state;
	char bin[PATH_MAX];
	char path[PATH_MAX + 64];
	char *text = calloc(1, 65536);
	int status;
	int fd;
	proc_bin("mqadmin", bin, sizeof(bin));
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);
	if (pid == 0) {
		(void)setenv("HOME", fixture->dir.path, 1);
		(void)setenv("TERM", "dumb", 1);
		(void)alarm(60);
		(void)execl(bin, bin, "mqsc", QM, (char *)NULL);
		_exit(127);
	}
	read_until(fd, text, 65536, QM "> ");
	type(fd, "DEFINE QLOCAL(TYPED) +\n");
	read_until(fd, text, 65536, "    > ");
	type(fd, "DESCR('by hand')\n");
	read_until(fd, text, 65536, "AMQ8006I");
	type(fd, "DIS QL(TYPED) DESCR\n");
	read_until(fd, text, 65536, "   DESCR(by hand)");
	type(fd, "END\n");
	read_until(fd, text, 65536, "2 MQSC commands read.");
	while (read(fd, text, 65535) > 0)
		;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)close(fd);
	(void)snprintf(
	    path, sizeof(path), "%s/.mqadmin_history", fixture->dir.path);
	char *history = read_file(path);
	assert_non_null(strstr(history, "TYPED"));
	free(history);
	free(text);
}

#define BARE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define RUNNING(f) cmocka_unit_test_setup_teardown(f, setup_running, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BARE(test_a_queue_manager_is_made_started_stopped_and_deleted),
	    BARE(test_wrong_arguments_are_refused_before_anything_is_done),
	    BARE(test_several_are_listed_in_order_and_each_runs_by_itself),
	    BARE(test_a_root_of_300_characters_works),
	    BARE(test_verify_needs_no_queue_manager_and_changes_nothing),
	    RUNNING(test_scripts_write_what_their_ref_files_hold),
	    RUNNING(test_objects_survive_a_restart_and_a_kill),
	    RUNNING(test_json_is_one_object_per_command),
	    RUNNING(test_commands_are_logged_with_who_and_what),
	    BARE(test_a_channel_is_watched_stopped_and_resolved_by_commands),
	    RUNNING(test_the_prompt_runs_lines_and_keeps_a_history),
	};
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
