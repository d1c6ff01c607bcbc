/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.c - finds libmqtls.so at the first remote connect.
 *
 * Neighbours: remote.c uses what is found here (tls/tls_plugin.h).
 *
 * It is looked for beside the code that asks: in the directory of libmq.so or
 * of the program that holds libmq.a, in the library directory beside that one,
 * and where the system's linker looks.  Whatever the answer was, the next
 * connect asks again; the linker counts.
 *
 * Failure: FUNCTION_NOT_SUPPORTED and a sentence that names the file.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libmq/remote.h"
#include "tls/tls_plugin.h"

#define FILE_NAME "libmqtls.so.0"

static const struct mqtls_plugin *_Atomic loaded;

/* The directory of the file that this code is in; false: not known. */
static bool
own_dir(char dir[PATH_MAX])
{
	Dl_info info;
	ssize_t len;
	char *slash;

	if (dladdr((const void *)&loaded, &info) != 0 &&
	    info.dli_fname != NULL && info.dli_fname[0] == '/') {
		(void)snprintf(dir, PATH_MAX, "%s", info.dli_fname);
	} else {
		/* a program is known by the name that it was called by */
		len = readlink("/proc/self/exe", dir, PATH_MAX - 1);
		if (len < 0)
			return false;
		dir[len] = '\0';
	}
	slash = strrchr(dir, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

static void *
open_beside(void)
{
	static const char *const places[] = {"", "/../lib", ("/../" MQ_LIBDIR)};
	char dir[PATH_MAX], path[2 * PATH_MAX];
	void *lib = NULL;

	if (!own_dir(dir))
		return NULL;
	for (size_t i = 0; i < MQ_ARRAY_LEN(places) && lib == NULL; i++) {
		(void)snprintf(
		    path, sizeof(path), "%s%s/" FILE_NAME, dir, places[i]);
		lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	return lib;
}

enum mqi_err
mqplugin_load(const struct mqtls_plugin **ret_plugin, char *ret_why)
{
	const struct mqtls_plugin *p = atomic_load(&loaded);
	const char *why;
	void *lib;

	if (p != NULL) {
		*ret_plugin = p;
		return MQI_OK;
	}
	lib = open_beside();
	if (lib == NULL)
		lib = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL);
	p = lib != NULL ? dlsym(lib, MQTLS_PLUGIN_SYMBOL) : NULL;
	if (p == NULL || p->version != MQTLS_PLUGIN_VERSION) {
		why = p == NULL ? dlerror() : "it is of another version";
		(void)snprintf(ret_why, MQTLS_WHY_LEN,
		    "connections to other hosts need " FILE_NAME ": %.300s",
		    why != NULL ? why : "");
		return MQI_E_FUNCTION_NOT_SUPPORTED;
	}
	atomic_store(&loaded, p);
	*ret_plugin = p;
	return MQI_OK;
}
