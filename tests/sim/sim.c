/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.c - the world of the simulation (sim.h): time, the choice of what moves
 * next, faults, and the phases of a run.
 *
 * A seed first chooses its network, its clients and the rates of its faults
 * (some seeds have none of a kind, some have many), then thousands of steps.
 * Then everything is healed: queue managers start, links carry, putters stop;
 * within 30 seconds of the world's time everything must have arrived.  The
 * verdict ends the run, or its round: a world of many rounds goes on with the
 * stores, positions and fences that it has, and with a new checker.
 */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <string.h>

#include "base/rand.h"

#define CHAOS_STEPS 14000u
#define HEAL_US UINT64_C(30000000)

bool sim_tracing;

unsigned
sim_roll(struct sim *s, unsigned n)
{
	return (unsigned)(mqrand_next(&s->random) % n);
}

void
sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (s->failed)
		return;
	s->failed = true;
	va_start(ap, fmt);
	(void)vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	SIM_TRACE(s, "failed: %s", s->why);
}

/* ---- faults ---- */

static bool
happens(struct sim *s, unsigned rate)
{
	return sim_roll(s, 10000) < rate;
}

/* With its host: everything that ran there. */
static void
power_cut(struct sim *s, struct sim_qm *qm)
{
	struct sim_agent *a, *next;

	SIM_TRACE(s, "power cut of %s", qm->name);
	sim_qm_crash(qm, true);
	for (unsigned i = 0; i < s->n_apps; i++)
		sim_app_crash(sim_app_at(s, i), qm);
	for (a = TAILQ_FIRST(&s->agents); a != NULL; a = next) {
		next = sim_agent_next(a);
		sim_agent_crash(a, qm);
	}
}

static void
faults(struct sim *s)
{
	struct sim_qm *qm = &s->qms[sim_roll(s, s->n_qms)];
	struct sim_agent *a;

	if (happens(s, s->rates.crash) && qm->e != NULL) {
		sim_qm_crash(qm, false);
		sim_audit(s, "at a crash");
	}
	if (happens(s, s->rates.power) && qm->e != NULL) {
		power_cut(s, qm);
		sim_audit(s, "at a power cut");
	}
	if (happens(s, s->rates.flush) && qm->e != NULL)
		sim_qm_fail_flush(qm);
	if (happens(s, s->rates.room))
		sim_qm_turn_room(qm);
	if (happens(s, s->rates.kill_app))
		sim_app_kill(sim_app_at(s, sim_roll(s, s->n_apps)));
	if (happens(s, s->rates.kill_agent)) {
		a = sim_agent_any(s);
		if (a != NULL)
			sim_agent_kill(a);
	}
	if (happens(s, s->rates.cut))
		sim_link_cut_any(s);
	if (happens(s, s->rates.resolve))
		sim_qm_resolve(qm, sim_roll(s, s->n_qms));
	if (s->n_qms > 1 && happens(s, s->rates.partition)) {
		unsigned i = sim_roll(s, s->n_qms - (s->triangle ? 0 : 1));
		unsigned j = (i + 1) % s->n_qms;

		s->parted[i][j] = s->parted[j][i] = !s->parted[i][j];
		s->cuts++;
		SIM_TRACE(s, "QM%u and QM%u are %s", i + 1, j + 1,
		    s->parted[i][j] ? "parted" : "joined");
	}
}

/* ---- steps ---- */

/* What a queue manager starts for its channels with a partner. */
static void
channels(struct sim *s, struct sim_qm *qm, unsigned with)
{
	unsigned me = qm->index;

	if (qm->work[with] && !s->turned[me][with] &&
	    !sim_agent_sends(s, me, with))
		sim_agent_start_sender(qm, with);
	else if (s->turned[with][me] && s->qms[with].xmitq_ids[me] != 0 &&
		 !sim_agent_requests(qm, with))
		sim_agent_start_requester(qm, with);
}

static void
recover(struct sim *s)
{
	struct sim_qm *qm = &s->qms[sim_roll(s, s->n_qms)];
	unsigned to = sim_roll(s, s->n_qms);

	if (qm->e == NULL) {
		if (sim_roll(s, 4) == 0)
			sim_qm_start(qm);
		if (qm->e != NULL && !s->healing && sim_roll(s, 8) == 0)
			power_cut(s, qm); /* again, before it writes */
	} else if (sim_qm_is_up(qm)) {
		channels(s, qm, to);
	}
}

/* Hosts are idle for a while at times; less often while there is a backlog and
 * no fault. */
static void
pass_time(struct sim *s)
{
	unsigned what = sim_roll(s, s->healing ? 2000 : 200);

	s->now_us += what == 0 ? sim_roll(s, 400000) : sim_roll(s, 400);
}

void
sim_step(struct sim *s)
{
	unsigned what = sim_roll(s, 100);
	struct sim_agent *a;

	s->steps++;
	pass_time(s);
	if (what < 50) {
		sim_qm_step(&s->qms[sim_roll(s, s->n_qms)]);
	} else if (what < 75) {
		sim_app_step(sim_app_at(s, sim_roll(s, s->n_apps)));
	} else if (what < 95) {
		a = sim_agent_any(s);
		if (a != NULL)
			sim_agent_step(a);
	} else {
		recover(s);
	}
	if (!s->healing)
		faults(s);
	if (sim_roll(s, 200) == 0)
		sim_audit(s, "between steps");
	sim_check(s);
}

/* ---- phases ---- */

static unsigned
some_rate(struct sim *s, unsigned most)
{
	return sim_roll(s, 3) == 0 ? 0 : sim_roll(s, most);
}

/* Who has channels to whom, and who calls. */
static void
lay_out(struct sim *s)
{
	for (unsigned i = 0; i < s->n_qms; i++) {
		for (unsigned j = 0; j < s->n_qms; j++) {
			s->next[i][j] = s->triangle || i == j ? j
					: i < j               ? i + 1
							      : i - 1;
			s->turned[i][j] = sim_roll(s, 3) == 0;
		}
	}
	/* one of the two others may have no channel of its own to it */
	for (unsigned to = 0; s->triangle && to < SIM_QMS; to++) {
		unsigned a = (to + 1) % SIM_QMS, b = (to + 2) % SIM_QMS;
		unsigned what = sim_roll(s, 3);

		if (what == 1 && s->next[a][b] == b)
			s->next[a][to] = b;
		else if (what == 2 && s->next[b][a] == a)
			s->next[b][to] = a;
	}
}

static void
choose_rates(struct sim *s)
{
	s->rates.crash = some_rate(s, 12);
	s->rates.power = some_rate(s, 8);
	s->rates.flush = some_rate(s, 4);
	s->rates.room = sim_roll(s, 4) == 0 ? 1 + sim_roll(s, 20) : 0;
	s->rates.kill_app = some_rate(s, 20);
	s->rates.kill_agent = some_rate(s, 20);
	s->rates.partition = some_rate(s, 12);
	s->rates.cut = some_rate(s, 20);
	s->rates.resolve = some_rate(s, 200);
}

static void
begin(struct sim *s, const struct sim_plan *plan)
{
	s->n_qms = plan->triangle ? SIM_QMS : 1 + sim_roll(s, SIM_QMS);
	s->triangle =
	    plan->triangle || (s->n_qms == SIM_QMS && sim_roll(s, 2) == 0);
	lay_out(s);
	s->big = sim_roll(s, 3) == 0;
	s->shallow = sim_roll(s, 4) == 0;
	s->checker = checker_new(NULL);
	s->now_us = 1000000;
	s->n_msgs = 1;
	TAILQ_INIT(&s->agents);
	TAILQ_INIT(&s->links);
	for (unsigned i = 0; i < s->n_qms; i++)
		sim_qm_init(&s->qms[i], s, i);
	for (unsigned i = 0; i < s->n_qms; i++)
		sim_qm_define(&s->qms[i]);
	sim_apps_init(s);
	choose_rates(s);
	SIM_TRACE(s, "%u queue managers, %u applications", s->n_qms, s->n_apps);
}

/* What is not done yet; NULL: everything is. */
static const char *
waits_for(struct sim *s)
{
	static char what[64];

	for (unsigned i = 0; i < s->n_apps; i++) {
		(void)snprintf(what, sizeof(what), "application %u", i);
		if (!sim_app_is_idle(sim_app_at(s, i)))
			return what;
	}
	for (unsigned i = 0; i < s->n_qms; i++) {
		(void)snprintf(what, sizeof(what), "%s", s->qms[i].name);
		if (!sim_qm_is_up(&s->qms[i]) || s->qms[i].dying ||
		    s->qms[i].widen)
			return what;
		for (unsigned j = 0; j < s->n_qms; j++) {
			(void)snprintf(what, sizeof(what), "%s to %s",
			    s->qms[i].name, s->qms[j].name);
			if (s->qms[i].xmitq_ids[j] != 0 &&
			    sim_qm_depth(&s->qms[i], s->qms[j].name) != 0)
				return what;
		}
	}
	return NULL;
}

static void
heal(struct sim *s)
{
	uint64_t healed_us = s->now_us, took_us;

	SIM_TRACE(s, "everything is healed");
	s->healing = true;
	memset(s->parted, 0, sizeof(s->parted));
	for (unsigned i = 0; i < s->n_qms; i++)
		sim_qm_mend(&s->qms[i]);
	while (!s->failed && waits_for(s) != NULL &&
	       s->now_us - healed_us < HEAL_US) {
		for (unsigned i = 0; i < 16; i++)
			sim_step(s);
	}
	took_us = s->now_us - healed_us;
	if (took_us > s->slowest_us)
		s->slowest_us = took_us;
	if (!s->failed && waits_for(s) != NULL)
		sim_fail(s,
		    "the faults have ended for %llu ms, but not the work of %s",
		    (unsigned long long)took_us / 1000, waits_for(s));
	for (unsigned i = 0; i < s->n_apps; i++)
		sim_app_kill(sim_app_at(s, i));
	sim_agents_fini(s);
}

static void
end(struct sim *s)
{
	sim_agents_fini(s);
	for (unsigned i = 0; i < s->n_qms; i++)
		sim_qm_fini(&s->qms[i]);
	sim_apps_fini(s);
	s->checker = checker_free(s->checker);
}

/* Faults, until everything is healed and judged. */
static void
run_round(struct sim *s)
{
	uint64_t until = s->steps + CHAOS_STEPS;

	while (!s->failed && s->steps < until)
		sim_step(s);
	if (!s->failed)
		heal(s);
	if (!s->failed)
		sim_verdict(s);
}

/* The last one has left nothing but what stores and engines remember. */
static void
next_round(struct sim *s)
{
	s->healing = false;
	(void)checker_free(s->checker);
	s->checker = checker_new(NULL);
	s->n_judged += s->n_msgs;
	s->n_msgs = 1;
	sim_apps_retell(s);
	choose_rates(s);
}

bool
sim_run(struct sim *s, uint64_t seed, const struct sim_plan *plan)
{
	memset(s, 0, sizeof(*s));
	s->seed = s->random = seed;
	s->sabotage = plan->sabotage;
	begin(s, plan);
	run_round(s);
	for (unsigned i = 1; i < plan->rounds && !s->failed; i++) {
		next_round(s);
		run_round(s);
	}
	s->n_judged += s->n_msgs;
	end(s);
	return !s->failed;
}
