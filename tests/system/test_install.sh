#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_install.sh - installs the build into a directory of its own and builds a
# small program against it: through pkg-config, shared and static, and through
# find_package.
set -eu
build=${MQ_BUILD:?}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

DESTDIR= cmake --install "$build" --prefix "$dir/usr" >"$dir/install.log"
mkdir "$dir/app"
cd "$dir/app"
cat >app.c <<'C'
#include <mq/mqi.h>
#include <stdio.h>
int
main(void)
{
	mqi_conn *c = NULL;
	enum mqi_err err = mqi_connect("NONE", NULL, &c);

	printf("%d %s\n", (int)err, mqi_err_name(err));
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
