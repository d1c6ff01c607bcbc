/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt.h - lines typed at a terminal, with editing and history (libedit).
 * One at a time in a process; single-threaded.
 */
#ifndef MQ_ADMIN_PROMPT_H
#define MQ_ADMIN_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

struct prompt;

/* NULL if the terminal cannot be used. text is borrowed. */
struct prompt *prompt_new(const char *text);
struct prompt *prompt_free(struct prompt *p); /* saves the history; NULL */
/* The next line without its newline, valid until the next call; NULL at the
 * end.  continued: the prompt shows that a command goes on. */
const char *prompt_line(struct prompt *p, bool continued, size_t *ret_len);

#endif
