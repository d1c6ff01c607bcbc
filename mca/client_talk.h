/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_talk.h - between client.c, which moves a client's bytes, and
 * client_talk.c, which says and hears what is not just passed on.
 */
#ifndef MQ_MCA_CLIENT_TALK_H
#define MQ_MCA_CLIENT_TALK_H

#include "mca/client.h"

/* Far beyond what the rules of client.c let gather. */
#define CLIENT_UP_LIMIT ((size_t)CLIENT_UP_MAX + 32768)
#define CLIENT_DOWN_LIMIT ((size_t)1 << 20)
#define CLIENT_OUT_LIMIT ((size_t)1 << 22)

/* ---- client_talk.c ---- */

/* A line about its end; once. */
void client_log(struct client *c, enum mqi_err reason, const char *text);
/* Takes its hellos from up; true: they are there, and it is admitted. */
bool client_greet(struct client *c);
/* HELLO to the queue manager, as an agent on its behalf. */
void client_introduce(struct client *c);
/* The queue manager's answer is in down: passes it on. */
void client_welcome(struct client *c);
/* An AGENT_ORDER. */
void client_ordered(struct client *c, const uint8_t *frame, size_t len);
/* Heartbeats, a dead client, an idle one, an expired certificate, status. */
void client_keep(struct client *c, uint64_t now_ms);

/* ---- client.c ---- */

/* Encrypts whole frames for the client. */
void client_say(struct client *c, const void *data, size_t len);
size_t client_unsent(const struct client *c); /* bytes, encrypted */
/* Connects to the queue manager and introduces itself. */
void client_attach(struct client *c);

#endif
