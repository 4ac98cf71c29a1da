#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Round trips by the modes' units, and what there is that might have become more by them. In the guest, in host
# mode:
#
#   round-trips.sh go N   N times to passthrough and back
#   round-trips.sh bare N the same by vfio-mode-apply alone, which is a third of the time
#   round-trips.sh count  what there is: a line for each, NUMBER KEY; sizes in KiB
set -u

daemons=(dbus.service systemd-journald.service systemd-logind.service systemd-udevd.service vfio-moded.service)

is_on() {
    [[ /sys/bus/pci/devices/0000:01:00.0/driver -ef /sys/bus/pci/drivers/$1 ]]
}

by_unit() {
    systemctl start "vfio-mode@$1"
}

bare() {
    /usr/libexec/vfio-mode/vfio-mode-apply --without-units switch "$1"
}

# go HOW N
go() {
    local i
    for ((i = 0; i < $2; i++)); do
        "$1" passthrough || exit
        is_on vfio-pci || exit
        "$1" host || exit
        is_on bochs-drm || exit
    done
}

# settle UDEVD: until nothing is under way. Udev's workers end when they have had nothing to do for a while.
settle() {
    udevadm settle
    until [[ -z $(systemctl list-jobs --no-legend) ]]; do :; done
    while pgrep -P "$1" >/dev/null; do sleep 0.5; done
}

# process NAME PID
process() {
    local fds=("/proc/$2/fd"/*)
    echo "${#fds[@]} descriptors of $1"
    # What is mapped from files comes and goes with the kernel's caches.
    sed -n "s/^RssAnon:[^0-9]*\([0-9]*\) kB/\1 size of $1/p" "/proc/$2/status"
}

# What may be there more than once, or less often than before.
things() {
    # The kernel's own have no program, and come and go. Not through a pipe: its other end would be one more.
    find /proc/[0-9]*/exe -maxdepth 0 -lname '/*' -printf 'program %l\n'
    find /sys/bus/pci/devices/*/{driver,iommu_group} -printf 'function %p %l\n'
    grep -H . /sys/bus/pci/devices/*/{driver_override,enable,irq,resource,reset_method,power/control}
    find /sys/class/{drm,graphics,sound,vfio,vfio-dev} /sys/kernel/iommu_groups -printf 'class %p\n'
    find /run /dev -xdev -not -path '/run/systemd/journal/*' -not -path '/run/log/*' -printf 'file %p\n'
    awk '{ print "framebuffer", $0 }' /proc/fb
    awk '{ print "module", $1, $3 }' /proc/modules
    awk '{ print "mount", $5 }' /proc/1/mountinfo
    systemctl list-units --all --plain --no-legend --no-pager | awk '{ print "unit", $1, $2, $3, $4 }'
    systemctl show -p NNames -p NJobs -p NFailedUnits
}

count() {
    local i pids things
    settle "$(systemctl show --value -p MainPID systemd-udevd)"
    # So that its service runs, and has what it needs for a while.
    vfio-modectl status >/dev/null
    vfio-modectl list-devices >/dev/null
    mapfile -t pids < <(systemctl show --value -p MainPID "${daemons[@]}" | grep .)
    process systemd 1
    for i in "${!daemons[@]}"; do
        process "${daemons[i]%.service}" "${pids[i]}"
    done
    things=$(things 2>/dev/null)
    LC_ALL=C sort <<<"$things" | uniq -c
    echo 3 >/proc/sys/vm/drop_caches
    sed -En 's/^(SUnreclaim|KernelStack|PageTables|Percpu|VmallocUsed): *([0-9]+) kB/\2 size of \1/p' /proc/meminfo
}

case $1 in
go) go by_unit "$2" ;;
bare) go bare "$2" ;;
count) count ;;
esac
