#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_demo.sh - tools/demo with the programs of this build: it must end well,
# say so in its last line, have killed while messages were in flight, and leave
# nothing behind.
set -uo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/out
TMPDIR=$scratch "$MQ_SRC/tools/demo" >"$out" 2>&1
rc=$?
cat "$out"
[ $rc -eq 0 ] || { echo "test_demo: exit status $rc"; exit 1; }
tail -n 1 "$out" |
	grep -qE '^sent ([0-9]+), received \1, lost 0, duplicated 0$' ||
	{ echo "test_demo: the last line does not say so"; exit 1; }
left=$(find "$scratch" -mindepth 1 -maxdepth 1 ! -name out)
[ -z "$left" ] || { echo "test_demo: left behind: $left"; exit 1; }
