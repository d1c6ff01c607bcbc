#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_mqbench.sh - every measurement of mqbench runs, with tiny counts, prints
# its rows in each format, and leaves nothing behind, also when it is
# interrupted.  What it measures is not looked at.
set -u
bin=${MQ_BIN:?}
dir=$(mktemp -d)
failed=0

trap 'rm -rf "$dir"' EXIT

fail() {
	echo "not ok: $*"
	failed=$((failed + 1))
}

# runs ROW... -- ARGS...: mqbench prints exactly these rows
runs() {
	local want=()
	while [ "$1" != -- ]; do want+=("$1"); shift; done
	shift
	if ! "$bin/mqbench" --dir "$dir" --json "$@" >"$dir.out"; then
		fail "mqbench $*"
		return
	fi
	got=$(sed -E 's/^\{"row":"([a-z0-9_]+)".*/\1/' "$dir.out" | tr '\n' ' ')
	if [ "$got" = "${want[*]} " ]; then
		echo "ok: $*"
	else
		fail "mqbench $*: rows $got"
	fi
}

runs lat -- lat 100 0.05
runs np_lat -- np_lat 100 0.05
runs tput disk -- tput 100 0.05 2 16 2
runs np -- np 100 0.05 2 16 2
runs gets -- gets 100 0.05 2 16 2
runs units -- units 100 0.05 2 16 2 4
runs burst -- burst 100 500 2 16
runs fill -- fill 100 500 2 16
runs fill drain -- backlog 100 500 2 16 2
runs fill_units drain_units -- backlog_units 100 500 2 16 2 8
runs rr -- rr 100 0.05 3 2
runs np_rr -- np_rr 100 0.05 1 1
runs idle start -- idle
runs lat -- lat_n 100 50
runs pass -- pass 100 500 2 16 2
runs pass -- np_pass 100 500 2 16 2
runs large_p99 -- large 100000 0.2
runs checkpoint -- checkpoint 100 0.05
runs slow_flush -- slow_flush 100 0.05
runs channel -- channel 100 0.05 2 16 2
runs channel_100ms -- channel_100ms 100 0.05 2 16 2
runs flush channel_latency -- channel_latency 100 0.05
runs flushes_sender flushes_receiver -- channel_flushes 100 500
runs idle_channels idle_wakes -- channel_idle 3 0.05
runs idle_clients idle_clients_wakes -- clients_idle 3 0.05
runs flush lmdb socket -- limits 100 0.05
# three times, but one row each
runs lat -- --runs 3 lat 100 0.05

# the whole table, judged by what bench-peers found
echo '{"sync_p50": 1.0, "tput": 9.5, "rr1": 0.5}' >"$dir/peers"
if "$bin/mqbench" --dir "$dir" --peers "$dir/peers" --all --markdown \
	--seconds 0.05 --backlog 500 >"$dir.out"; then
	grep -q '^| put to acknowledged get | 1024 .*(9.5 x) | reached |$' \
		"$dir.out" || fail "a goal that is reached"
	grep -q '^| request and reply | .*(0.5 x) | missed |$' "$dir.out" ||
		fail "a goal that is missed"
	grep -q '| see bench-peers |$' "$dir.out" || fail "a peer not measured"
else
	fail "the whole table"
fi
rm "$dir/peers"

"$bin/mqbench" --dir "$dir" drain 100 1 1 2>/dev/null &&
	fail "a drain of nothing was not refused"

# interrupted
"$bin/mqbench" --dir "$dir" lat 100 60 >/dev/null 2>&1 &
pid=$!
until [ -n "$(find "$dir" -name qmgr.sock -o -name sock | head -1)" ]; do
	kill -0 "$pid" 2>/dev/null || break
done
kill -INT "$pid"
wait "$pid"
[ $? -eq 130 ] || fail "the exit status when interrupted"

left=$(ls -A "$dir")
[ -z "$left" ] || fail "left behind: $left"
rm -f "$dir.out"
[ "$failed" -eq 0 ]
