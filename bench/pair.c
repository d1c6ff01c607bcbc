/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.c - two queue managers of our own and a channel between them, for
 * mqbench's channel rows: certificates by `mqadmin tls`, the route by MQSC, as
 * an administrator would.
 *
 * Neighbours: host.c makes and starts each; channel.c loads them; the tests'
 * proxy makes the way between them longer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "tests/lib/proxy.h"

#define FROM "BENCHA"
#define TO "BENCHB"

/* Runs mqadmin; its output goes to the log in root. */
static void
mqadmin(const struct bench_host *h, const char *const args[])
{
	const char *argv[12] = {"mqadmin"};
	char path[320], log[320];
	int status, n = 1;
	pid_t pid;

	host_program("mqadmin", path, sizeof(path));
	(void)snprintf(log, sizeof(log), "%s/log", h->root);
	while (*args != NULL && n < 11)
		argv[n++] = *args++;
	pid = fork();
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid == 0) {
		int fd;

		host_child();
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 &&
		    dup2(fd, STDERR_FILENO) >= 0)
			(void)execv(path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		host_die(h, "mqadmin failed");
}

static void
certificate(const struct bench_host *h, const char *ca)
{
	char out[320];

	(void)snprintf(out, sizeof(out), "%s/%s/ssl", h->root, h->qmgr);
	mqadmin(h, (const char *const[]){
		       "tls", "issue", ca, h->qmgr, "--out", out, NULL});
}

static void
mqsc(const struct bench_host *h, const char *text)
{
	char path[320];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s.mqsc", h->root, h->qmgr);
	f = fopen(path, "we");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		bench_die("%s: %s", path, strerror(errno));
	mqadmin(h, (const char *const[]){
		       "mqsc", h->qmgr, path, "--root", h->root, NULL});
}

static unsigned
free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		bench_die("no port: %s", strerror(errno));
	(void)close(fd);
	return ntohs(a.sin_port);
}

static void
define(struct bench_pair *p, const char *queue, unsigned port)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(%s) MAXDEPTH(999999999)\n"
	    "DEFINE CHANNEL(BENCH) CHLTYPE(RCVR)\n"
	    "SET CHLAUTH('BENCH*') TYPE(SSLPEERMAP) SSLPEER('CN=" FROM "') "
	    "MCAUSER('bench')\n"
	    "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('bench') AUTHADD(CONNECT)\n"
	    "SET AUTHREC PROFILE('**') OBJTYPE(QUEUE) PRINCIPAL('bench') "
	    "AUTHADD(PUT)\n"
	    "DEFINE LISTENER(BENCH) IPADDR('127.0.0.1') PORT(%u)\n"
	    "START LISTENER(BENCH)\n",
	    queue, port);
	mqsc(&p->to, text);
	if (p->proxy != NULL)
		port = (unsigned)proxy_port(p->proxy);
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(" TO ") USAGE(XMITQ) MAXDEPTH(999999999)\n"
	    "DEFINE QREMOTE(%s) RNAME(%s) RQMNAME(" TO ")\n"
	    "DEFINE CHANNEL(BENCH) CHLTYPE(SDR) XMITQ(" TO ") +\n"
	    " CONNAME('127.0.0.1(%u)') SSLPEER('CN=" TO "') SHORTTMR(1)\n",
	    queue, queue, port);
	mqsc(&p->from, text);
}

void
pair_start(
    struct bench_pair *p, const char *dir, const char *queue, bool with_proxy)
{
	unsigned port = free_port();
	char ca[320];

	host_root(&p->from, dir);
	p->to = p->from;
	host_make(&p->from, FROM);
	host_make(&p->to, TO);
	(void)snprintf(ca, sizeof(ca), "%s/ca", p->from.root);
	mqadmin(&p->from, (const char *const[]){"tls", "init", ca, NULL});
	certificate(&p->from, ca);
	certificate(&p->to, ca);
	host_start(&p->from);
	host_start(&p->to);
	p->proxy = with_proxy ? proxy_new((int)port, 1) : NULL;
	p->port = port;
	define(p, queue, port);
}

void
pair_channel(struct bench_pair *p, bool on)
{
	mqsc(&p->from, on ? "START CHANNEL(BENCH)\n" : "STOP CHANNEL(BENCH)\n");
}

void
pair_queue(unsigned i, char *ret)
{
	(void)snprintf(ret, MQI_NAME_LEN + 1, "BENCH.R.%u", i);
}

void
pair_more(struct bench_pair *p, const char *queue, unsigned n)
{
	char *text = NULL, name[MQI_NAME_LEN + 1];
	size_t len;

	for (unsigned to = 0; to < 2; to++) {
		FILE *f = open_memstream(&text, &len);

		if (f == NULL)
			bench_die("no memory");
		for (unsigned i = 0; i < n; i++) {
			pair_queue(i, name);
			if (to)
				(void)fprintf(f,
				    "DEFINE CHANNEL(BENCH.%u) CHLTYPE(RCVR) "
				    "SSLPEER('CN=" FROM "')\n",
				    i);
			else
				(void)fprintf(f,
				    "DEFINE QLOCAL(X.%u) USAGE(XMITQ)\n"
				    "DEFINE QREMOTE(%s) RNAME(%s) "
				    "RQMNAME(" TO ") XMITQ(X.%u)\n"
				    "DEFINE CHANNEL(BENCH.%u) CHLTYPE(SDR) "
				    "XMITQ(X.%u) CONNAME('127.0.0.1(%u)') "
				    "SSLPEER('CN=" TO "') SHORTTMR(1)\n",
				    i, name, queue, i, i, i, p->port);
		}
		(void)fclose(f);
		mqsc(to ? &p->to : &p->from, text);
		free(text);
	}
}

void
pair_clients(struct bench_pair *p, mqi_conn **ret, unsigned n)
{
	char conname[64], keys[320];
	const struct mqi_connect_opts opts = {.app_name = "mqbench",
	    .conname = conname,
	    .channel = "BENCH.APP",
	    .key_dir = keys,
	    .timeout_ms = 60000};

	mqsc(&p->to, "DEFINE CHANNEL(BENCH.APP) CHLTYPE(SVRCONN) REPLACE\n");
	(void)snprintf(conname, sizeof(conname), "127.0.0.1(%u)", p->port);
	(void)snprintf(
	    keys, sizeof(keys), "%s/%s/ssl", p->from.root, p->from.qmgr);
	for (unsigned i = 0; i < n; i++) {
		enum mqi_err err;

		/* until somebody listens */
		do
			err = mqi_connect(TO, &opts, &ret[i]);
		while (err == MQI_E_HOST_NOT_AVAILABLE && i == 0);
		if (err != MQI_OK)
			bench_die("client %u: %s: %s", i, mqi_strerror(err),
			    mqi_last_error(NULL));
	}
}

void
pair_stop(struct bench_pair *p)
{
	host_end(&p->to);
	host_stop(&p->from);
	if (p->proxy != NULL)
		proxy_free(p->proxy);
}

void
pair_delay(struct bench_pair *p, unsigned ms)
{
	const struct proxy_line line = {.delay_ms = ms};

	proxy_set(p->proxy, PROXY_OUT, &line);
	proxy_set(p->proxy, PROXY_BACK, &line);
}
