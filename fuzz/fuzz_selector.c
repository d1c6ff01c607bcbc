/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_selector.c - a selector, up to a NUL, and the bytes of a descriptor
 * (whose length is corrected, so that it does not stand in the way).
 *
 * Promises: an error lies within the text and has a sentence; what is a
 * condition is one as well between parentheses, denied and joined with itself,
 * unless that is beyond a limit, and these mean what they should for any
 * descriptor.
 */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/desc.h"
#include "proto/selector.h"

#define MADE_MAX (2u * MQSELECTOR_TEXT_MAX + 64u)

static struct mqselector *
parse(const char *text, size_t len)
{
	struct mqselector_error e = {.pos = UINT32_MAX};
	struct mqselector *s = NULL;
	enum mqi_err err = mqselector_parse(text, len, &s, &e);

	if (err == MQI_OK) {
		MQ_INVARIANT(s != NULL && mqselector_size(s) > 0);
		return s;
	}
	MQ_INVARIANT(s == NULL);
	MQ_INVARIANT(err == MQI_E_SELECTOR_SYNTAX_ERROR ||
		     err == MQI_E_SELECTION_STRING_ERROR ||
		     err == MQI_E_SELECTOR_LIMIT);
	MQ_INVARIANT(e.pos >= 1 && e.pos <= len + 1);
	MQ_INVARIANT(e.text[0] != '\0');
	return NULL;
}

/* What format makes of the text, run on the message. */
static enum mqselector_truth
run_made(const char *format, const char *text, const struct mqselector_msg *m,
    enum mqselector_truth otherwise)
{
	char *made = malloc(MADE_MAX);
	enum mqselector_truth t = otherwise;
	struct mqselector *s;

	MQ_INVARIANT(made != NULL);
	(void)snprintf(made, MADE_MAX, format, text, text);
	s = parse(made, strlen(made));
	if (s != NULL)
		t = mqselector_run(s, m);
	(void)mqselector_free(s);
	free(made);
	return t;
}

static void
check(const char *text, const struct mqselector_msg *m)
{
	struct mqselector *s = parse(text, strlen(text));
	struct mqdesc_info info;
	enum mqselector_truth t, not ;

	if (s == NULL)
		return;
	t = mqselector_run(s, m);
	MQ_INVARIANT(mqselector_cost(s, m->desc_len) > 0);
	MQ_INVARIANT(mqselector_fits(s, m) == (t == MQSELECTOR_TRUE));
	(void)mqselector_free(s);
	if (mqdesc_read(m->desc, m->desc_len, &info) != MQI_OK) {
		MQ_INVARIANT(t == MQSELECTOR_UNKNOWN);
		return;
	}
	not = (enum mqselector_truth)(MQSELECTOR_TRUE - t);
	MQ_INVARIANT(run_made("(%s)", text, m, t) == t);
	MQ_INVARIANT(run_made("NOT (%s)", text, m, not ) == not );
	MQ_INVARIANT(run_made("(%s) AND (%s)", text, m, t) == t);
	MQ_INVARIANT(run_made("(%s) OR (%s)", text, m, t) == t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = strnlen((const char *)data, size);
	struct mqselector_msg m = {.backout_count = (uint32_t)size};
	char *text = calloc(1, len + 1);
	uint8_t *desc = NULL;

	MQ_INVARIANT(text != NULL);
	memcpy(text, data, len);
	m.desc_len = len < size ? size - len - 1 : 0;
	desc = malloc(m.desc_len + 1);
	MQ_INVARIANT(desc != NULL);
	memcpy(desc, data + size - m.desc_len, m.desc_len);
	if (m.desc_len >= 4)
		mqbuf_set_u16(desc + 2, (uint16_t)m.desc_len);
	m.desc = desc;
	check(text, &m);
	free(desc);
	free(text);
	return 0;
}
