#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_install.sh - installs the build into a directory of its own and builds a
# small program against it: through pkg-config, shared and static, and through
# find_package.  The program connects to nobody, and by TLS to a queue manager
# of the installed programs.
set -eu
build=${MQ_BUILD:?}
dir=$(mktemp -d)
qmgr_pid=
clean_up() {
	[ -z "$qmgr_pid" ] || kill -9 "$qmgr_pid" 2>/dev/null || true
	rm -rf "$dir"
}
trap clean_up EXIT

DESTDIR= cmake --install "$build" --prefix "$dir/usr" >"$dir/install.log"
mkdir "$dir/app"
cd "$dir/app"
cat >app.c <<'C'
#include <mq/mqi.h>
#include <stdio.h>
int
main(int argc, char **argv)
{
	mqi_conn *c = NULL;
	mqi_queue *q = NULL;
	mqi_msg *msg = NULL;
	enum mqi_err err =
	    mqi_connect(argc > 1 ? argv[1] : "NONE", NULL, &c);

	if (err == MQI_OK)
		err = mqi_open(c, "Q", NULL,
		    MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED, &q);
	if (err == MQI_OK)
		err = mqi_put(q, NULL, NULL, "hello", 5);
	if (err == MQI_OK)
		err = mqi_poll(q, NULL, &msg);
	if (err == MQI_OK)
		printf("%s %.*s\n", mqi_qmgr_name(c), (int)mqi_msg_len(msg),
		    (const char *)mqi_msg_body(msg));
	else
		printf("%d %s\n", (int)err, mqi_err_name(err));
	mqi_msg_free(msg);
	return mqi_disconnect(c) == MQI_OK ? 0 : 1;
}
C
expected="2058 Q_MGR_NAME"
export MQ_ROOT=$dir/none

check() { # what, command...
	local what=$1 got
	shift
	got=$("$@")
	[ "$got" = "$expected" ] || {
		echo "$what: got '$got', expected '$expected'"
		exit 1
	}
	echo "ok: $what"
}

libdir=$(dirname "$(find "$dir/usr" -name libmq.so)")
flags=${MQ_TEST_CFLAGS:-}
PKG_CONFIG_PATH=$(dirname "$(find "$dir/usr" -name libmq.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046,SC2086
cc $flags -o shared app.c $(pkg-config --cflags --libs libmq)
check "pkg-config, shared" env LD_LIBRARY_PATH="$libdir" ./shared
# shellcheck disable=SC2046,SC2086
cc $flags -o static app.c $(pkg-config --cflags libmq) "$libdir/libmq.a" -pthread
check "pkg-config, static" ./static

cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES C)
find_package(sluice 0.1 REQUIRED)
add_executable(app_shared app.c)
target_link_libraries(app_shared sluice::mq)
add_executable(app_static app.c)
target_link_libraries(app_static sluice::mq_static)
CMAKE
cmake -S . -B b -DCMAKE_PREFIX_PATH="$dir/usr" -DCMAKE_C_FLAGS="$flags" \
	>cmake.log
cmake --build b >>cmake.log || { cat cmake.log; exit 1; }
check "find_package, shared" b/app_shared
check "find_package, static" b/app_static

# the installed queue manager, and the programs as its remote clients
bin=$dir/usr/bin
export MQ_ROOT=$dir/root
mkdir -m 700 "$MQ_ROOT"
fail() {
	echo "$*"
	cat "$dir"/*.log
	exit 1
}
"$bin/qmgr" QM1 --create 2>"$dir/qmgr.log" || fail "qmgr --create"
"$bin/mqadmin" tls init "$dir/ca" >"$dir/tls.log" 2>&1 &&
	"$bin/mqadmin" tls issue "$dir/ca" QM1 --out "$MQ_ROOT/QM1/ssl" \
		>>"$dir/tls.log" 2>&1 &&
	"$bin/mqadmin" tls issue "$dir/ca" app --out "$dir/keys" \
		>>"$dir/tls.log" 2>&1 || fail "mqadmin tls"
"$bin/qmgr" QM1 2>>"$dir/qmgr.log" &
qmgr_pid=$!
until "$bin/mqadmin" status QM1 >/dev/null 2>&1; do
	kill -0 "$qmgr_pid" || fail "qmgr"
done
port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
"$bin/mqadmin" mqsc QM1 >"$dir/mqsc.log" 2>&1 <<-MQSC || fail "mqsc"
	DEFINE QLOCAL(Q)
	DEFINE CHANNEL(APP) CHLTYPE(SVRCONN) SSLPEER('CN=app')
	SET CHLAUTH(APP) TYPE(SSLPEERMAP) SSLPEER('CN=app') MCAUSER('app')
	SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('app') AUTHADD(CONNECT)
	SET AUTHREC PROFILE(Q) OBJTYPE(QUEUE) PRINCIPAL('app') AUTHADD(PUT, GET)
	DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT($port)
	START LISTENER(TCP)
MQSC
uri="mqs://127.0.0.1:$port/QM1?channel=APP&keys=$dir/keys"
# until somebody listens
for _ in $(seq 500); do
	got=$(LD_LIBRARY_PATH="$libdir" ./shared "$uri")
	[ "$got" = "2538 HOST_NOT_AVAILABLE" ] || break
done
expected="QM1 hello"
check "remote, pkg-config, shared" env LD_LIBRARY_PATH="$libdir" ./shared "$uri"
check "remote, pkg-config, static" env LD_LIBRARY_PATH="$libdir" ./static "$uri"
check "remote, find_package" b/app_shared "$uri"
kill "$qmgr_pid"
wait "$qmgr_pid" || fail "qmgr ended with $?"
qmgr_pid=

# nothing but the public calls leaves the library
others=$(nm -D --defined-only "$libdir/libmq.so" | awk '{ print $3 }' |
	grep -v '^mqi_' | grep -v '^MQ_0' || true)
[ -z "$others" ] || { echo "exported too: $others"; exit 1; }
for page in man1/mqput.1 man1/mqget.1 man3/mqi_connect.3 man3/mqi_poll.3; do
	[ -s "$dir/usr/share/man/$page" ] || { echo "no $page"; exit 1; }
done
for header in mqi.h mqi_err.h mqi_msg.h; do
	[ -s "$dir/usr/include/mq/$header" ] || { echo "no $header"; exit 1; }
done
echo "ok: exports, manual, headers"
