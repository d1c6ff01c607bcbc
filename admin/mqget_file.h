/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqget_file.h - a message becomes a file below a directory.  One thread;
 * blocks for the disk.
 */
#ifndef MQ_ADMIN_MQGET_FILE_H
#define MQ_ADMIN_MQGET_FILE_H

#include <mq/mqi.h>

/*
 * mqget_file_write - makes the file that a message is, durably.
 * dir_fd: the directory below which it goes.  The name is the property
 * file.name, else the message id; the mode is file.mode, else 0644.
 * A file of that name with the same content is taken as made (a repeated
 * run); with another content it is an error, and stays as it is.
 * Returns true when file and directories are on disk; else false, and said why
 * on standard error.
 */
bool mqget_file_write(int dir_fd, const mqi_msg *msg);

#endif
