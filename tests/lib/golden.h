/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden.h - files under tests/data/golden/ that pin down the bytes of formats
 * that were stored or sent once.
 *
 * With MQ_GOLDEN_WRITE set, a missing file is written from the bytes that the
 * test has made; one that exists is never touched: delete it first, if its
 * bytes have never left the project.  Fails the cmocka test.
 */
#ifndef MQ_TESTS_LIB_GOLDEN_H
#define MQ_TESTS_LIB_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#define GOLDEN_MAX 65536u

/* Compares data with tests/data/golden/<folder>/<name>.bin. */
void golden_check(
    const char *folder, const char *name, const void *data, size_t len);

/* The same file's bytes; returns their number.  free(3) *ret_data. */
size_t golden_read(const char *folder, const char *name, uint8_t **ret_data);

#endif
