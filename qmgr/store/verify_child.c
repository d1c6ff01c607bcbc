/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_child.c - the check of a store in a child process.
 *
 * What the child has found and where it is stands in memory that both share, so
 * that it is known however the child ends.  The child dies with its parent.
 */
#include "qmgr/store/verify_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct relay {
	const struct verify_report *report;
	struct verify_outcome *shared;
};

static void
relay_looked(void *ctx, const char *what, uint64_t n, uint64_t bytes)
{
	const struct relay *r = ctx;

	r->report->looked(r->report->ctx, what, n, bytes);
	(void)fflush(stdout);
}

static void
relay_finding(void *ctx, const struct verify_finding *f)
{
	const struct relay *r = ctx;

	/* in case that the end does not come */
	r->shared->result.findings++;
	r->report->finding(r->report->ctx, f);
	(void)fflush(stdout);
}

_Noreturn static void
child(const char *dir, const struct verify_options *options,
    const struct verify_report *report, struct verify_outcome *shared)
{
	struct relay r = {.report = report, .shared = shared};
	const struct verify_report relayed = {
	    .looked = relay_looked, .finding = relay_finding, .ctx = &r};
	struct verify_options mine = *options;
	struct verify_result result = {0};
	char *why = NULL;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	mine.place = &shared->place;
	shared->err = verify_store(dir, &mine, &relayed, &result, &why);
	if (shared->err == MQI_OK)
		shared->result = result;
	else
		(void)snprintf(shared->why, sizeof(shared->why), "%s",
		    why != NULL ? why : mqi_strerror(shared->err));
	_exit(0);
}

static void
report_end(
    const struct verify_report *report, int status, struct verify_outcome *o)
{
	char where[128];
	char what[128];
	const struct verify_finding f = {
	    .kind = VERIFY_PAGE, .where = where, .what = what};

	(void)snprintf(where, sizeof(where), "%s, page %llu", o->place.table,
	    (unsigned long long)o->place.page);
	(void)snprintf(what, sizeof(what),
	    "looking at it ended the check (%s %d)",
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	o->err = MQI_OK;
	o->result.findings++;
	o->result.pages++;
	report->finding(report->ctx, &f);
}

void
verify_in_child(const char *dir, const struct verify_options *options,
    const struct verify_report *report, struct verify_outcome *ret)
{
	struct verify_outcome *shared = mmap(NULL, sizeof(*shared),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	*ret = (struct verify_outcome){.err = MQI_E_NO_MEMORY};
	if (shared == MAP_FAILED)
		return;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		child(dir, options, report, shared);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0) {
		*ret = *shared;
		/* somebody, or the want of memory, ended it: no damage */
		if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL ||
					       WTERMSIG(status) == SIGTERM)) {
			ret->err = MQI_E_RESOURCE_PROBLEM;
			(void)snprintf(ret->why, sizeof(ret->why),
			    "the check was ended by signal %d",
			    WTERMSIG(status));
		} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			report_end(report, status, ret);
	} else {
		(void)snprintf(ret->why, sizeof(ret->why), "cannot fork: %s",
		    strerror(errno));
	}
	(void)munmap(shared, sizeof(*shared));
}
