/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_env.c - opening an LMDB environment as a store.
 *
 * DIR/store/ holds LMDB's data.mdb and lock.mdb, and FORMAT: a line for people,
 * written when the store was made, whose presence also tells that an empty or
 * missing data.mdb is a loss and not a new store.
 *
 * In order: the file system is one that keeps LMDB's promises; the file is as
 * long as LMDB thinks; the format is ours and not newer (nothing has been
 * written so far); the reserve is allocated; one commit is made, so that what
 * is served from here on has been flushed since the start, whatever a failed
 * flush before it left in the page cache.  Then store_journal.c applies what
 * the journal holds; after that the staged and the removed of earlier starts
 * are deleted, and the small tables are read through.  No message is looked at.
 *
 * The map is as large as the file system, which costs address space only
 * (docs/decisions/0006): so it never has to move under a reader, and the disk
 * is full before the map is.
 */
#include "qmgr/store/store_lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"

#include "qmgr/store/store_lmdb_apply.h"
#include "qmgr/store/suspect.h"

#define MAP_MIN (UINT64_C(1) << 30)
#define MAP_MAX (UINT64_C(1) << 43) /* of 47 bits of address space */
#define FORMAT_TEXT "Sluice store, format 1\n"

static const char *const db_names[DB_COUNT] = {
    [DB_STORE] = "store",
    [DB_META] = "meta",
    [DB_OBJECTS] = "objects",
    [DB_STREAMS] = "streams",
    [DB_POSITIONS] = "positions",
    [DB_QUEUES] = "queues",
    [DB_ROWS] = "rows",
    [DB_BODIES] = "bodies",
    [DB_SHARED] = "shared",
    [DB_IDS] = "ids",
    [DB_NP] = "np",
    [DB_STAGED] = "staged",
    [DB_LIMBO] = "limbo",
    [DB_PURGES] = "purges",
    [DB_SEGMENTS] = "segments",
    [DB_LIVE] = "live",
};

/* Where a mapped file does not show what was written, or locks do not hold. */
static const struct {
	uint32_t magic;
	const char *name;
} refused_fs[] = {
    {0x6969, "NFS"},
    {0x517b, "SMB"},
    {0xff534d42, "CIFS"},
    {0xfe534d42, "SMB2"},
    {0x65735546, "FUSE"},
    {0x01021997, "9P"},
    {0x5346414f, "AFS"},
    {0x6b414653, "AFS"},
    {0x73757245, "Coda"},
    {0x564c, "NCP"},
    {0x00c36400, "Ceph"},
    {0x01161970, "GFS2"},
    {0x7461636f, "OCFS2"},
    {0x0bd00bd0, "Lustre"},
    {0x47504653, "GPFS"},
};

static enum mqi_err
fail_errno(struct store_why *why, const char *what, const char *path)
{
	int errnum = errno;

	return store_fail(
	    why, store_err(errnum), "%s %s: %s", what, path, strerror(errnum));
}

static enum mqi_err
check_fs(struct lmdb_env *e, const char *path, struct store_why *why)
{
	struct statfs fs;
	struct statvfs vfs;
	uint32_t magic;

	if (statfs(path, &fs) != 0 || statvfs(path, &vfs) != 0)
		return fail_errno(
		    why, "cannot look at the file system of", path);
	magic = (uint32_t)(e->options->fs_type != 0 ? e->options->fs_type
						    : fs.f_type);
	for (size_t i = 0; i < MQ_ARRAY_LEN(refused_fs); i++)
		if (refused_fs[i].magic == magic)
			return store_fail(why, MQI_E_IO,
			    "%s is on %s: a store needs a local file system",
			    path, refused_fs[i].name);
	e->map_size = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	e->map_size = (e->map_size + MAP_MIN - 1) / MAP_MIN * MAP_MIN;
	if (e->map_size < MAP_MIN)
		e->map_size = MAP_MIN;
	if (e->map_size > MAP_MAX)
		e->map_size = MAP_MAX;
	if (e->options->map_size != 0)
		e->map_size = e->options->map_size;
	return MQI_OK;
}

static enum mqi_err
sync_dir(const char *path, struct store_why *why)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum mqi_err err = MQI_OK;

	if (fd < 0)
		return fail_errno(why, "cannot open", path);
	if (fsync(fd) != 0)
		err = fail_errno(why, "cannot flush", path);
	(void)close(fd);
	return err;
}

/* ---- the file FORMAT ---- */

static enum mqi_err
write_format_file(const char *path, struct store_why *why)
{
	enum mqi_err err = MQI_OK;
	size_t len = strlen(FORMAT_TEXT);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_errno(why, "cannot make", path);
	if (write(fd, FORMAT_TEXT, len) != (ssize_t)len || fsync(fd) != 0)
		err = fail_errno(why, "cannot write", path);
	(void)close(fd);
	return err;
}

static enum mqi_err
check_data_file(
    const char *format, const char *data, bool *ret_new, struct store_why *why)
{
	struct stat st;
	bool made = access(format, F_OK) == 0;

	if (stat(data, &st) != 0 && errno != ENOENT)
		return fail_errno(why, "cannot look at", data);
	if (access(data, F_OK) != 0)
		st.st_size = 0;
	if (made && st.st_size == 0)
		return store_fail(why, MQI_E_OBJECT_DAMAGED,
		    "%s is missing or empty, but the store was in use", data);
	*ret_new = !made;
	return MQI_OK;
}

/* ---- the environment ---- */

/* LMDB finds a page that is not what it must be, and would abort() on whichever
 * thread it is.  Nothing may leave the process any more. */
static void
on_damaged_page(MDB_env *env, const char *what)
{
	const char *path = "?";

	(void)mdb_env_get_path(env, &path);
	mqlog(MQLOG_FATAL, "store.damaged",
	    "a page of %s is damaged; the queue manager ends at once and "
	    "answers nobody: %s",
	    path, what);
	store_suspect(path, what);
	_exit(1);
}

static enum mqi_err
open_env(struct lmdb_env *e, const char *path, struct store_why *why)
{
	int rc = mdb_env_create(&e->env);

	if (rc != 0) {
		e->env = NULL;
		return store_err_fail(why, rc, "LMDB");
	}
	(void)mdb_env_set_assert(e->env, on_damaged_page);
	rc = mdb_env_set_maxdbs(e->env, DB_COUNT);
	if (rc == 0)
		rc = mdb_env_set_mapsize(e->env, e->map_size);
	/* no MDB_WRITEMAP, MDB_NOSYNC, MDB_NOMETASYNC: docs/decisions/0006 */
	if (rc == 0)
		rc = mdb_env_open(e->env, path, MDB_NOTLS, 0600);
	if (rc != 0)
		return store_err_fail(why, rc, path);
	return MQI_OK;
}

static enum mqi_err
check_file(struct lmdb_env *e, const char *path, struct store_why *why)
{
	MDB_envinfo info;
	MDB_stat stat_env;
	struct stat st;
	int fd;
	int rc = mdb_env_get_fd(e->env, &fd);

	if (rc == 0)
		rc = mdb_env_info(e->env, &info);
	if (rc == 0)
		rc = mdb_env_stat(e->env, &stat_env);
	if (rc != 0)
		return store_err_fail(why, rc, path);
	/* LMDB leaves this descriptor open across exec */
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fstat(fd, &st) != 0)
		return fail_errno(why, "cannot look at", path);
	e->page_size = stat_env.ms_psize;
	e->allocated = (uint64_t)st.st_blocks * 512;
	if (e->allocated > (uint64_t)st.st_size)
		e->allocated = (uint64_t)st.st_size;
	/* a page beyond the end would be SIGBUS */
	if ((uint64_t)st.st_size < (info.me_last_pgno + 1) * e->page_size)
		return store_fail(why, MQI_E_OBJECT_DAMAGED,
		    "%s/data.mdb has been cut: it has %llu bytes of %llu", path,
		    (unsigned long long)st.st_size,
		    (unsigned long long)(info.me_last_pgno + 1) * e->page_size);
	return MQI_OK;
}

/* ---- format and numbers ---- */

enum mqi_err
lmdb_get_number(const struct lmdb_env *e, MDB_txn *txn, const char *key,
    uint64_t *ret, struct store_why *why)
{
	MDB_val k = lmdb_val(key, strlen(key));
	MDB_val v;
	int rc = mdb_get(txn, e->dbi[DB_STORE], &k, &v);

	if (rc == MDB_NOTFOUND) {
		*ret = 0;
		return MQI_OK;
	}
	if (rc != 0)
		return store_err_fail(why, rc, "reading the database store");
	if (!schema_number_decode(key, v.mv_data, v.mv_size, ret))
		return store_fail(why, MQI_E_OBJECT_DAMAGED,
		    "the number \"%s\" of the store is damaged", key);
	return MQI_OK;
}

static enum mqi_err
read_format(struct lmdb_env *e, MDB_txn *txn, struct store_why *why)
{
	uint32_t version = 0;
	uint64_t features = 0;
	MDB_val k = lmdb_val("format", 6);
	MDB_val v;
	int rc = mdb_dbi_open(txn, db_names[DB_STORE], 0, &e->dbi[DB_STORE]);

	if (rc == 0)
		rc = mdb_get(txn, e->dbi[DB_STORE], &k, &v);
	if (rc == MDB_NOTFOUND)
		return store_fail(why, MQI_E_STORE_FORMAT,
		    "the LMDB environment is not a Sluice store");
	if (rc != 0)
		return store_err_fail(why, rc, "reading the store's format");
	switch (
	    schema_format_decode(v.mv_data, v.mv_size, &version, &features)) {
	case SCHEMA_OK:
		return MQI_OK;
	case SCHEMA_DAMAGED:
		return store_fail(why, MQI_E_OBJECT_DAMAGED,
		    "the store's format record is damaged");
	case SCHEMA_NEWER:
		return store_fail(why, MQI_E_STORE_FORMAT,
		    "the store has format %u with features %llx; this version "
		    "knows format %u with features %llx",
		    version, (unsigned long long)features, SCHEMA_VERSION,
		    (unsigned long long)SCHEMA_FEATURES);
	case SCHEMA_FOREIGN:
		break;
	}
	return store_fail(why, MQI_E_STORE_FORMAT,
	    "the LMDB environment is not a Sluice store of format %u",
	    SCHEMA_VERSION);
}

/* Reads only: a store that is refused is not touched. */
static enum mqi_err
check_format(struct lmdb_env *e, bool *ret_empty, struct store_why *why)
{
	MDB_txn *txn;
	MDB_dbi main_db;
	MDB_stat st;
	enum mqi_err err = MQI_OK;
	int rc = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return store_err_fail(why, rc, "beginning a transaction");
	rc = mdb_dbi_open(txn, NULL, 0, &main_db);
	if (rc == 0)
		rc = mdb_stat(txn, main_db, &st);
	if (rc != 0)
		err = store_err_fail(why, rc, "reading the main database");
	else if (st.ms_entries > 0)
		err = read_format(e, txn, why);
	else
		*ret_empty = true;
	mdb_txn_abort(txn);
	return err;
}

static enum mqi_err
put_number(struct lmdb_env *e, MDB_txn *txn, const char *key, uint64_t v,
    struct store_why *why)
{
	uint8_t number[SCHEMA_NUMBER_SIZE];
	MDB_val k = lmdb_val(key, strlen(key));
	MDB_val val = lmdb_val(number, sizeof(number));
	int rc;

	schema_number_encode(key, v, number);
	rc = mdb_put(txn, e->dbi[DB_STORE], &k, &val, 0);
	return rc == 0 ? MQI_OK : store_err_fail(why, rc, "writing the store");
}

/* The log id is kept as two numbers, which have their checksums. */
static enum mqi_err
read_log(struct lmdb_env *e, MDB_txn *txn, struct store_why *why)
{
	uint64_t half[2] = {0, 0};
	enum mqi_err err = lmdb_get_number(e, txn, "log0", &half[0], why);

	if (err == MQI_OK)
		err = lmdb_get_number(e, txn, "log1", &half[1], why);
	e->has_log = half[0] != 0 || half[1] != 0;
	mqbuf_set_u64(e->log_id, half[0]);
	mqbuf_set_u64(e->log_id + 8, half[1]);
	return err;
}

enum mqi_err
lmdb_env_set_log(struct lmdb_env *e, const uint8_t log_id[JOURNAL_ID_LEN],
    struct store_why *why)
{
	MDB_txn *txn;
	enum mqi_err err;
	int rc = mdb_txn_begin(e->env, NULL, 0, &txn);

	if (rc != 0)
		return store_err_fail(why, rc, "beginning a transaction");
	err = put_number(e, txn, "log0", mqbuf_get_u64(log_id), why);
	if (err == MQI_OK)
		err =
		    put_number(e, txn, "log1", mqbuf_get_u64(log_id + 8), why);
	if (err != MQI_OK) {
		mdb_txn_abort(txn);
		return err;
	}
	rc = mdb_txn_commit(txn);
	if (rc != 0)
		return store_err_fail(why, rc, "committing");
	memcpy(e->log_id, log_id, JOURNAL_ID_LEN);
	e->has_log = true;
	return MQI_OK;
}

static enum mqi_err
put_start(struct lmdb_env *e, MDB_txn *txn, struct store_why *why)
{
	uint8_t format[SCHEMA_FORMAT_SIZE];
	MDB_val k = lmdb_val("format", 6);
	MDB_val v;
	enum mqi_err err;
	int rc;

	/* also of a store without today's features, whose tables are read as
	 * they are: from now on versions that do not know them refuse it */
	schema_format_encode(format);
	v = lmdb_val(format, sizeof(format));
	rc = mdb_put(txn, e->dbi[DB_STORE], &k, &v, 0);
	if (rc != 0)
		return store_err_fail(why, rc, "writing the store's format");
	err = lmdb_get_number(e, txn, "opened", &e->opened, why);
	if (err == MQI_OK)
		err = lmdb_get_number(e, txn, "batch", &e->last_batch, why);
	if (err == MQI_OK)
		err = read_log(e, txn, why);
	if (err != MQI_OK)
		return err;
	e->opened++;
	return put_number(e, txn, "opened", e->opened, why);
}

static enum mqi_err
begin_use(struct lmdb_env *e, struct store_why *why)
{
	MDB_txn *txn;
	enum mqi_err err;
	int rc = mdb_txn_begin(e->env, NULL, 0, &txn);

	if (rc != 0)
		return store_err_fail(why, rc, "beginning a transaction");
	for (size_t i = 0; i < DB_COUNT && rc == 0; i++)
		rc = mdb_dbi_open(txn, db_names[i], MDB_CREATE, &e->dbi[i]);
	err = rc == 0 ? put_start(e, txn, why)
		      : store_err_fail(why, rc, "opening the databases");
	if (err != MQI_OK) {
		mdb_txn_abort(txn);
		return err;
	}
	rc = mdb_txn_commit(txn);
	return rc == 0 ? MQI_OK : store_err_fail(why, rc, "committing");
}

/* The highest epoch of earlier starts, from the META record. */
static enum mqi_err
read_epoch(struct lmdb_env *e, struct store_why *why)
{
	MDB_val k = lmdb_val("epoch", 5);
	MDB_val v;
	MDB_txn *txn;
	struct record r;
	enum mqi_err err = MQI_OK;
	int rc = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return store_err_fail(why, rc, "beginning a transaction");
	rc = mdb_get(txn, e->dbi[DB_META], &k, &v);
	if (rc == 0) {
		err = record_decode(v.mv_data, v.mv_size, &r);
		if (err == MQI_OK && r.type == RECORD_META)
			(void)store_meta_epoch(&r.u.meta, &e->dead_epoch);
	} else if (rc != MDB_NOTFOUND) {
		err = store_err(rc);
	}
	mdb_txn_abort(txn);
	return err == MQI_OK ? MQI_OK
			     : store_fail(why, err,
				   "the epoch of the store cannot be read");
}

static enum mqi_err
open_parts(
    struct lmdb_env *e, const char *path, bool is_new, struct store_why *why)
{
	enum mqi_err err = check_fs(e, path, why);
	bool empty = false;

	if (err == MQI_OK)
		err = open_env(e, path, why);
	if (err == MQI_OK)
		err = check_file(e, path, why);
	if (err == MQI_OK)
		err = check_format(e, &empty, why);
	if (err == MQI_OK && empty && !is_new)
		err = store_fail(why, MQI_E_OBJECT_DAMAGED,
		    "%s is empty, but the store was in use", path);
	if (err != MQI_OK)
		return err;
	err = lmdb_room_update(e, why);
	if (e->allocate_rc == EOPNOTSUPP)
		return store_fail(why, MQI_E_IO,
		    "%s is on a file system that cannot reserve room "
		    "(fallocate): a store needs one that can",
		    path);
	if (err == MQI_OK)
		err = begin_use(e, why);
	return err == MQI_OK ? read_epoch(e, why) : err;
}

enum mqi_err
lmdb_env_start(struct lmdb_env *e, struct store_why *why)
{
	enum mqi_err err = read_epoch(e, why);

	if (err == MQI_OK)
		err = lmdb_apply_start(e, why);
	if (err == MQI_OK)
		err = lmdb_catalog(e, NULL, why);
	return err;
}

enum mqi_err
lmdb_env_open(struct lmdb_env *e, const char *dir,
    const struct store_lmdb_options *options, struct store_why *why)
{
	char *path = NULL;
	char *format = NULL;
	char *data = NULL;
	enum mqi_err err;

	e->options = options;
	if (asprintf(&path, "%s/store", dir) < 0 ||
	    asprintf(&format, "%s/store/FORMAT", dir) < 0 ||
	    asprintf(&data, "%s/store/data.mdb", dir) < 0) {
		err = store_fail(why, MQI_E_NO_MEMORY, "no memory");
		goto out;
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		err = fail_errno(why, "cannot make", path);
		goto out;
	}
	err = check_data_file(format, data, &e->is_new, why);
	if (err == MQI_OK)
		err = open_parts(e, path, e->is_new, why);
out:
	free(path);
	free(format);
	free(data);
	return err;
}

enum mqi_err
lmdb_env_made(struct lmdb_env *e, const char *dir, struct store_why *why)
{
	char *path = NULL;
	char *format = NULL;
	enum mqi_err err;

	if (!e->is_new)
		return MQI_OK;
	if (asprintf(&path, "%s/store", dir) < 0 ||
	    asprintf(&format, "%s/store/FORMAT", dir) < 0) {
		err = store_fail(why, MQI_E_NO_MEMORY, "no memory");
		goto out;
	}
	err = write_format_file(format, why);
	if (err == MQI_OK)
		err = sync_dir(path, why);
	if (err == MQI_OK)
		err = sync_dir(dir, why);
out:
	free(path);
	free(format);
	return err;
}

void
lmdb_env_close(struct lmdb_env *e)
{
	if (e->env != NULL)
		mdb_env_close(e->env);
	e->env = NULL;
}
