# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine of tests/fake in a directory, the real vfio-mode-apply on it, and what can be seen of it."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUILD = Path(os.environ.get("VFIO_MODE_SWEEP", "/nowhere"))  # a build without sanitizers
APPLY = BUILD / "daemon/vfio-mode-apply"
MODECTL = BUILD / "daemon/vfio-modectl"
FAKE_MACHINE = BUILD / "tests/fake/fake-machine"
FAKE_KERNEL = BUILD / "tests/fake/libfake-kernel.so"
FAULT_AT = BUILD / "tests/sweep/fault-at"

FUNCTIONS = 4  # the graphics card with its audio function, a bridge, and a NIC
PAGES = 8
PAGES_FILE = "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
TIMEOUT = 60

# Nothing of the caller's: what makes a service of the program would make it do more.
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C", "LD_PRELOAD": str(FAKE_KERNEL)}


@dataclass(frozen=True)
class Run:
    status: int
    text: str


@dataclass(frozen=True)
class Point:
    """A system call; see fault-at.c. The process and the number are its address."""

    process: int
    number: int
    call: str
    path: str

    def __str__(self) -> str:
        return f"{self.process}:{self.number} {self.call} {self.path}"


@dataclass(frozen=True)
class Look:
    """All that a mode promises, and what is left over."""

    functions: tuple[str, ...]  # address, driver and override of each
    pages: str
    mode: str  # as /run/vfio-mode/status has it
    marks: tuple[str, ...]
    left_over: tuple[str, ...]  # undo log, temporary files


def parse_points(text: str) -> list[Point]:
    words = (line.split(" ", 3) for line in text.splitlines())
    return [Point(int(process), int(number), call, re.sub(r"\b\d+(?=\.tmp$|/stat$)", "PID", path))
            for process, number, call, path in words]


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        """In host mode, as it is after a switch to passthrough and back."""
        subprocess.run([FAKE_MACHINE, self.root, str(FUNCTIONS)], check=True)
        with open(self.root / "etc/vfio-mode.ini", "a", encoding="utf-8") as config:
            config.write(f"hugepages-2M = {PAGES}\n")
        for mode in ("host", "passthrough", "host"):
            run = self.apply("switch", mode)
            if run.status != 0:
                raise RuntimeError(run.text)

    def copy(self, root: Path) -> "Machine":
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", self.root, root], check=True)
        return Machine(root)

    def apply(self, *arguments: str, by: tuple[str | Path, ...] = ()) -> Run:
        result = subprocess.run([*by, APPLY, f"--root={self.root}", *arguments], env=ENVIRONMENT,
                                capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return Run(result.returncode, result.stdout + result.stderr)

    def traced(self, mode: str, order: str = "-") -> tuple[Run, list[Point]]:
        """A switch to a mode with one call that goes as ordered, and all points that it came by."""
        points = self.root.with_name(f"{self.root.name}.points")
        run = self.apply("switch", mode, by=(FAULT_AT, points, self.root, order))
        return run, parse_points(points.read_text(encoding="utf-8"))

    def status(self) -> dict[str, Any]:
        """What a person is told."""
        result = subprocess.run([MODECTL, f"--root={self.root}", "status", "--json=short"],
                                env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT,
                                check=False)
        return json.loads(result.stdout) if result.returncode == 0 else {"error": result.stderr}

    def look(self) -> Look:
        devices = self.root / "sys/bus/pci/devices"
        run = self.root / "run/vfio-mode"
        status = self._read("run/vfio-mode/status")
        mode = re.search(r"^mode=(.*)$", status, re.MULTILINE)
        marks = run / "vfio"
        return Look(
            functions=tuple(
                f"{device.name} {self._driver(device)} "
                f"{self._read(device.relative_to(self.root) / 'driver_override').strip()}"
                for device in sorted(devices.iterdir())),
            pages=self._read(PAGES_FILE).strip(),
            mode=mode[1] if mode else "",
            marks=tuple(sorted(mark.name for mark in marks.iterdir())) if marks.is_dir() else (),
            left_over=tuple(sorted(file.name for file in run.glob("*")
                                   if file.name == "undo" or file.name.endswith(".tmp"))))

    def _read(self, path: str | Path) -> str:
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    @staticmethod
    def _driver(device: Path) -> str:
        link = device / "driver"
        return os.readlink(link).rsplit("/", 1)[-1] if link.is_symlink() else "-"
