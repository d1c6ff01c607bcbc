#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_count_costs.sh - tools/count-costs runs with whatever counters are there,
# prints two rows for each load, and leaves nothing behind.  The counts are not
# looked at.
set -u
dir=$(mktemp -d)
failed=0

trap 'rm -rf "$dir"' EXIT

fail() {
	echo "not ok: $*"
	failed=$((failed + 1))
}

"$MQ_SRC/tools/count-costs" --bin "$MQ_BIN" --dir "$dir" --messages 200 \
	>"$dir.out" || fail "count-costs"
[ "$(grep -c ' | queue manager | ' "$dir.out")" = 5 ] || fail "five loads"
[ "$(grep -c ' | client | ' "$dir.out")" = 5 ] || fail "five clients"
# what the kernel and the preloaded library count is always there
grep ' | queue manager | ' "$dir.out" | awk -F'|' '
	$6 ~ /[0-9]/ && $7 ~ /[0-9]/ && $8 ~ /[0-9]/ { n++ }
	END { exit n != 5 }' || fail "a count is missing"
left=$(ls -A "$dir")
[ -z "$left" ] || fail "left behind: $left"
[ -z "$(find /dev/shm -maxdepth 1 -name "count-costs-*" 2>/dev/null)" ] || fail "left in /dev/shm"
rm -f "$dir.out"
[ "$failed" -eq 0 ]
