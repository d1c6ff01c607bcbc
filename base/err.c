/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - the texts, names and completions of the table in mq/mqi_err.h.
 *
 * Neighbours: everything that shows a reason to a person.
 * The three functions are switches made from the one table, so a reason added
 * there is complete here; a number that is not in the table (a newer partner
 * may send one) has a text of its own and counts as a failure.
 */
#include <mq/mqi_err.h>

const char *
mqi_strerror(enum mqi_err err)
{
	switch (err) {
#define ERR_TEXT(number, name, completion, text) \
	case MQI_E_##name:                       \
		return text;
		MQI_ERR_MAP(ERR_TEXT)
#undef ERR_TEXT
	}
	return "unknown reason";
}

const char *
mqi_err_name(enum mqi_err err)
{
	switch (err) {
#define ERR_NAME(number, name, completion, text) \
	case MQI_E_##name:                       \
		return #name;
		MQI_ERR_MAP(ERR_NAME)
#undef ERR_NAME
	}
	return "UNKNOWN";
}

enum mqi_completion
mqi_completion(enum mqi_err err)
{
	switch (err) {
#define ERR_COMP(number, name, completion, text) \
	case MQI_E_##name:                       \
		return MQI_COMP_##completion;
		MQI_ERR_MAP(ERR_COMP)
#undef ERR_COMP
	}
	return MQI_COMP_FAIL;
}
