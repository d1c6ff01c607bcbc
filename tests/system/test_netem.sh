#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_netem.sh - one channel over a network whose kernel delays each packet by
# 50 ms each way (tc netem), against the same without the delay.  The kernels of
# build machines often have no netem, so it runs in an emulated guest: a Debian
# kernel, busybox and our programs in a file system in memory.  Everything in
# the guest is slow, which is why the two rates are only compared with each
# other, and coarsely: each contains a start of the channel, and the goal of
# 80 % is judged by what is printed.  mqbench's own row puts a proxy in the way.
#
# Without qemu, busybox, tc or a kernel package it says SKIPPED and why.
set -eu
bin=${MQ_BIN:?}
secs=${MQ_NETEM_SECONDS:-60}
least=0.5
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

skip() {
	echo "SKIPPED: $*"
	exit 0
}
for p in qemu-system-x86_64 busybox tc ip xz; do
	command -v "$p" >/dev/null || skip "no $p"
done
! ldd "$(command -v busybox)" >/dev/null 2>&1 || skip "busybox is not static"

# ---- the kernel: a package that is unpacked, not installed ----

package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
	sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
[ -n "$package" ] || skip "no kernel package is known to apt"
(cd "$dir" && apt-get download "$package" >apt.log 2>&1) ||
	skip "$package cannot be downloaded"
dpkg-deb -x "$dir"/linux-image-*.deb "$dir/kernel"
vmlinuz=$(find "$dir/kernel/boot" -name 'vmlinuz-*' | head -n 1)
netem=$(find "$dir/kernel" -name 'sch_netem.ko*' | head -n 1)
[ -n "$vmlinuz" ] && [ -n "$netem" ] || skip "$package has no sch_netem"

# ---- the guest's file system ----

root=$dir/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,lib}
with_libraries() { # program, where
	local lib
	cp -L "$1" "$root/$2/"
	ldd "$1" | sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' \
		-e 's/^[[:space:]]*\(\/[^ ]*\) .*/\1/p' | while read -r lib; do
		mkdir -p "$root/$(dirname "$lib")"
		cp -Lu "$lib" "$root/$lib"
	done
}
for p in qmgr mca mqadmin mqbench; do
	with_libraries "$bin/$p" bin
done
with_libraries "$(command -v tc)" bin
with_libraries "$(command -v ip)" bin
cp "$(command -v busybox)" "$root/bin/busybox"
case "$netem" in
*.xz) xz -dc "$netem" >"$root/lib/sch_netem.ko" ;;
*) cp "$netem" "$root/lib/sch_netem.ko" ;;
esac
# the shell of busybox prefers its own tc and ip to those beside it, but not to
# a path
cat >"$root/init" <<INIT
#!/bin/busybox sh
export PATH=/bin
for a in \$(busybox --list); do
	[ -e /bin/\$a ] || busybox ln -s busybox /bin/\$a
done
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
mkdir -p /etc /dev/shm
echo root:x:0:0::/:/bin/sh >/etc/passwd
echo root:x:0: >/etc/group
echo 127.0.0.1 localhost >/etc/hosts
ulimit -n 65536
insmod /lib/sch_netem.ko
# packets as on an Ethernet
/bin/ip link set lo mtu 1500 up
load() {
	echo
	mqbench --json --dir /tmp channel 1024 $secs 4 256 2 2>&1 |
		sed "s/^/guest \$1 /"
}
netem() {
	/bin/tc qdisc \$1 dev lo root netem delay \$2 limit 1000000 ||
		echo "guest no netem"
}
netem add 50ms
ping -c 3 127.0.0.1 | sed 's/^/guest ping /'
for i in 1 2; do
	netem change 0ms
	load 0ms
	netem change 50ms
	load 100ms
done
sync
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) |
	gzip -1 >"$dir/initrd"

timeout 3000 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 \
	-nographic -no-reboot -nic none -kernel "$vmlinuz" -initrd "$dir/initrd" \
	-append "console=ttyS0 loglevel=4 panic=-1 random.trust_cpu=on no_timer_check" \
	</dev/null >"$dir/console" 2>&1 || true
tr -d '\r' <"$dir/console" | grep -ao 'guest .*' >"$dir/said" || true
cat "$dir/said"

# ---- what they say: the better run of each ----

best() {
	sed -n "s/^guest $1 .*\"value\":\([0-9.]*\).*/\1/p" "$dir/said" | sort -g |
		tail -n 1
}
near=$(best 0ms) far=$(best 100ms)
[ -n "$near" ] && [ -n "$far" ] || {
	tail -n 50 "$dir/console"
	echo "the guest has not measured"
	exit 1
}
awk -v near="$near" -v far="$far" -v least="$least" 'BEGIN {
	printf "%d msg/s without delay, %d at a round trip of 100 ms: %.2f x\n",
		near, far, far / near
	exit far / near < least
}'
