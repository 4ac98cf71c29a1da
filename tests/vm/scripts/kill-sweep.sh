#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Kills vfio-mode-apply in its unit, and sees where the next switch leads. In the guest, in host mode:
#
#   kill-sweep.sh count                 points of both ways, as strace sees them
#   kill-sweep.sh kill IN OUT [IN OUT]...
#
#   kill-sweep.sh disturb PATTERN COMMAND
#
# kill takes pairs: a point on the way to passthrough, and one on the way to host. At each point it kills
# twice, and goes to either mode afterwards. A line for each kill: WAY POINT SYSCALL TARGET ok, or what is wrong.
# disturb goes to passthrough, and runs the command before the last of apply's calls that has the pattern.
set -u

apply=$(find /usr/lib /usr/libexec -name vfio-mode-apply -print -quit)
point=/run/kill-at
changing=openat,open,write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir
changing+=,symlink,symlinkat,link,linkat,truncate,ftruncate,chmod,fchmod,fchmodat
changing+=,init_module,finit_module,delete_module,fork,vfork,clone,clone3,execve

# run_by PROGRAM ARGUMENT...: the units run apply by way of it. Tracing is what their sandbox forbids.
run_by() {
    mkdir -p /run/systemd/system/vfio-mode@.service.d
    printf '%s\n' '[Service]' SystemCallFilter= ExecStart= "ExecStart=$* $apply switch %i" \
        >/run/systemd/system/vfio-mode@.service.d/run-by.conf
    systemctl daemon-reload
}

# As on a machine that has not been in passthrough mode: loading modules is a part of the way.
forget_modules() {
    modprobe -r vfio-pci vfio_iommu_type1
}

# Everything that a mode promises, in one line.
look() {
    local function driver override group screen
    for function in 0000:01:00.0 0000:01:00.1; do
        driver=$(readlink "/sys/bus/pci/devices/$function/driver")
        read -r override <"/sys/bus/pci/devices/$function/driver_override"
        echo -n "${driver##*/} $override "
    done
    group=$(readlink /sys/bus/pci/devices/0000:01:00.0/iommu_group)
    [[ -c /dev/vfio/${group##*/} ]] && echo -n "node " || echo -n "no-node "
    read -r screen </proc/fb
    echo -n "fb:$screen "
    [[ -e /run/vfio-mode/undo ]] && echo -n "undo-log "
    echo -n "$(vfio-modectl status --mode) units: "
    systemctl list-units --plain --no-legend --state=active 'vfio-mode@*' | cut -d' ' -f1 | xargs
}

# ours FILE: strace's lines of apply itself, from its exec on, that change something; also of its children that
# are no other program, but for what they make of their standard descriptors.
ours() {
    awk -v apply="$apply" '
        !main && index($0, "execve(\"" apply "\"") { main = $1; next }
        !main { next }
        $2 ~ /^execve\(/ && $1 != main { other[$1] = 1; next }
        other[$1] || $2 ~ /^(<|execve|\+\+\+|---)/ || /"\/dev\/null"/ { next }
        $2 ~ /^(write|writev|pwrite64)\([12],$/ { next }
        $2 ~ /^open(at)?\(/ && $0 !~ /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/ { next }
        { print }' "$1"
}

count() {
    local mode
    forget_modules
    for mode in passthrough host; do
        trace $mode
        echo "strace $mode - $(ours "/run/trace-$mode" | wc -l)"
    done
    # The same by the program that kills: what it counts is what strace counts.
    echo 1000000 >$point
    run_by /usr/local/bin/kill-at $point
    forget_modules
    for mode in passthrough host; do
        systemctl start "vfio-mode@$mode" || exit 1
        echo "kill-at $mode $(flock $point cat $point.seen)"
    done
}

# trace MODE: a switch without harm, seen by strace.
trace() {
    run_by /usr/bin/strace -f -o /run/trace-%i -e "trace=$changing"
    systemctl start "vfio-mode@$1" || exit 1
}

disturb() {
    systemctl start vfio-mode@host
    trace passthrough
    systemctl start vfio-mode@host
    echo "$(ours /run/trace-passthrough | grep -n "$1" | tail -n1 | cut -d: -f1) $2" >$point
    run_by /usr/local/bin/kill-at $point
    systemctl start vfio-mode@passthrough
    flock $point cat $point.seen
}

# kill_at WAY POINT TARGET: WAY's unit is killed at that point, and TARGET's is started.
kill_at() {
    local seen here
    [[ $1 != passthrough ]] || forget_modules
    echo "$2" >$point
    systemctl start "vfio-mode@$1" 2>/dev/null
    seen=$(flock $point cat $point.seen)
    echo 0 >$point
    here=$(systemctl show --value -p Result "vfio-mode@$1")
    if [[ $seen != "killed $2 "* || $here != signal ]]; then
        echo "$1 $2 - $3 was not killed: $seen, $here"
    elif ! systemctl start "vfio-mode@$3"; then
        echo "$1 $2 ${seen##* } $3 did not start: $(systemctl show --value -p StatusText "vfio-mode@$3")"
    elif here=$(look) && [[ $here != "${wanted[$3]}" ]]; then
        echo "$1 $2 ${seen##* } $3 ended as: $here"
    else
        echo "$1 $2 ${seen##* } $3 ok"
        return
    fi
    # For the points that follow.
    systemctl restart "vfio-mode@$3"
}

kill_all() {
    declare -A wanted
    echo 0 >$point
    run_by /usr/local/bin/kill-at $point
    wanted[host]=$(look)
    systemctl start vfio-mode@passthrough
    wanted[passthrough]=$(look)
    systemctl start vfio-mode@host
    while [[ $# -ge 2 ]]; do
        kill_at passthrough "$1" host
        kill_at passthrough "$1" passthrough
        kill_at host "$2" passthrough
        kill_at host "$2" host
        shift 2
    done
}

case $1 in
count) count ;;
kill) kill_all "${@:2}" ;;
disturb) disturb "$2" "$3" ;;
esac
