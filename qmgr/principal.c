/* SPDX-License-Identifier: Apache-2.0 */
/*
 * principal.c - users and groups as this host knows them.
 *
 * Neighbours: hello.c names the user of a session; the engine asks for groups
 * when it judges a user (engine_ops).
 * Invariants: a name of the host's never begins with "uid:" or "gid:", since
 * the user database separates its fields by colons; so nobody takes another's
 * rights by being called like a number.
 * Failure: what the host does not know has no groups, and is called by its
 * number.
 */
#include "qmgr/principal.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define UID_PREFIX "uid:"
/* getgrouplist(3) may tell of more than are kept */
#define GROUPS_ASKED (2 * (int)AUTHORITY_MAX_GROUPS)

static bool
keep_name(const char *name, char ret[AUTHORITY_NAME_LEN + 1])
{
	size_t len = strlen(name);

	if (len == 0 || len > AUTHORITY_NAME_LEN)
		return false;
	memcpy(ret, name, len + 1);
	return true;
}

void
principal_user(uid_t uid, char ret[AUTHORITY_NAME_LEN + 1])
{
	const struct passwd *pw = getpwuid(uid);

	if (pw == NULL || !keep_name(pw->pw_name, ret))
		(void)snprintf(
		    ret, AUTHORITY_NAME_LEN + 1, UID_PREFIX "%u", uid);
}

void
principal_group(gid_t gid, char ret[AUTHORITY_NAME_LEN + 1])
{
	const struct group *gr = getgrgid(gid);

	if (gr == NULL || !keep_name(gr->gr_name, ret))
		(void)snprintf(ret, AUTHORITY_NAME_LEN + 1, "gid:%u", gid);
}

void
principal_groups(const char *user, struct authority_groups *ret)
{
	const struct passwd *pw = user[0] != '\0' ? getpwnam(user) : NULL;
	int n = GROUPS_ASKED;
	gid_t *gids;

	ret->n = 0;
	if (pw == NULL)
		return;
	gids = mqmem_array(GROUPS_ASKED, sizeof(*gids));
	/* what did not fit is left out */
	if (getgrouplist(user, pw->pw_gid, gids, &n) < 0)
		n = GROUPS_ASKED;
	for (int i = 0; i < n && ret->n < AUTHORITY_MAX_GROUPS; i++)
		principal_group(gids[i], ret->names[ret->n++]);
	free(gids);
}

bool
principal_is_owner(const char *user)
{
	const struct passwd *pw;
	char own[AUTHORITY_NAME_LEN + 1];

	if (strcmp(user, "root") == 0 || strcmp(user, UID_PREFIX "0") == 0)
		return true;
	(void)snprintf(own, sizeof(own), UID_PREFIX "%u", geteuid());
	if (strcmp(user, own) == 0)
		return true;
	pw = user[0] != '\0' ? getpwnam(user) : NULL;
	return pw != NULL && (pw->pw_uid == 0 || pw->pw_uid == geteuid());
}
