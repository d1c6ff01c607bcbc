/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peerload.c - puts the loads of mqbench on another broker, so that the two
 * can be compared: the same threads, windows, backlog and counts.
 *
 * Neighbours: tools/bench-peers starts brokers and this; a driver per protocol
 * beside this file.  Prints one JSON object.
 *
 * One thread per producer, consumer, requester and replier, with a connection
 * of its own.  A producer keeps up to a window of puts unacknowledged; a
 * consumer acknowledges every message.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/peers/peer.h"

#define BACKLOG 20000u
#define WARM_UP_S 1.0
#define SETTLE_S 0.3 /* until subscriptions have arrived */
#define PREFETCH 500u
#define MAX_THREADS 256u
#define MAX_SAMPLES 2000000u

static const struct peer_driver *const drivers[] = {&peer_beanstalkd,
    &peer_redis_stream, &peer_redis_list, &peer_nats, &peer_stomp, &peer_amqp};

static const struct peer_driver *driver;
static unsigned port;
static unsigned to_port; /* where consumers are; else port */
static bool is_relay;    /* queues are there, and something moves messages */
static size_t size;
static unsigned window;
static char queue[32]; /* a new name each time */
static char requests[32];
static uint64_t target; /* messages; 0: until told to stop */
static atomic_bool stop, measuring;
static _Atomic uint64_t sent, answered, got;
static float *samples;
static _Atomic uint64_t n_samples;

void *
peer_alloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		peer_die("no memory");
	return p;
}

void
peer_die(const char *fmt, ...)
{
	va_list ap;

	/* at the end connections break in any order */
	if (stop)
		for (;;)
			(void)pause();
	(void)fputs("peerload: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
sleep_s(double secs)
{
	(void)usleep((useconds_t)(secs * 1e6));
}

static void
start(unsigned n, void *(*fn)(void *))
{
	pthread_t thread;

	if (n > MAX_THREADS)
		peer_die("at most %u threads of a kind", MAX_THREADS);
	for (uintptr_t i = 0; i < n; i++)
		if (pthread_create(&thread, NULL, fn, (void *)i) != 0)
			peer_die("no thread");
}

static char *
make_body(void)
{
	char *body = peer_alloc(PEER_MAX_BODY);

	memset(body, 'x', size);
	return body;
}

static void
sample(double us)
{
	uint64_t i = atomic_fetch_add(&n_samples, 1);

	if (i < MAX_SAMPLES)
		samples[i] = (float)us;
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void
print_latencies(double rate)
{
	size_t n = n_samples < MAX_SAMPLES ? n_samples : MAX_SAMPLES;

	if (n == 0)
		peer_die("nothing came back");
	qsort(samples, n, sizeof(*samples), compare);
	(void)printf("{\"rate\": %.1f, \"p50\": %.1f, \"p99\": %.1f}\n", rate,
	    (double)samples[n / 2], (double)samples[n * 99 / 100]);
}

/* ---- one put at a time ---- */

static void
lat(double secs)
{
	char *body = make_body();
	void *conn;
	double t0, t, u;

	driver->prepare(port, queue);
	conn = driver->producer(port);
	for (t0 = t = now(); t - t0 < secs; t = u) {
		driver->put(conn, queue, body, size);
		while (driver->acked(conn, true) == 0)
			;
		u = now();
		sample((u - t) * 1e6);
	}
	print_latencies((double)n_samples / (t - t0));
	driver->prepare(port, queue);
}

/* ---- producers and consumers ---- */

static bool
claim(void)
{
	if (target == 0) {
		if (sent - got >= BACKLOG)
			return false;
		sent++;
		return true;
	}
	if (atomic_fetch_add(&sent, 1) < target)
		return true;
	sent--;
	return false;
}

static void *
produce(void *arg)
{
	void *conn = driver->producer(port);
	char *body = make_body();
	unsigned unanswered = 0, n;

	(void)arg;
	while (!stop) {
		while (unanswered < window && claim()) {
			driver->put(conn, queue, body, size);
			unanswered++;
		}
		if (unanswered == 0 && target != 0)
			break;
		if (unanswered == 0) {
			(void)usleep(200);
			continue;
		}
		n = driver->acked(conn, true);
		unanswered -= n;
		answered += n;
	}
	return NULL;
}

static void *
consume(void *arg)
{
	void *conn = driver->consumer(to_port, queue, PREFETCH);
	char *body = peer_alloc(PEER_MAX_BODY);
	size_t len;

	(void)arg;
	while (!stop) {
		if (!driver->get(conn, body, &len))
			continue;
		driver->ack(conn);
		got++;
	}
	return NULL;
}

static void
tput(double secs, unsigned producers, unsigned consumers)
{
	uint64_t n;
	double t;

	if (!is_relay)
		driver->prepare(port, queue);
	start(consumers, consume);
	do { /* what an earlier run has left on its way */
		n = got;
		sleep_s(SETTLE_S);
	} while (got != n);
	got = 0;
	start(producers, produce);
	sleep_s(WARM_UP_S);
	n = got;
	t = now();
	sleep_s(secs);
	n = got - n;
	t = now() - t;
	stop = true;
	(void)printf("{\"rate\": %.1f}\n", (double)n / t);
	/* what is left must not burden the next one */
	if (!is_relay)
		driver->prepare(port, queue);
}

/* Until a counter reaches the target; messages per second. */
static double
wait_for(const _Atomic uint64_t *counter)
{
	double t = now();

	while (*counter < target)
		sleep_s(0.002);
	return (double)target / (now() - t);
}

static void
backlog(unsigned producers, unsigned consumers)
{
	double fill, drain;

	driver->prepare(port, queue);
	start(producers, produce);
	fill = wait_for(&answered);
	start(consumers, consume);
	drain = wait_for(&got);
	stop = true;
	(void)printf("{\"fill\": %.1f, \"drain\": %.1f}\n", fill, drain);
}

/* ---- request and reply: a request begins with the reply's queue ---- */

static void
reply_queue(unsigned n, char ret[32])
{
	(void)snprintf(ret, 32, "%.20s.%u", queue, n);
}

static void *
request(void *arg)
{
	char name[32], *body = make_body(), *answer = peer_alloc(PEER_MAX_BODY);
	void *in, *out;
	size_t len;
	double t;

	reply_queue((unsigned)(uintptr_t)arg, name);
	memcpy(body, name, sizeof(name));
	in = driver->consumer(port, name, 10);
	out = driver->producer(port);
	sleep_s(SETTLE_S);
	while (!stop) {
		t = now();
		driver->put(out, requests, body, size);
		while (driver->acked(out, true) == 0)
			;
		while (!driver->get(in, answer, &len))
			if (stop)
				return NULL;
		driver->ack(in);
		if (!measuring)
			continue;
		got++;
		sample((now() - t) * 1e6);
	}
	return NULL;
}

static void *
reply(void *arg)
{
	void *in = driver->consumer(port, requests, 10);
	void *out = driver->producer(port);
	char *body = peer_alloc(PEER_MAX_BODY);
	size_t len;

	(void)arg;
	while (!stop) {
		if (!driver->get(in, body, &len))
			continue;
		driver->put(out, body, body, len);
		while (driver->acked(out, true) == 0)
			;
		driver->ack(in);
	}
	return NULL;
}

static void
rr(double secs, unsigned requesters, unsigned repliers)
{
	char name[32];
	uint64_t n;
	double t;

	if (size < sizeof(name))
		peer_die("a request has at least %zu bytes", sizeof(name));
	driver->prepare(port, requests);
	for (unsigned i = 0; i < requesters; i++) {
		reply_queue(i, name);
		driver->prepare(port, name);
	}
	start(repliers, reply);
	sleep_s(SETTLE_S);
	start(requesters, request);
	sleep_s(SETTLE_S + WARM_UP_S);
	measuring = true;
	t = now();
	sleep_s(secs);
	n = got;
	t = now() - t;
	stop = true;
	print_latencies((double)n / t);
}

/* ---- the program ---- */

static _Noreturn void
usage(void)
{
	(void)fputs(
	    "Usage: peerload DRIVER PORT lat SIZE SECONDS\n"
	    "       peerload DRIVER PORT tput SIZE SECONDS PRODUCERS WINDOW "
	    "CONSUMERS\n"
	    "       peerload DRIVER PORT relay SIZE SECONDS PRODUCERS WINDOW "
	    "CONSUMERS TO_PORT QUEUE\n"
	    "       peerload DRIVER PORT backlog SIZE MESSAGES PRODUCERS "
	    "WINDOW "
	    "CONSUMERS\n"
	    "       peerload DRIVER PORT rr SIZE SECONDS REQUESTERS REPLIERS\n"
	    "DRIVER is one of:",
	    stderr);
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		(void)fprintf(stderr, " %s", drivers[i]->name);
	(void)fputc('\n', stderr);
	exit(2);
}

static unsigned
number(const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || v > 1000000000)
		usage();
	return (unsigned)v;
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 5 ? argv[3] : "";

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (argc > 1 && strcmp(drivers[i]->name, argv[1]) == 0)
			driver = drivers[i];
	if (driver == NULL || argc < 6)
		usage();
	port = to_port = number(argv[2]);
	size = number(argv[4]);
	if (size > PEER_MAX_BODY)
		usage();
	samples = peer_alloc(MAX_SAMPLES * sizeof(*samples));
	(void)snprintf(queue, sizeof(queue), "q%d", (int)getpid());
	(void)snprintf(requests, sizeof(requests), "r%d", (int)getpid());
	if (strcmp(mode, "lat") == 0 && argc == 6) {
		lat(strtod(argv[5], NULL));
	} else if (strcmp(mode, "tput") == 0 && argc == 9) {
		window = number(argv[7]);
		tput(strtod(argv[5], NULL), number(argv[6]), number(argv[8]));
	} else if (strcmp(mode, "relay") == 0 && argc == 11) {
		window = number(argv[7]);
		to_port = number(argv[9]);
		is_relay = true;
		(void)snprintf(queue, sizeof(queue), "%s", argv[10]);
		tput(strtod(argv[5], NULL), number(argv[6]), number(argv[8]));
	} else if (strcmp(mode, "backlog") == 0 && argc == 9) {
		target = number(argv[5]);
		window = number(argv[7]);
		backlog(number(argv[6]), number(argv[8]));
	} else if (strcmp(mode, "rr") == 0 && argc == 8) {
		rr(strtod(argv[5], NULL), number(argv[6]), number(argv[7]));
	} else {
		usage();
	}
	(void)fflush(stdout);
	_exit(0);
}
