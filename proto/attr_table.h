/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr_table.h - the rows behind attr.h, for attr.c alone.  An attribute that
 * differs between types of object (its range or its default) has a row for
 * each.  In order of keyword.
 */
#ifndef MQ_PROTO_ATTR_TABLE_H
#define MQ_PROTO_ATTR_TABLE_H

#include "proto/attr.h"

extern const struct mqattr_def mqattr_table[];
extern const size_t mqattr_table_len;

#endif
