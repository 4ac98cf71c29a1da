#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures vfio-mode-apply, and prints tables for the README. tests/bench/run installs what it needs."""

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator

import native
import trips
import wakeups

# What the product is to reach. A figure that misses its aim fails nothing.
WALL_TO_DIRECT = 1.5
DRIVERCTL_TO_APPLY = 6.0
MANY_TO_FEW = 1.1
CALLS = 100


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def ratio(spread: trips.Spread) -> str:
    return f"{spread.median:.2f} ({spread.min:.2f} to {spread.max:.2f})"


def trips_table(result: trips.Result) -> str:
    rows = []
    for way in trips.WAYS:
        wall, cpu = result.of(way.name, "wall"), result.of(way.name, "cpu")
        cells = [ratio(trips.ratios(wall, result.of("direct", "wall"))),
                 ratio(trips.ratios(cpu, result.of("direct", "cpu"))) if way.cpu else "-"]
        rows.append([way.title, f"{trips.spread(wall).median:.3f} s",
                     f"{trips.spread(cpu).median:.3f} s" if way.cpu else "-", *cells])
    return table(["host → passthrough → host", "wall", "user+sys", "wall, ratio to the first",
                  "user+sys, ratio to the first"], rows)


def trips_text(result: trips.Result, counted: bool) -> str:
    number = len(result.trips["direct"])
    slow = trips.ratios(result.of("apply", "wall"), result.of("direct", "wall"))
    fast = trips.ratios(result.of("driverctl", "wall"), result.of("apply", "wall"))
    clock = ", its clock by instructions, 4 ns each, and not by this machine's" if counted else ""
    return f"""\
In the emulated PC (Debian's kernel {result.kernel}, systemd {result.systemd}; one processor, QEMU's TCG{clock}), \
{number} round trips of a graphics card with its audio function each way, in turn: medians, and for the \
ratios of each trip median (minimum to maximum). For `systemctl`, which works through systemd, user+sys is \
nobody's child.

{trips_table(result)}

- Wall time of vfio-mode-apply to that of the bare writes: {ratio(slow)}; aim: at most {WALL_TO_DIRECT}: \
{verdict(slow.median <= WALL_TO_DIRECT)}.
- Wall time of driverctl to that of vfio-mode-apply: {ratio(fast)}; aim: at least {DRIVERCTL_TO_APPLY:g}: \
{verdict(fast.median >= DRIVERCTL_TO_APPLY)}."""


def wakeups_text(result: trips.Result) -> str:
    rows = [[state.title, str(result.wakeups[state.title]),
             "-" if state.aim is None else f"{state.aim}: {verdict(result.wakeups[state.title] <= state.aim)}"]
            for state in wakeups.STATES]
    head = [f"what vfio-mode-guard waits for, for {wakeups.SECONDS} s", "wakeups", "aim"]
    return "There, too:\n\n" + table(head, rows)


def native_table(counts: dict[str, dict[int, native.Counts]]) -> str:
    rows = []
    for name, by_size in counts.items():
        own = [f"{by_size[size].own_instructions:,}" for size in native.SIZES]
        rows.append([name, *own, f"{growth(by_size):.3f}",
                     *[str(by_size[size].own_calls) for size in native.SIZES]])
    few, many = native.SIZES[0], native.SIZES[-1]
    sizes = [f"{size:,}" for size in native.SIZES]
    return table(["functions", *[f"instructions, {size}" for size in sizes], f"{many:,} to {few}",
                  *[f"system calls, {size}" for size in sizes]], rows)


def growth(by_size: dict[int, native.Counts]) -> float:
    """What so many more functions in the machine cost."""
    return by_size[native.SIZES[-1]].own_instructions / by_size[native.SIZES[0]].own_instructions


def native_text(counts: dict[str, dict[int, native.Counts]]) -> str:
    calls = max(count.own_calls for name, by_size in counts.items() if name.startswith("no-op")
                for count in by_size.values())
    worst = max(growth(by_size) for by_size in counts.values())
    whole = counts[native.CASES[0].name][native.SIZES[0]]
    return f"""\
On made-up machines of {native.SIZES[0]} to {native.SIZES[-1]:,} PCI functions, a release build, counted from \
`main` (instructions, callgrind) and from the dynamic linker's last call, the munmap of its cache (system \
calls, strace) to the end; a whole process of a no-op is {whole.instructions:,} instructions and {whole.calls} \
system calls.

{native_table(counts)}

- Instructions with {native.SIZES[-1]:,} functions to those with {native.SIZES[0]}, the worst: {worst:.3f}; \
aim: at most {MANY_TO_FEW}: {verdict(worst <= MANY_TO_FEW)}.
- System calls of a no-op, the most: {calls}; aim: at most {CALLS}: {verdict(calls <= CALLS)}."""


def first_line(*command: str) -> str:
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout.split("\n")[0]
    except FileNotFoundError:
        return ""


def machine_facts() -> dict[str, str | int]:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "cores": os.cpu_count() or 0,
        "processor": models[0] if models else platform.machine(),
        "kernel": platform.release(),
        "qemu": first_line("qemu-system-x86_64", "--version").removeprefix("QEMU emulator "),
        "compiler": first_line("gcc", "--version"),
        "valgrind": first_line("valgrind", "--version"),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def json_text(facts: dict[str, str | int], round_trips: trips.Result | None,
              counts: dict[str, dict[int, native.Counts]] | None) -> str:
    result: dict[str, object] = {"machine": facts}
    if round_trips:
        result["emulated"] = dataclasses.asdict(round_trips)
    if counts:
        result["native"] = {name: {size: dataclasses.asdict(count) for size, count in by_size.items()}
                            for name, by_size in counts.items()}
    return json.dumps(result, indent=2)


@contextlib.contextmanager
def results_alone() -> Iterator[None]:
    """What builds and boots says goes to stderr meanwhile."""
    stdout = os.dup(1)
    os.dup2(2, 1)
    yield
    os.dup2(stdout, 1)
    os.close(stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("--trips", type=int, default=20, help="round trips each way (default: 20)")
    parser.add_argument("--native", action="store_true", help="only count instructions and system calls")
    parser.add_argument("--emulated", action="store_true", help="only the round trips")
    parser.add_argument("--counted", action="store_true",
                        help="let the emulated PC's clock go by instructions: the same on a busy machine")
    parser.add_argument("--json", action="store_true", help="every figure, for machines, in place of tables")
    arguments = parser.parse_args()
    if arguments.trips < 1:
        parser.error("at least one trip")
    both = arguments.native == arguments.emulated
    facts = machine_facts()
    with results_alone():
        counts = native.measure() if both or arguments.native else None
        round_trips = (trips.measure(arguments.trips, arguments.counted, wakeups.count)
                       if both or arguments.emulated else None)
    if arguments.json:
        print(json_text(facts, round_trips, counts))
        return 0
    command = shlex.join(["tests/bench/run", *sys.argv[1:]])
    print(f"`{command}`, {facts['date']}, {facts['cores']} cores ({facts['processor']}), "
          f"kernel {facts['kernel']}, QEMU {facts['qemu']}, {facts['compiler']}; "
          f"load average before it {facts['load']}.")
    texts = [trips_text(round_trips, arguments.counted), wakeups_text(round_trips)] if round_trips else []
    texts += [native_text(counts)] if counts else []
    for text in texts:
        print(f"\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
