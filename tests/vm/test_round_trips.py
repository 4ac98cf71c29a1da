# SPDX-License-Identifier: GPL-2.0-or-later
"""Many round trips in a row, by the modes' units: nothing becomes more, and all is as it was."""

from itertools import pairwise
from pathlib import Path

import pytest

from modes import HOST, JOURNAL, look
from pc import PC

SCRIPT = Path(__file__).resolve().parent / "scripts" / "round-trips.sh"
HALF = 25  # trips
BY_UNIT = 3  # of those, where it is not long; a trip by the units takes three times as long
WARM_UP = 2  # what is made once and kept is there then

# What may be more or less at any moment: clients of the bus, what malloc keeps, caches that are in use. What
# leaks grows in both halves of the trips; what fills up once, as udevd's heap by some 700 KiB, grows in one. One
# descriptor that is lost in each trip would be five times what a half may have, and 10 KiB of a process or 20 KiB
# of the kernel in each are as much. vfio-moded may have been started anew. In ten times as many trips memory may
# grow to four times that: dbus-daemon takes 2 to 5 KiB in each.
DESCRIPTORS, PROCESS_KIB, SERVICE_KIB, KERNEL_KIB = 5, 256, 1024, 512
LONG_TIMES, LONG_KIB = 10, 4
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


def differences(counts: list[dict[str, int]], is_long: bool) -> list[str]:
    """What has become more in each half; or more or less in all, where that says as much."""
    found = []
    for what in sorted(set().union(*counts) - {CACHED}):
        numbers = [each.get(what, 0) for each in counts]
        allowed = margin(what, is_long)
        growth = min(later - earlier for earlier, later in pairwise(numbers))
        if growth > allowed or (allowed == 0 and numbers[0] != numbers[-1]):
            found.append(f"{what}: {', then '.join(map(str, numbers))}")
    return found


@pytest.mark.machine("gpu")
def test_nothing_is_left_over(pc: PC, request: pytest.FixtureRequest) -> None:
    """Descriptors, memory, modules, mounts, files, rules, units, processes; drivers and overrides."""
    is_long = request.config.option.long
    pc.push(SCRIPT, "/usr/local/bin/round-trips")
    pc.ok(f"round-trips go {WARM_UP}")
    assert look(pc) == HOST
    counts = [count(pc)]
    assert counts[0]["descriptors of vfio-moded"] > 0 and counts[0]["size of SUnreclaim"] > 0
    for _ in range(2):
        if is_long:
            for _ in range(LONG_TIMES):
                pc.ok(f"round-trips go {HALF}", timeout=1800)
        else:
            pc.ok(f"round-trips go {BY_UNIT} && round-trips bare {HALF - BY_UNIT}", timeout=1800)
        counts.append(count(pc))
    print({what: [each.get(what) for each in counts] for what in counts[0] if margin(what, is_long) > 0})
    assert differences(counts, is_long) == []
    assert look(pc) == HOST
    assert pc.run(f"{JOURNAL} -k | grep -E '{COMPLAINTS}'").out == ""
    assert pc.ok("systemctl is-system-running") == "running"
