/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - see args.h.  What was added before a failure stays until fini. */
#include "base/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
mqargs_init(struct mqargs *a)
{
	a->n = 0;
	a->argv[0] = NULL;
}

void
mqargs_fini(struct mqargs *a)
{
	for (unsigned i = 0; i < a->n; i++)
		free(a->argv[i]);
	mqargs_init(a);
}

enum mqi_err
mqargs_add(struct mqargs *a, const char *word)
{
	if (a->n == MQARGS_MAX)
		return MQI_E_TOO_BIG;
	a->argv[a->n++] = mqmem_strdup(word);
	a->argv[a->n] = NULL;
	return MQI_OK;
}

/* The word at *p, which has room for it; *p is behind it then. */
static enum mqi_err
next_word(const char **p, char *word)
{
	const char *s = *p;
	char quote = '\0';

	for (; *s != '\0' && (quote != '\0' || *s != ' '); s++) {
		if (*s == quote)
			quote = '\0';
		else if (quote == '\0' && (*s == '\'' || *s == '"'))
			quote = *s;
		else
			*word++ = *s;
	}
	*word = '\0';
	*p = s;
	return quote == '\0' ? MQI_OK : MQI_E_SYNTAX;
}

enum mqi_err
mqargs_split(struct mqargs *a, const char *text)
{
	char *word = mqmem_alloc(strlen(text) + 1);
	enum mqi_err err = MQI_OK;

	for (;;) {
		text += strspn(text, " ");
		if (*text == '\0' || err != MQI_OK)
			break;
		err = next_word(&text, word);
		if (err == MQI_OK)
			err = mqargs_add(a, word);
	}
	free(word);
	return err;
}
