/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - mca: reads the arguments and becomes one kind of agent.
 *
 *   mca dial     --qmgr QM --channel NAME
 *   mca ping     --qmgr QM --channel NAME
 *   mca ask      --qmgr QM --channel NAME
 *   mca listener --qmgr QM --listener NAME
 *   mca answer   --qmgr QM --keys DIR --address A --fd N [--ready-fd N]
 *                [--label LABEL] [--tls12] [--no-cert]
 *   mca clients  --qmgr QM --keys DIR --fd N [--label LABEL]
 *   mca serve    --qmgr QM --keys DIR
 * the first three also with [--keys DIR] [--go-fd N], each with [--root DIR]
 * [--log text|json].
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"
#include "mca/run.h"
#include "mca/sandbox.h"

#define PROGRAM_MAX 4096u

static const char usage_text[] =
    "usage: mca dial     --qmgr QM --channel NAME [--root DIR]\n"
    "       mca ping     --qmgr QM --channel NAME [--root DIR]\n"
    "       mca ask      --qmgr QM --channel NAME [--root DIR]\n"
    "       mca listener --qmgr QM --listener NAME [--root DIR]\n"
    "       mca answer   --qmgr QM --keys DIR --address TEXT --fd N\n"
    "                    [--label LABEL] [--tls12] [--no-cert]\n"
    "                    [--ready-fd N] [--root DIR]\n"
    "       mca clients  --qmgr QM --keys DIR --fd N [--label LABEL]\n"
    "                    [--root DIR]\n"
    "       mca serve    --qmgr QM --keys DIR [--root DIR]\n"
    "       each with [--log text|json], the first three also with\n"
    "       [--keys DIR] [--go-fd N]\n"
    "The queue manager starts these itself, or has them started by mca "
    "serve, which\nthe system's supervisor runs; see mca(8).\n";

static int
usage(const char *why)
{
	(void)fprintf(stderr, "mca: %s\n%s", why, usage_text);
	return RUN_USAGE;
}

static int
to_fd(const char *s)
{
	char *end = NULL;
	long v = strtol(s, &end, 10);

	return end == s || *end != '\0' || v < 0 || v > 65535 ? -1 : (int)v;
}

enum option_id {
	OPT_QMGR = 1,
	OPT_ROOT,
	OPT_CHANNEL,
	OPT_LISTENER,
	OPT_ADDRESS,
	OPT_KEYS,
	OPT_LABEL,
	OPT_TLS12,
	OPT_NO_CERT,
	OPT_FD,
	OPT_READY_FD,
	OPT_GO_FD,
	OPT_LOG,
};

static const struct option options[] = {
    {"qmgr", required_argument, NULL, OPT_QMGR},
    {"root", required_argument, NULL, OPT_ROOT},
    {"channel", required_argument, NULL, OPT_CHANNEL},
    {"listener", required_argument, NULL, OPT_LISTENER},
    {"address", required_argument, NULL, OPT_ADDRESS},
    {"keys", required_argument, NULL, OPT_KEYS},
    {"label", required_argument, NULL, OPT_LABEL},
    {"tls12", no_argument, NULL, OPT_TLS12},
    {"no-cert", no_argument, NULL, OPT_NO_CERT},
    {"fd", required_argument, NULL, OPT_FD},
    {"ready-fd", required_argument, NULL, OPT_READY_FD},
    {"go-fd", required_argument, NULL, OPT_GO_FD},
    {"log", required_argument, NULL, OPT_LOG},
    {NULL, 0, NULL, 0},
};

static bool
take_option(struct run_args *a, int id, const char *value)
{
	switch (id) {
	case OPT_QMGR:
		a->qmgr = value;
		return true;
	case OPT_ROOT:
		a->root = value;
		return true;
	case OPT_CHANNEL:
		a->channel = value;
		return true;
	case OPT_LISTENER:
		a->listener = value;
		return true;
	case OPT_ADDRESS:
		a->address = value;
		return true;
	case OPT_KEYS:
		a->keys = value;
		return true;
	case OPT_LABEL:
		a->label = value;
		return true;
	case OPT_TLS12:
		a->lets.old_tls = true;
		return true;
	case OPT_NO_CERT:
		a->lets.no_cert = true;
		return true;
	case OPT_FD:
		a->fd = to_fd(value);
		return a->fd >= 0;
	case OPT_READY_FD:
		a->ready_fd = to_fd(value);
		return a->ready_fd >= 0;
	case OPT_GO_FD:
		a->go_fd = to_fd(value);
		return a->go_fd >= 0;
	case OPT_LOG:
		a->json = strcmp(value, "json") == 0;
		return a->json || strcmp(value, "text") == 0;
	default:
		return false;
	}
}

/* Waits for the word of `mca serve` that the queue manager knows us; false:
 * that has ended.  From now on we end when it does. */
static bool
may_go(int fd)
{
	char byte;
	ssize_t n;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return false;
	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	(void)close(fd);
	return n == 1;
}

static int
run_mode(const char *mode, const struct run_args *a)
{
	if (a->qmgr == NULL || !mqname_is_valid(a->qmgr, MQI_NAME_LEN))
		return usage("--qmgr with a valid name is needed");
	mqlog_init(a->qmgr, a->json);
	if (sandbox_harden() != MQI_OK) {
		mqlog(MQLOG_ERROR, "agent.sandbox",
		    "the kernel lets no process give up privileges: %s",
		    strerror(errno));
		return RUN_FAILED;
	}
	if (a->go_fd >= 0 && !may_go(a->go_fd))
		return RUN_FAILED;
	if (strcmp(mode, "dial") == 0 || strcmp(mode, "ping") == 0 ||
	    strcmp(mode, "ask") == 0)
		return a->channel != NULL ? run_dial(a)
					  : usage("--channel is needed");
	if (strcmp(mode, "listener") == 0)
		return a->listener != NULL ? run_listener(a)
					   : usage("--listener is needed");
	if (strcmp(mode, "answer") == 0)
		return a->fd >= 0 && a->keys != NULL && a->address != NULL
			   ? run_answer(a)
			   : usage("--fd, --keys and --address are needed");
	if (strcmp(mode, "clients") == 0)
		return a->fd >= 0 && a->keys != NULL
			   ? run_clients(a)
			   : usage("--fd and --keys are needed");
	if (strcmp(mode, "serve") == 0)
		return a->keys != NULL ? run_serve(a)
				       : usage("--keys is needed");
	return usage("the first argument is dial, ping, ask, listener, answer, "
		     "clients or serve");
}

int
main(int argc, char **argv)
{
	static char program[PROGRAM_MAX];
	struct run_args args = {.fd = -1,
	    .ready_fd = -1,
	    .go_fd = -1,
	    .label = "",
	    .program = program};
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	int id;

	if (len < 0)
		(void)snprintf(program, sizeof(program), "%s", argv[0]);
	if (argc < 2)
		return usage("an argument is missing");
	if (strcmp(argv[1], "--help") == 0)
		return fputs(usage_text, stdout) < 0 ? RUN_FAILED : RUN_DONE;
	while (
	    (id = getopt_long(argc - 1, argv + 1, "", options, NULL)) != -1) {
		if (!take_option(&args, id, optarg))
			return usage("an argument is not valid");
	}
	args.ping = strcmp(argv[1], "ping") == 0;
	args.ask = strcmp(argv[1], "ask") == 0;
	if (optind != argc - 1)
		return usage("there is an argument too many");
	return run_mode(argv[1], &args);
}
