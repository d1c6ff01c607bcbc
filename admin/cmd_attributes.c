/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_attributes.c - mqadmin attributes: the table of attributes (proto/attr.h)
 * for people; docs/mqsc.md holds what --markdown writes, and a test compares.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "admin/cmd.h"
#include "proto/attr.h"

static const char help[] =
    "Usage: mqadmin attributes [TYPE] [--markdown]\n\n"
    "Shows the attributes of objects of TYPE (QMGR, QLOCAL, QALIAS, QREMOTE,\n"
    "QMODEL, CHANNEL, LISTENER, AUTHREC, CHLAUTH, NAMELIST, PROCESS, SERVICE,\n"
    "TOPIC, SUB), or of all: values, default, meaning.\n";

static void
allowed(const struct mqattr_def *d, char *ret, size_t len)
{
	size_t used = 0;
	ret[0] = '\0';
	switch (d->kind) {
	case MQATTR_INT:
		if (d->read_only)
			(void)snprintf(ret, len, "number");
		else
			(void)snprintf(ret, len, "%s%s%lld..%lld",
			    d->words != NULL ? d->words[0] : "",
			    d->words != NULL ? ", " : "",
			    (long long)d->min + (d->words != NULL),
			    (long long)d->max);
		break;
	case MQATTR_NAME:
		(void)snprintf(ret, len, "name");
		break;
	case MQATTR_TEXT:
		(void)snprintf(ret, len, "text, %lld", (long long)d->max);
		break;
	case MQATTR_FLAG:
		(void)snprintf(ret, len, "%s or NO%s", d->keyword, d->keyword);
		break;
	case MQATTR_WORD:
		for (size_t i = 0; d->words[i] != NULL && used < len; i++)
			used += (size_t)snprintf(ret + used, len - used, "%s%s",
			    i > 0 ? ", " : "", d->words[i]);
		break;
	}
}

/* " (SDR, SVR only)", or "" if all types of channel have it. */
static void
only(enum mqattr_object type, const struct mqattr_def *d, char *ret, size_t len)
{
	const struct mqattr_def *types =
	    mqattr_def(MQATTR_CHANNEL, MQATTR_ID_CHLTYPE);
	size_t used = 0, without = 0;

	*ret = '\0';
	if (type != MQATTR_CHANNEL)
		return;
	for (unsigned i = 0; types->words[i] != NULL; i++) {
		if ((d->chltypes & MQ_BIT(i)) == 0)
			without++;
		else if (used < len)
			used += (size_t)snprintf(ret + used, len - used, "%s%s",
			    used == 0 ? " (" : ", ", types->words[i]);
	}
	if (without == 0)
		*ret = '\0';
	else if (used < len)
		(void)snprintf(ret + used, len - used, " only)");
}

static const char *
default_of(const struct mqattr_def *d)
{
	if (d->read_only)
		return "read-only";
	if (d->kind == MQATTR_FLAG)
		return strcmp(d->def, "YES") == 0 ? "set" : "not set";
	return d->def[0] != '\0' ? d->def : "blank";
}

static void
show_type(enum mqattr_object type, bool markdown)
{
	char values[128], types[64];
	const struct mqattr_def *d = NULL;
	const char *format = "%-10s%-24s%-12s%s%s%s\n";
	if (markdown) {
		(void)printf("### %s\n\n| attribute | values | default | "
			     "meaning |\n|---|---|---|---|\n",
		    mqattr_object_name(type));
		format = "| %s | %s | %s | %s%s%s |\n";
	} else {
		(void)printf("%s\n", mqattr_object_name(type));
	}
	while ((d = mqattr_next(type, d)) != NULL) {
		allowed(d, values, sizeof(values));
		only(type, d, types, sizeof(types));
		(void)printf(format, d->keyword, values, default_of(d),
		    d->inert ? "without effect: " : "", d->help, types);
	}
	(void)putchar('\n');
}

int
cmd_attributes(int argc, char **argv)
{
	static const struct option options[] = {
	    {"markdown", no_argument, NULL, 'm'},
	    {NULL, 0, NULL, 0},
	};
	bool markdown = false;
	bool found = false;
	int c;
	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'm')
			return cmd_usage("attributes", "nothing was shown");
		markdown = true;
	}
	const char *wanted = optind < argc ? argv[optind] : NULL;
	for (int t = 1; t <= MQATTR_OBJECT_MAX; t++) {
		enum mqattr_object type = (enum mqattr_object)t;
		if (wanted != NULL &&
		    strcasecmp(wanted, mqattr_object_name(type)) != 0)
			continue;
		show_type(type, markdown);
		found = true;
	}
	if (!found)
		return cmd_usage(
		    "attributes", "'%s' is not a type of object", wanted);
	return CMD_OK;
}
