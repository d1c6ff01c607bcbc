/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt.c - the interactive prompt of mqadmin mqsc.
 *
 * Neighbours: libedit edits; the history is kept in ~/.mqadmin_history, mode
 * 0600, since commands may name partners.  Nothing here fails loudly: without
 * a home there is no history file.
 */
#include "admin/prompt.h"

#include <histedit.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

#define HISTORY_SIZE 1000

struct prompt {
	EditLine *el;
	History *history;
	char *file; /* NULL: none */
	const char *text;
	bool continued;
};

static char *
show_prompt(EditLine *el)
{
	static char more[] = "    > ";
	struct prompt *p = NULL;
	(void)el_get(el, EL_CLIENTDATA, &p);
	if (p->continued)
		return more;
	return (char *)(uintptr_t)p->text;
}

struct prompt *
prompt_new(const char *text)
{
	HistEvent ev;
	struct prompt *p = mqmem_alloc(sizeof(*p));
	const char *home = getenv("HOME");
	p->text = text;
	(void)setlocale(LC_CTYPE, ""); /* so that UTF-8 can be edited */
	p->el = el_init("mqadmin", stdin, stdout, stderr);
	p->history = history_init();
	if (p->el == NULL || p->history == NULL)
		return prompt_free(p);
	(void)history(p->history, &ev, H_SETSIZE, HISTORY_SIZE);
	(void)history(p->history, &ev, H_SETUNIQUE, 1);
	if (home != NULL && home[0] != '\0' &&
	    asprintf(&p->file, "%s/.mqadmin_history", home) < 0)
		p->file = NULL;
	if (p->file != NULL)
		(void)history(p->history, &ev, H_LOAD, p->file);
	(void)el_set(p->el, EL_CLIENTDATA, p);
	(void)el_set(p->el, EL_PROMPT, show_prompt);
	(void)el_set(p->el, EL_EDITOR, "emacs");
	(void)el_set(p->el, EL_HIST, history, p->history);
	(void)el_source(p->el, NULL);
	return p;
}

static void
save(struct prompt *p)
{
	HistEvent ev;
	mode_t mask = umask(S_IRWXG | S_IRWXO);
	(void)history(p->history, &ev, H_SAVE, p->file);
	(void)umask(mask);
}

struct prompt *
prompt_free(struct prompt *p)
{
	if (p == NULL)
		return NULL;
	if (p->file != NULL)
		save(p);
	if (p->history != NULL)
		history_end(p->history);
	if (p->el != NULL)
		el_end(p->el);
	free(p->file);
	free(p);
	return NULL;
}

const char *
prompt_line(struct prompt *p, bool continued, size_t *ret_len)
{
	HistEvent ev;
	int n = 0;
	p->continued = continued;
	const char *line = el_gets(p->el, &n);
	if (line == NULL || n <= 0)
		return NULL;
	if (strspn(line, " \t\n") < strlen(line))
		(void)history(p->history, &ev, H_ENTER, line);
	*ret_len = (size_t)n - (line[n - 1] == '\n');
	return line;
}
