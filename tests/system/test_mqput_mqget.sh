#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_mqput_mqget.sh - mqput and mqget as a person and a script use them:
# lines, files, pipes, units of work, crashes, and what must be refused.
set -u
bin=${MQ_BIN:?}
dir=$(mktemp -d)
export MQ_ROOT=$dir/root PATH=$bin:$PATH
mkdir "$MQ_ROOT"
qmgr_pid=
failed=0
n=0

cleanup() {
	[ -z "$qmgr_pid" ] || kill -9 "$qmgr_pid" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

check() { # what, got, expected
	n=$((n + 1))
	if [ "$2" != "$3" ]; then
		echo "not ok: $1: got '$2', expected '$3'"
		failed=$((failed + 1))
	else
		echo "ok: $1"
	fi
}

start() {
	qmgr QM1 2>>"$dir/qmgr.log" &
	qmgr_pid=$!
	until mqget QM1 NONE --quiet 2>&1 | grep -q 2085; do
		kill -0 "$qmgr_pid" || { cat "$dir/qmgr.log"; exit 1; }
	done
}

qmgr QM1 --create 2>>"$dir/qmgr.log" || { cat "$dir/qmgr.log"; exit 1; }
start
mqadmin mqsc QM1 >"$dir/mqsc.log" <<-MQSC || { cat "$dir/mqsc.log"; exit 1; }
	DEFINE QLOCAL(Q) DEFPSIST(YES) MAXDEPTH(100000)
	DEFINE QLOCAL(SMALL) DEFPSIST(YES) MAXDEPTH(3)
MQSC

# ---- lines ----

printf 'one\n\nthree\nno end' >"$dir/lines"
mqput QM1 Q <"$dir/lines"
check "mqput of lines" $? 0
check "browse shows them" "$(mqget QM1 Q --browse | tr '\n' '|')" \
	"one||three|no end|"
check "get takes them, in a pipe" "$(mqget QM1 Q --unit | tr '\n' '|')" \
	"one||three|no end|"
mqget QM1 Q 2>"$dir/err"
check "no message is status 3" $? 3
check "and is said" "$(cat "$dir/err")" "mqget: Q: no message"
mqget QM1 Q --quiet 2>"$dir/err"
check "quietly" "$?$(cat "$dir/err")" 3
mqput QM1 Q --priority 10 2>/dev/null </dev/null
check "a wrong option is status 2" $? 2
mqput QM1 Q --report everything 2>/dev/null </dev/null
check "so is a report that nobody knows" $? 2
echo gone | mqput QM1 Q --expiry 1 --reply-to SMALL \
	--report expiration,with-full-data
sleep 1.3 # it is its life that is over
mqget QM1 Q --quiet
check "what has expired is not got" $? 3
check "but reported with its body" "$(mqget QM1 SMALL)" gone
mqput QM1 NOPE </dev/null 2>"$dir/err"
check "an unknown queue is status 1" $? 1
check "and its reason is said" "$(grep -c '2085 UNKNOWN_OBJECT' "$dir/err")" 1
echo x | mqput QM2 Q 2>/dev/null
check "so is an unknown queue manager" $? 1

echo hello | mqput QM1 Q --correl-id abc --property a=b --priority 7 \
	--non-persistent
check "descriptor and properties" "$(mqget QM1 Q --format json |
	grep -o '"priority":7,"persistence":0\|"a":"b"\|"body":"hello"\|616263' |
	wc -l)" 4
printf 'a\0b\n' | mqput QM1 Q
check "hexadecimal" "$(mqget QM1 Q --format hex)" 610062
seq 1 5 | mqput QM1 Q
check "count" "$(mqget QM1 Q --count 2 | tr '\n' ' ')" "1 2 "
mqget QM1 Q >/dev/null

# ---- units of work ----

seq 1 5 | mqput QM1 SMALL --unit 2>"$dir/err"
check "a unit that does not fit fails" $? 1
check "with the reason" "$(grep -c '2053 Q_FULL' "$dir/err")" 1
mqget QM1 SMALL --quiet
check "and nothing of it is put" $? 3
seq 1 1000 | mqput QM1 Q --unit 300
check "units of 300" "$(mqget QM1 Q --unit 70 | md5sum)" \
	"$(seq 1 1000 | md5sum)"

# a reader that goes away gets no more than it could read
seq 1 20000 | mqput QM1 Q --unit 5000
mqget QM1 Q --unit 1000 2>"$dir/err" | head -n 1 >"$dir/first"
check "a closed pipe is not said" "$(cat "$dir/first" "$dir/err")" 1
rest=$(mqget QM1 Q --unit 1000 | tail -n 1)
check "and what it could not take is still there" "$rest" 20000

# ---- files ----

mkdir -p "$dir/tree/a/b.c" "$dir/got"
head -c 300000 /dev/urandom >"$dir/tree/a/random"
: >"$dir/tree/a/b.c/empty"
echo 'name with spaces' >"$dir/tree/a b"
for i in $(seq 1 60); do echo "file $i" >"$dir/tree/a/f$i"; done
chmod 755 "$dir/tree/a/f1"
chmod 600 "$dir/tree/a b"
fingerprint() { # dir
	(cd "$1" && find . -type f -printf '%P %m ' -exec sha256sum {} \; |
		LC_ALL=C sort)
}
(cd "$dir/tree" && find . -type f -print0 | xargs -0 mqput QM1 Q --unit -f)
check "mqput of a tree" $? 0
# kill -9 of mqget in the middle, twice; then in peace
for _ in 1 2; do
	mqget QM1 Q --unit 5 --to-dir "$dir/got" &
	pid=$!
	until [ "$(find "$dir/got" -type f | wc -l)" -gt 0 ]; do :; done
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
done
# and of the queue manager
kill -9 "$qmgr_pid"
wait "$qmgr_pid" 2>/dev/null
start
mqget QM1 Q --unit 5 --to-dir "$dir/got" --quiet
check "mqget of what is left" "$(($? == 0 || $? == 3))" 1
find "$dir/got" -name '.mqget-*' -delete
check "the tree is the same" "$(fingerprint "$dir/got")" \
	"$(fingerprint "$dir/tree")"

for name in ../evil /etc/evil a/../../evil ./x a//b; do
	echo x | mqput QM1 Q --property "file.name=$name"
	mqget QM1 Q --unit --to-dir "$dir/got" 2>/dev/null
	check "refused: $name" "$?$(mqget QM1 Q)" 1x
done
ln -s "$dir" "$dir/got/link"
echo x | mqput QM1 Q --property file.name=link/evil
mqget QM1 Q --unit --to-dir "$dir/got" 2>/dev/null
check "refused: a link on the way" "$?$(mqget QM1 Q)" 1x
echo other | mqput QM1 Q --property "file.name=a b"
mqget QM1 Q --unit --to-dir "$dir/got" 2>"$dir/err"
check "a file with another content stays" "$?$(cat "$dir/got/a b")" \
	"1name with spaces"
check "and the message too" "$(mqget QM1 Q)" other
(cd "$dir" && mqput QM1 Q -f ../evil 2>/dev/null)
check "mqput sends no name with .." $? 1
mqput QM1 Q -f "$dir/nothing" 2>/dev/null
check "a file that is not there is status 1" $? 1

# ---- topics ----

mqget --subscribe --durable S QM1 'price/#' --quiet
check "a new subscription has nothing" $? 3
echo apples | mqput --topic --retain --persistent QM1 price/fruit
check "what is published comes to it" \
	"$(mqget --subscribe --durable S --unsubscribe QM1 'price/#')" apples
check "who comes later gets what is retained" \
	"$(mqget --subscribe QM1 'price/+')" apples
mqget QM1 Q --durable S 2>/dev/null
check "a queue has no subscription" $? 2

kill "$qmgr_pid"
wait "$qmgr_pid"
check "the queue manager ends well" $? 0
qmgr_pid=
echo "$n checks, $failed failed"
[ "$failed" -eq 0 ]
