# SPDX-License-Identifier: GPL-2.0-or-later
"""How often the guard of a mode wakes up, by what it waits for: the times that its process has given up the processor
by itself, in the emulated PC.
"""

from dataclasses import dataclass

import trips
from machines import ini
from pc import PC

SECONDS = 30
_GPU = next(iter(trips.FUNCTIONS))
_UNIT = "vfio-mode-guard@passthrough.service"
_WATCHES = "expect-vm = 10min\non-vm-exit = fallback\n"


@dataclass(frozen=True)
class State:
    """Something that the guard waits for."""

    title: str
    rescue: bool
    keys: str
    prepare: str  # in the guest, once the guard runs
    aim: int | None  # so many wakeups at most; None: as often as it looks


_AWAIT = "sleep 6"  # it looks more often at first
_HOLD = (f"group=$(basename $(readlink /sys/bus/pci/devices/{_GPU}/iommu_group)); "
         "(exec 3<> /dev/vfio/$group; exec sleep infinity) > /dev/null 2>&1 & "
         "until grep -q '^settled=yes$' /run/vfio-mode-guard/watch; do "
         "grep -q '^phase=there$' /run/vfio-mode-guard/watch && break; done; sleep 11")
STATES = (
    State("no VM has come yet", False, _WATCHES, _AWAIT, None),
    State("a VM has the card", False, _WATCHES, _HOLD, 0),
    State("none is awaited; the power button", True, "", "until grep -q '^phase=over$' "
          "/run/vfio-mode-guard/watch; do :; done", 0),
)

_COUNT = """
pid=$(systemctl show --value -p MainPID {unit})
read -r _ before < <(grep ^voluntary_ctxt_switches /proc/$pid/status)
sleep {seconds}
read -r _ after < <(grep ^voluntary_ctxt_switches /proc/$pid/status)
echo $((after - before))
"""


def count(pc: PC) -> dict[str, int]:
    """Wakeups within SECONDS, by the state's title."""
    counts = {}
    for state in STATES:
        pc.write("/etc/vfio-mode.ini", ini(rescue=state.rescue) + state.keys)
        pc.ok("vfio-modectl switch host; vfio-modectl switch passthrough; "
              f"until systemctl is-active --quiet {_UNIT}; do :; done")
        pc.ok(state.prepare, 120)
        counts[state.title] = int(pc.ok(_COUNT.format(unit=_UNIT, seconds=SECONDS), 120))
        pc.run("pkill -x sleep")
    return counts
