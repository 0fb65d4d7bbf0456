#!/bin/sh
# vm.sh COMMAND [ARGUMENT...]: run COMMAND in this folder on another kernel, and end with its exit status.
#
# The kernel is Debian's user-mode-linux: an ordinary process, no root and no /dev/kvm. The guest sees this
# machine's files: all of them read-only, this checkout writable. It has modules a container host often lacks
# (8021q, ipvlan, vrf, dummy, bonding). It has one CPU and no network. Packages are unpacked below build/vm,
# never installed.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
VM=$ROOT/build/vm
LIMIT=${VM_TIMEOUT:-900}
MEMORY=${VM_MEMORY:-1536M}

fail() { echo "vm: $*" >&2; exit 125; }

unpack() { # PACKAGE: its files, below build/vm/PACKAGE
    [ ! -e "$VM/$1/.complete" ] || return 0
    echo "-> $1" >&2
    rm -rf "${VM:?}/$1" "$VM/download"
    mkdir -p "$VM/$1" "$VM/download"
    # A folder that apt's own user cannot enter makes apt warn, not fail.
    (cd "$VM/download" && apt-get download -qq "$1" >/dev/null 2>"$VM/apt.log") ||
        fail "apt-get download $1 failed; call apt-get update as root first ($(tail -n 1 "$VM/apt.log"))"
    dpkg -x "$VM/download/"*.deb "$VM/$1"
    touch "$VM/$1/.complete"
}

prepare_kernel() {
    for package in user-mode-linux busybox-static kmod libkmod2; do unpack "$package"; done
    modules=$VM/user-mode-linux/usr/lib/uml/modules
    mkdir -p "$VM/tree/lib"
    ln -sfn "$modules" "$VM/tree/lib/modules"
    kmod=$(find "$VM/kmod" -path '*/bin/kmod' -type f | head -n 1)
    library=$(dirname "$(find "$VM/libkmod2" -name 'libkmod.so.2*' | head -n 1)")
    ln -sfn "$kmod" "$VM/modprobe"
    # What the kernel calls when it misses a module.
    cat >"$VM/load-module" <<EOF
#!/bin/sh
export LD_LIBRARY_PATH='$library'
exec '$VM/modprobe' -d '$VM/tree' "\$@"
EOF
    busybox=$(find "$VM/busybox-static" -path '*/bin/busybox' -type f | head -n 1)
    chmod +x "$VM/load-module"
}

quoted() { # each argument as one shell word
    for word in "$@"; do printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done
}

write_init() { # COMMAND...: the guest's first process
    cat >"$RUN/init" <<EOF
#!/bin/sh
export HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export CI='${CI:-}' TERM=dumb PYTHONDONTWRITEBYTECODE=1 TMPDIR=/run/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/tmp /run/netns /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
[ -e /dev/stdin ] || ln -s /proc/self/fd/0 /dev/stdin
mount -t hostfs -o '$ROOT' none '$ROOT'
echo '$VM/load-module' >/proc/sys/kernel/modprobe
'$VM/load-module' -a ipv6 br_netfilter
cd '$ROOT'
( $(quoted "$@") ) 2>&1
echo "VM-STATUS=\$?"
'$busybox' poweroff -f
EOF
    chmod +x "$RUN/init"
}

boot() {
    log=$RUN/console.log
    timeout -k 5 "$LIMIT" "$VM/user-mode-linux/usr/bin/linux.uml" "mem=$MEMORY" root=none \
        rootfstype=hostfs rootflags=/ ro "init=$RUN/init" "uml_dir=$RUN/" quiet con=null con0=null,fd:1 \
        </dev/null 2>/dev/null | sed -u 's/\r//g' | tee "$log" |
        grep -av --line-buffered -e '^VM-STATUS=' -e '^reboot: ' -e '^mmapper' -e '^SELinux' -e '^Failed to initialize ubd' || true
    status=$(sed -n 's/^VM-STATUS=\([0-9]*\)$/\1/p' "$log" | tail -n 1)
    if [ -z "$status" ]; then
        cp "$log" "$VM/console.log"
        fail "the guest died, or ran longer than $LIMIT s; its console is in build/vm/console.log"
    fi
    exit "$status"
}

[ $# -gt 0 ] || fail "usage: scripts/vm.sh COMMAND [ARGUMENT...]"
for program in dpkg apt-get; do
    command -v $program >/dev/null || fail "this needs Debian, whose archive has the user-mode-linux kernel"
done
[ "$(uname -m)" = x86_64 ] || fail "Debian has user-mode-linux for x86_64 only"
prepare_kernel
# Several guests may run at once, and each reads its script as it goes.
RUN=$(mktemp -d "$VM/run.XXXXXX")
trap 'rm -rf "$RUN"' EXIT
write_init "$@"
boot
