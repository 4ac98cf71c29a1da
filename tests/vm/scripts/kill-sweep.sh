#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Kills vfio-mode-apply in its unit, or has a system call of it fail, and sees where the next switch leads.
# In the guest, in host mode:
#
#   kill-sweep.sh count                 points of both ways, as strace sees them, and how many kill-at does
#   kill-sweep.sh kill IN OUT [IN OUT]...
#   kill-sweep.sh fail IN ERRNO OUT ERRNO [IN ERRNO OUT ERRNO]...
#
#   kill-sweep.sh disturb PATTERN COMMAND
#
# kill takes pairs: a point on the way to passthrough, and one on the way to host. At each point it kills
# twice, and goes to either mode afterwards. A line for each kill: WAY POINT SYSCALL TARGET ok, or what is wrong.
# fail has the call fail at each of them, and starts the unit again afterwards. For each failure it prints what
# kill-at saw, where the machine then was, what was told, and where the second start led.
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

# Everything that a mode promises, in one line, when nothing is queued any more.
look() {
    local function driver override group screen pages jobs
    until jobs=$(systemctl list-jobs --no-legend 'vfio-mode*' test-stopped.service) && [[ -z $jobs ]]; do :; done
    for function in 0000:01:00.0 0000:01:00.1; do
        driver=$(readlink "/sys/bus/pci/devices/$function/driver")
        read -r override <"/sys/bus/pci/devices/$function/driver_override"
        echo -n "${driver##*/} $override "
    done
    group=$(readlink /sys/bus/pci/devices/0000:01:00.0/iommu_group)
    [[ -c /dev/vfio/${group##*/} ]] && echo -n "node " || echo -n "no-node "
    read -r screen </proc/fb
    echo -n "fb:$screen "
    read -r pages </sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
    echo -n "pages:$pages stopped:$(systemctl show --value -p ActiveState test-stopped.service) "
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
        $2 ~ /^(write|writev|pwrite64)\([12]</ { next }
        $2 ~ /^open(at)?\(/ && $0 !~ /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/ { next }
        { print }' "$1"
}

count() {
    local mode
    forget_modules
    for mode in passthrough host; do
        trace $mode
        ours "/run/trace-$mode" | sed "s/^/strace $mode /"
    done
    # The same by the program that kills: what it counts is what strace counts.
    echo 0 >$point
    run_by /usr/local/bin/kill-at $point
    forget_modules
    for mode in passthrough host; do
        echo 1000000 >$point
        systemctl start "vfio-mode@$mode" || exit 1
        echo "kill-at $mode $(flock $point cat $point.seen)"
    done
}

# trace MODE: a switch without harm, seen by strace.
trace() {
    run_by /usr/bin/strace -f -y -o /run/trace-%i -e "trace=$changing"
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

# fail_at WAY POINT ERRNO: that call fails while WAY's unit is started, from the other mode.
fail_at() {
    local rc=0 jobs
    [[ $1 != passthrough ]] || forget_modules
    echo "$2 -$3" >$point
    systemctl start "vfio-mode@$1" 2>/dev/null || rc=$?
    echo "way $1 $2 $3"
    echo "seen $(flock $point cat $point.seen)"
    # What the old mode's unit does is queued.
    until jobs=$(systemctl list-jobs --no-legend 'vfio-mode*' test-stopped.service) && [[ -z $jobs ]]; do :; done
    echo "status $rc $(systemctl show --value -p ExecMainStatus "vfio-mode@$1")"
    echo "text $(systemctl show --value -p StatusText "vfio-mode@$1")"
    echo "left $(cd /run/vfio-mode && echo *.tmp)"
    echo "there $(look)"
    echo "told $(vfio-modectl status --json=short)"
    rc=0
    # A start of what is active would do nothing.
    systemctl reload-or-restart "vfio-mode@$1" 2>/dev/null || rc=$?
    echo "again $rc"
    echo "then $(look)"
    # For the points that follow.
    [[ $rc -eq 0 ]] || systemctl restart "vfio-mode@$1"
}

# begin: each mode once, as it is to be.
begin() {
    echo 0 >$point
    run_by /usr/local/bin/kill-at $point
    wanted[host]=$(look)
    systemctl start vfio-mode@passthrough
    wanted[passthrough]=$(look)
    systemctl start vfio-mode@host
}

fail_all() {
    local -A wanted
    begin
    echo "wanted host ${wanted[host]}"
    echo "wanted passthrough ${wanted[passthrough]}"
    while [[ $# -ge 4 ]]; do
        fail_at passthrough "$1" "$2"
        fail_at host "$3" "$4"
        shift 4
    done
}

kill_all() {
    local -A wanted
    begin
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
fail) fail_all "${@:2}" ;;
disturb) disturb "$2" "$3" ;;
esac
