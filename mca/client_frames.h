/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_frames.h - what may pass between a remote client and the queue
 * manager, frame by frame.  The session that carries it is an agent's, so this
 * is what keeps a client from doing what only agents may.
 *
 * Both directions are looked at as a stream: a frame's payload passes as it
 * comes, behind its header and what has to be seen of it.  Pure.
 */
#ifndef MQ_MCA_CLIENT_FRAMES_H
#define MQ_MCA_CLIENT_FRAMES_H

#include <stdbool.h>

#include "proto/local.h"

/* Bytes that must be at hand before anything is decided, at most. */
#define CLIENT_FRAMES_HEAD 1024u

enum client_step {
	CLIENT_STEP_MORE,  /* more bytes are needed to decide */
	CLIENT_STEP_PASS,  /* the next *ret_n bytes may pass */
	CLIENT_STEP_BEAT,  /* a BEAT of *ret_n bytes: ours */
	CLIENT_STEP_ORDER, /* down: an AGENT_ORDER of *ret_n bytes: ours */
	CLIENT_STEP_BAD,   /* the session must end */
};

/* What a client waits for: gets by their ids, and handles that read ahead or
 * are watched.  One that waits for more than fit is taken to wait for ever. */
#define CLIENT_WAITS_MAX 32u

struct client_waits {
	uint32_t ids[CLIENT_WAITS_MAX];
	uint32_t n;
	bool many;
};

struct client_flow {
	size_t left;                 /* bytes of the frame that is passing */
	struct client_waits gets;    /* up: asked for; the answers end them */
	struct client_waits handles; /* up */
	uint64_t frames;
	uint64_t msgs;
	uint64_t bytes; /* of bodies */
};

/* From the client.  max_msg_len: of the channel.  ret_why (128 bytes) is
 * written if it is BAD, *ret_reason too. */
enum client_step client_frames_up(struct client_flow *f, const uint8_t *data,
    size_t len, uint32_t max_msg_len, size_t *ret_n, enum mqi_err *ret_reason,
    char *ret_why);
/* From the queue manager; gets: those that its answers end. */
enum client_step client_frames_down(struct client_flow *f,
    struct client_waits *gets, const uint8_t *data, size_t len, size_t *ret_n);
/* Whether the client waits for something that it has asked for. */
bool client_frames_waiting(const struct client_flow *up);

#endif
