/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_script.c - see ctl_script.h.
 */
#include "tests/unit/qmgr/ctl_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/mqsc.h"
#include "proto/local.h"
#include "qmgr/ctl.h"
#include "tests/unit/qmgr/ctl_fakes.h"

static void add(char *out, const char *fmt, ...) MQ_PRINTF(2, 3);

static void
add(char *out, const char *fmt, ...)
{
	va_list ap;
	size_t used = strlen(out);
	va_start(ap, fmt);
	(void)vsnprintf(out + used, OUT_LEN - used, fmt, ap);
	va_end(ap);
}

/* Stamps differ from run to run. */
static bool
is_stamp(const char *keyword)
{
	return strcmp(keyword, "ALTDATE") == 0 ||
	       strcmp(keyword, "ALTTIME") == 0 ||
	       strcmp(keyword, "CRDATE") == 0 || strcmp(keyword, "CRTIME") == 0;
}

static void
show_frame(const struct mqframe *f, char *out)
{
	assert_int_equal(f->id, 7);
	if (f->type == MQLOCAL_COMMAND_ROW) {
		struct mqreader r;
		struct mqctl_list l;
		mqreader_init(&r, f->payload, f->payload_len);
		assert_int_equal(mqctl_decode_list(&r, &l), MQI_OK);
		assert_int_equal(mqreader_done(&r), MQI_OK);
		for (uint32_t i = 0; i < l.n; i++)
			if (!is_stamp(l.pairs[i].keyword))
				add(out, "%s%s=%s", i > 0 ? " " : "",
				    l.pairs[i].keyword, l.pairs[i].value);
		add(out, "\n");
		mqctl_list_fini(&l);
		return;
	}
	struct mqlocal_result res;
	assert_int_equal(f->type, MQLOCAL_RESULT);
	assert_int_equal(mqlocal_decode_result(f, &res), MQI_OK);
	add(out, "-> %s%s%s\n", mqi_err_name((enum mqi_err)res.reason),
	    res.text[0] != '\0' ? " " : "", res.text);
}

void
ctl_script_show(char *out)
{
	const uint8_t *p = ctl_fakes.reply;
	size_t left = ctl_fakes.reply_len;
	unsigned n_results = 0;
	while (left > 0) {
		struct mqframe f;
		size_t used = 0;
		assert_int_equal(mqframe_parse(p, left, &f, &used), MQFRAME_OK);
		show_frame(&f, out);
		n_results += f.type == MQLOCAL_RESULT;
		p += used;
		left -= used;
	}
	assert_int_equal(n_results, 1);
}

void
ctl_script_send(const struct mqctl_command *c, char *out)
{
	struct mqbuf b;
	unsigned before = ctl_fakes.n_replies;
	mqbuf_init(&b, MQFRAME_MAX_PAYLOAD);
	mqctl_encode_command(&b, c);
	ctl_command(ctl_fakes_qmgr(), ctl_fakes_session(), 7, b.data, b.len);
	assert_int_equal(ctl_fakes.n_replies, before + 1);
	mqbuf_fini(&b);
	ctl_script_show(out);
}

void
ctl_script_run(const char *script, char *out)
{
	struct mqctl_command c;
	struct mqsc_error e;
	enum mqsc_event ev;
	struct mqsc *m = mqsc_new();
	out[0] = '\0';
	mqsc_feed(m, script, strlen(script));
	while ((ev = mqsc_next(m, &c, &e)) != MQSC_NONE) {
		if (ev == MQSC_ERROR)
			fail_msg("%s: %s", script, e.text);
		ctl_script_send(&c, out);
		mqctl_command_fini(&c);
	}
	mqsc_free(m);
}

void
ctl_script_check(const struct row *rows, size_t n)
{
	char *out = malloc(OUT_LEN);
	for (size_t i = 0; i < n; i++) {
		ctl_fakes_init();
		ctl_script_run(rows[i].script, out);
		if (strcmp(out, rows[i].answer) != 0)
			fail_msg("%s\nanswers:\n%s\nnot:\n%s", rows[i].script,
			    out, rows[i].answer);
		ctl_fakes_fini();
	}
	free(out);
}
