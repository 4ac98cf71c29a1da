# SPDX-License-Identifier: GPL-2.0-or-later
"""What vfio-mode-apply costs on made-up machines of different sizes, counted and not timed: instructions
by callgrind, system calls by strace. A release build on this machine, not in the emulated PC.

The switches run on the tests' fake kernel, a library preloaded into the program. What that library does,
and what is done inside it, is left out of the counts; each of the program's own writes stays one.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SIZES = (16, 256, 4096)

APPLY = "daemon/vfio-mode-apply"
MACHINE = "tests/fake/fake-machine"
KERNEL = "tests/fake/libfake-kernel.so"

GPU = "sys/bus/pci/devices/0000:01:00.0"

_CACHE = "/etc/ld.so.cache"


@dataclass(frozen=True)
class Case:
    name: str
    mode: str
    fake_kernel: bool  # a no-op writes nothing to /sys, so it is counted without


# One after the other on the same machine, which is in host mode before and after them.
CASES = (
    Case("no-op in host mode", "host", False),
    Case("switch to passthrough", "passthrough", True),
    Case("no-op in passthrough mode", "passthrough", False),
    Case("switch back to host", "host", True),
)


@dataclass(frozen=True)
class Counts:
    """Of one process. `own`: from main() on, without the dynamic linker and the fake kernel."""

    instructions: int
    own_instructions: int
    calls: int
    own_calls: int


def build(directory: Path) -> None:
    """A release build of what is counted, and of the fakes."""
    for command in (["meson", "setup", str(directory), str(SOURCE), "--buildtype=release"],
                    ["ninja", "-C", str(directory), APPLY, MACHINE, KERNEL]):
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}:\n{result.stdout}{result.stderr}")


class Machine:
    """A made-up machine of so many PCI functions, in host mode."""

    def __init__(self, build_directory: Path, root: Path, size: int) -> None:
        self._build = build_directory
        self._root = root
        subprocess.run([build_directory / MACHINE, root, str(size)], check=True)
        self._switch([], CASES[0])

    def instructions(self, case: Case) -> tuple[int, int]:
        for old in self._root.glob("callgrind.out.*"):
            old.unlink()
        self._switch(["valgrind", "-q", "--tool=callgrind",
                      f"--callgrind-out-file={self._root}/callgrind.out.%p",
                      "--compress-strings=no", "--compress-pos=no"], case)
        # The child that writes has a profile of its own, from the fork on.
        counts = [read_callgrind(output.read_text(encoding="utf-8"))
                  for output in self._root.glob("callgrind.out.*")]
        return sum(total for total, _ in counts), sum(own for _, own in counts)

    def calls(self, case: Case) -> tuple[int, int]:
        output = self._root / "strace.out"
        # -k, for who is calling; that a stack is unwound does not change what is called.
        self._switch(["strace", "-f", "-qq", "-k", "-o", str(output)], case)
        return read_strace(output.read_text(encoding="utf-8"))

    def _switch(self, counter: list[str], case: Case) -> None:
        """Run a case under `counter`, and see that it did what it is named after."""
        # Nothing of the caller's: what makes a service of the program would make it do more.
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        if case.fake_kernel:
            environment["LD_PRELOAD"] = str(self._build / KERNEL)
        result = subprocess.run(
            [*counter, str(self._build / APPLY), f"--root={self._root}", "switch", case.mode],
            check=False, capture_output=True, text=True, env=environment)
        wanted = "vfio-pci" if case.mode == "passthrough" else "nvidia"
        driver = os.readlink(self._root / GPU / "driver").rsplit("/", 1)[-1]
        if result.returncode != 0 or driver != wanted:
            raise RuntimeError(f"{case.name}: status {result.returncode}, and the GPU is on {driver}:\n"
                               f"{result.stderr}")


# --- reading what the tools wrote ---


def _calls(text: str) -> Iterator[tuple[str, str, str, int]]:
    """Caller's object, callee's object and function, and instructions of each call in a profile."""
    here = there = function = ""
    lines = iter(text.splitlines())
    for line in lines:
        name, _, value = line.partition("=")
        if name == "ob":
            here = value
        elif name == "cob":
            there = value
        elif name == "cfn":
            function = value
        elif name == "calls":
            yield here, there or here, function, int(next(lines).split()[-1])
            there = ""


def read_callgrind(text: str) -> tuple[int, int]:
    """Instructions of a whole process, and those of main() without the fake kernel's."""
    total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    main = fake = 0
    for here, there, function, cost in _calls(text):
        if function == "main":
            main += cost
        elif there.endswith(KERNEL) and not here.endswith(KERNEL) and function == "write":
            fake += cost
    if not total or not main:
        raise RuntimeError("callgrind's output has no main()")
    return int(total[1]), main - fake


@dataclass
class _Call:
    text: str
    by_fake: bool = False


def _traced(text: str) -> list[_Call]:
    calls: list[_Call] = []
    for line in text.splitlines():
        line = re.sub(r"^\d+ +", "", line)  # whose it is
        if line.startswith((" > ", "+++", "---", "<...")):
            if calls and Path(KERNEL).name in line:
                calls[-1].by_fake = True
        else:
            calls.append(_Call(line))
    return calls


def _first_after_linker(calls: list[_Call]) -> int:
    """The dynamic linker's last call is the munmap() of its cache."""
    fd = address = None
    for number, call in enumerate(calls):
        if fd is None and _CACHE in call.text and call.text.startswith("openat("):
            fd = call.text.rsplit("= ", 1)[1]
        elif fd and not address and re.search(rf"^mmap\(.*, {fd}, 0\)", call.text):
            address = call.text.rsplit("= ", 1)[1]
        elif address and call.text.startswith(f"munmap({address},"):
            return number + 1
    raise RuntimeError(f"strace's output has no munmap() of {_CACHE}")


def read_strace(text: str) -> tuple[int, int]:
    """System calls of a whole process, and those after the dynamic linker without the fake kernel's."""
    calls = _traced(text)
    after = calls[_first_after_linker(calls):]
    own = [call for call in after if not call.by_fake]
    # The fake kernel's first act on each write(2) is to look where it goes.
    writes = [call for call in after if call.by_fake and call.text.startswith("readlink(\"/proc/self/fd/")]
    return len(calls), len(own) + len(writes)


def measure() -> dict[str, dict[int, Counts]]:
    """Counts by name of the case and by number of PCI functions."""
    result: dict[str, dict[int, Counts]] = {case.name: {} for case in CASES}
    with tempfile.TemporaryDirectory(prefix="vfio-mode-bench-") as scratch:
        build(Path(scratch, "build"))
        for size in SIZES:
            # Names of one length: a path is copied byte by byte.
            machine = Machine(Path(scratch, "build"), Path(scratch, f"machine-{size:04}"), size)
            instructions = [machine.instructions(case) for case in CASES]
            calls = [machine.calls(case) for case in CASES]
            for number, case in enumerate(CASES):
                result[case.name][size] = Counts(*instructions[number], *calls[number])
    return result
