#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_bench_peers.sh - tools/bench-peers runs with whatever peers are there,
# prints the object and the table that it promises, and leaves nothing behind,
# also when it is interrupted.  What it measures is not looked at.
set -u
dir=$(mktemp -d)
failed=0

trap 'rm -rf "$dir"' EXIT

fail() {
	echo "not ok: $*"
	failed=$((failed + 1))
}

bench_peers=("$MQ_SRC/tools/bench-peers" --no-install --bin "$MQ_BIN"
	--dir "$dir" --runs 1 --seconds 0.05 --backlog 500)

quick="sync_p50 tput fill drain np64 np1024 channel_100ms"

# shellcheck disable=SC2086
"${bench_peers[@]}" --json --rows $quick >"$dir.out" 2>"$dir.err" || {
	cat "$dir.err"
	fail "bench-peers --json"
}
python3 - "$dir.out" "$dir.err" <<'END' || fail "the object of --json"
import json, sys
found = json.load(open(sys.argv[1]))
ratios = ("sync_p50 tput rr1 rr32 fill drain np_tput channel"
          " channel_100ms").split()
plain = "idle_rss_mib start_ms disk_bytes_per_msg".split()
assert list(found) == ratios + plain, found
assert all(found[k] is not None for k in plain), found
assert found["channel_100ms"] is not None, found
absent = " is left out: " in open(sys.argv[2]).read()
for key in "sync_p50 tput fill drain np_tput".split():
    assert absent or found[key] > 0, found
END

"${bench_peers[@]}" --rows sync_p50 >"$dir.out" 2>"$dir.err" || {
	cat "$dir.err"
	fail "bench-peers"
}
grep -q '^| one put at a time, p50, us | [0-9,]* | beanstalkd' "$dir.out" ||
	fail "the table"

# interrupted while the first is measured
"${bench_peers[@]}" --seconds 60 --rows sync_p50 >/dev/null 2>&1 &
pid=$!
until [ -n "$(find "$dir" -name qmgr.sock -o -name binlog.1 | head -1)" ]; do
	kill -0 "$pid" 2>/dev/null || break
done
before=$(pgrep -d ' ' -P "$pid")
kill -TERM "$pid"
wait "$pid"
[ $? -eq 143 ] || fail "the exit status when interrupted"
for child in $before; do
	kill -0 "$child" 2>/dev/null && fail "process $child is still there"
done
left=$(ls -A "$dir")
[ -z "$left" ] || fail "left behind: $left"
rm -f "$dir.out" "$dir.err"
[ "$failed" -eq 0 ]
