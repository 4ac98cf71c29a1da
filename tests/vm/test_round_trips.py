# SPDX-License-Identifier: GPL-2.0-or-later
"""Many round trips in a row, by the modes' units: nothing becomes more, and all is as it was."""

from pathlib import Path

import pytest

from modes import HOST, look
from pc import PC

SCRIPT = Path(__file__).resolve().parent / "scripts" / "round-trips.sh"
TRIPS = 50
BY_UNIT = 10  # of those, where it is not long; a trip by the units takes three times as long
WARM_UP = 2  # what is made once and kept is there then

# What may be more or less at any moment: clients of the bus, what malloc keeps, caches that are in use. One
# descriptor that is lost in each trip would be five times that, and 10 KiB of a process or 20 KiB of the kernel
# in each are as much. vfio-moded may have been started anew. In ten times as many trips memory may grow to
# four times that: dbus-daemon takes 2 to 5 KiB in each.
DESCRIPTORS, PROCESS_KIB, SERVICE_KIB, KERNEL_KIB = 10, 512, 2048, 1024
LONG_TRIPS, LONG_KIB = 10, 4
KERNEL = ("SUnreclaim", "KernelStack", "PageTables", "Percpu", "VmallocUsed")
CACHED = "size of systemd-journald"  # it has the journal mapped, which grows

COMPLAINTS = r"WARNING|BUG:|Call Trace|blocked for more than|refcount|leak|Oops"


def count(pc: PC) -> dict[str, int]:
    """How many there are of what, and sizes in KiB."""
    rows = (line.split(maxsplit=1) for line in pc.ok("round-trips count").splitlines())
    return {what: int(number) for number, what in rows}


def margin(what: str, is_long: bool) -> int:
    if what.startswith("descriptors of "):
        return DESCRIPTORS
    if not what.startswith("size of "):
        return 0
    name = what.removeprefix("size of ")
    size = SERVICE_KIB if name == "vfio-moded" else KERNEL_KIB if name in KERNEL else PROCESS_KIB
    return size * LONG_KIB if is_long else size


def differences(before: dict[str, int], after: dict[str, int], is_long: bool) -> list[str]:
    """What has become more; or less, where that says as much."""
    found = []
    for what in sorted((before.keys() | after.keys()) - {CACHED}):
        change, allowed = after.get(what, 0) - before.get(what, 0), margin(what, is_long)
        if change > allowed or (allowed == 0 and change != 0):
            found.append(f"{what}: {before.get(what, 0)}, now {after.get(what, 0)}")
    return found


@pytest.mark.machine("gpu")
def test_nothing_is_left_over(pc: PC, request: pytest.FixtureRequest) -> None:
    """Descriptors, memory, modules, mounts, files, rules, units, processes; drivers and overrides."""
    is_long = request.config.option.long
    pc.push(SCRIPT, "/usr/local/bin/round-trips")
    pc.ok(f"round-trips go {WARM_UP}")
    assert look(pc) == HOST
    before = count(pc)
    assert before["descriptors of vfio-moded"] > 0 and before["size of SUnreclaim"] > 0
    if is_long:
        for _ in range(LONG_TRIPS):
            pc.ok(f"round-trips go {TRIPS}", timeout=1800)
    else:
        pc.ok(f"round-trips go {BY_UNIT} && round-trips bare {TRIPS - BY_UNIT}", timeout=1800)
    after = count(pc)
    print({what: (before[what], number) for what, number in after.items() if margin(what, is_long) > 0})
    assert differences(before, after, is_long) == []
    assert look(pc) == HOST
    assert pc.run(f"journalctl -b -k -o cat --no-pager | grep -E '{COMPLAINTS}'").out == ""
    assert pc.ok("systemctl is-system-running") == "running"
