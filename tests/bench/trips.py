# SPDX-License-Identifier: GPL-2.0-or-later
"""Round trips of a graphics card, host -> passthrough -> host, in the emulated PC, in several ways in
turn: in one run of one machine, so that whatever drifts hits all of them alike.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "vm"))

import cache  # noqa: E402
import image  # noqa: E402
import power  # noqa: E402
from machines import MACHINES  # noqa: E402
from pc import PC, SNAPSHOT  # noqa: E402

HERE = Path(__file__).resolve().parent
MACHINE = MACHINES["gpu"]
FUNCTIONS = {"0000:01:00.0": "bochs-drm", "0000:01:00.1": "snd_hda_intel"}

# Where the programs are in the guest.
DIRECT, ROUND_TRIPS, COMMANDS = "/root/direct", "/root/round-trips", "/root/commands"
APPLY = "/usr/libexec/vfio-mode/vfio-mode-apply"

_SECONDS_PER_TRIP = 90  # of all ways, on a busy machine; a run that is stuck has to end


def _direct(target: str) -> list[str]:
    there = target == "passthrough"
    moves = [f"{address} {driver if there else 'vfio-pci'} {'vfio-pci' if there else driver}"
             for address, driver in FUNCTIONS.items()]
    override = "vfio-pci" if there else "''"
    return [f"{DIRECT} {override} {' '.join(moves)}"]


def _apply(target: str) -> list[str]:
    return [f"{APPLY} --without-units switch {target}"]


def _driverctl(target: str) -> list[str]:
    verb, driver = ("set-override", " vfio-pci") if target == "passthrough" else ("unset-override", "")
    return [f"driverctl --nosave {verb} {address}{driver}" for address in FUNCTIONS]


def _unit(target: str) -> list[str]:
    return [f"systemctl start vfio-mode@{target}.service"]


@dataclass(frozen=True)
class Way:
    """A way to make a round trip. `cpu`: its children are those who do the work."""

    name: str
    title: str
    commands: Callable[[str], list[str]]
    cpu: bool = True


WAYS = (
    Way("direct", "a C program that only writes driver_override, unbind and bind", _direct),
    Way("apply", "vfio-mode-apply", _apply),
    Way("driverctl", "driverctl --nosave", _driverctl),
    Way("unit", "systemctl start vfio-mode@MODE", _unit, cpu=False),
)


@dataclass(frozen=True)
class Trip:
    """What a round trip took, in seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Spread:
    """Of a figure over all trips."""

    min: float
    median: float
    max: float


def spread(figures: list[float]) -> Spread:
    return Spread(min(figures), statistics.median(figures), max(figures))


def ratios(of: list[float], to: list[float]) -> Spread:
    """Of trips that were made one after the other, pair by pair."""
    return spread([a / b for a, b in zip(of, to, strict=True)])


@dataclass(frozen=True)
class Result:
    trips: dict[str, list[Trip]]  # by name of the way
    kernel: str
    systemd: str
    wakeups: dict[str, int]  # see wakeups.py

    def of(self, way: str, figure: str) -> list[float]:
        return [getattr(trip, figure) for trip in self.trips[way]]


class CountedPC(PC):
    """Its clock goes by the instructions that it runs, 4 ns each, and by real time where it waits: what it
    measures is the same however busy we are.
    """

    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "-icount", "shift=2,sleep=on"]


def _start(counted: bool) -> PC:
    pc = power.restored(MACHINE, image.build(MACHINE.suite, image.freeze()))
    if counted:
        pc.power_cut()
        pc = CountedPC(MACHINE, pc.directory, pc.directory / "disk.qcow2", "qcow2")
        pc.start(snapshot=SNAPSHOT)
    return pc


def _push_programs(pc: PC) -> None:
    for program in (DIRECT, ROUND_TRIPS):
        name = Path(program).name
        # In a directory of its own: whatever is beside the program is seen by the guest's compiler.
        binary = pc.directory / "programs" / name
        binary.parent.mkdir(exist_ok=True)
        image.compile_in_guest_tree(MACHINE.suite, HERE / f"{name}.c", binary, "-D_GNU_SOURCE", "-Werror")
        pc.push(binary, program)
    lines = [f"{way.name} {target} {command}" for way in WAYS for target in ("passthrough", "host")
             for command in way.commands(target)]
    pc.write(COMMANDS, "\n".join(lines) + "\n")


def _run(pc: PC, trips: int) -> dict[str, list[Trip]]:
    places = " ".join(f"{address}={driver}" for address, driver in FUNCTIONS.items())
    # Modules are loaded once; and a trip of each way, which is not counted, fills the page cache.
    pc.ok(f"{APPLY} --without-units switch passthrough && {APPLY} --without-units switch host")
    said = pc.ok(f"{ROUND_TRIPS} {trips + 1} {COMMANDS} {places}", _SECONDS_PER_TRIP * (trips + 1))
    legs: dict[tuple[str, int], Trip] = {}
    for line in said.splitlines():
        if line.startswith("round-trips:"):
            print(line, file=sys.stderr)
            continue
        trip, way, _target, wall, cpu = line.split()
        before = legs.get((way, int(trip)), Trip(0, 0))
        legs[way, int(trip)] = Trip(before.wall + int(wall) / 1e9, before.cpu + int(cpu) / 1e6)
    return {way.name: [legs[way.name, trip] for trip in range(1, trips + 1)] for way in WAYS}


def measure(trips: int, counted: bool, wakeups: Callable[[PC], dict[str, int]]) -> Result:
    """So many round trips each way, and then the wakeups."""
    power.clean_run_directories()
    pc = _start(counted)
    try:
        _push_programs(pc)
        with cache.timed(f"{trips} round trips"):
            measured = _run(pc, trips)
        return Result(measured, pc.ok("uname -r"), pc.ok("systemctl --version").split()[1], wakeups(pc))
    finally:
        pc.close()
