# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine of tests/fake in a directory, the real vfio-mode-apply on it, and what can be seen of it.

It is entered by chroot, so that apply takes it for the machine that runs it, with a systemd that is as small
as what apply asks of it (bin/systemctl).
"""

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUILD = Path(os.environ.get("VFIO_MODE_SWEEP", "/nowhere"))  # a build without sanitizers
MODECTL = BUILD / "daemon/vfio-modectl"
FAKE_MACHINE = BUILD / "tests/fake/fake-machine"
FAULT_AT = BUILD / "tests/sweep/fault-at"
ENTER = Path(__file__).resolve().parent / "enter"
NAMESPACE = ("unshare", "--map-root-user", "--mount")

FUNCTIONS = 4  # the graphics card with its audio function, a bridge, and a NIC
DRIVER = "nouveau"
PAGES = 8
STOPPED = "ollama.service"  # in the mode passthrough
MANAGER = "display-manager.service"  # which bin/systemctl knows to log alice in on the card's seat
BOB = 'UID=1001\nUSER=bob\nTYPE=x11\nCLASS=user\nSEAT=seat0\nSERVICE=login\nSTATE=active\nREMOTE=0\n'
PAGES_FILE = "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
TIMEOUT = 60

# Nothing of the caller's: what makes a service of the program would make it do more.
ENVIRONMENT = {"PATH": "/.bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
               "NOTIFY_SOCKET": "/.systemd/notify"}


@dataclass(frozen=True)
class Run:
    status: int  # of systemctl
    apply_status: int  # as the unit has it
    text: str  # in the journal
    notified: tuple[str, ...]  # STATUS=


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
    sessions: tuple[str, ...]  # user and seat of each
    keeps_manager_back: bool
    mode: str  # as /run/vfio-mode/status has it
    marks: tuple[str, ...]
    left_over: tuple[str, ...]  # undo log, temporary files
    units: tuple[str, ...]  # that are active, or on their way


def mode_unit(mode: str) -> str:
    return f"vfio-mode@{mode}.service"


def _received(listener: socket.socket) -> Iterator[str]:
    """The states that a unit's main process has told systemd."""
    while True:
        try:
            message = listener.recv(4096).decode()
        except BlockingIOError:
            return
        if message.startswith("STATUS="):
            yield message.removeprefix("STATUS=")


def parse_points(text: str) -> list[Point]:
    words = (line.split(" ", 3) for line in text.splitlines())
    return [Point(int(process), int(number), call, re.sub(r"\b\d+(?=\.tmp$|/stat$)", "PID", path))
            for process, number, call, path in words]


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        """In host mode, as it is after a switch to passthrough and back."""
        subprocess.run([FAKE_MACHINE, self.root, str(FUNCTIONS), DRIVER], check=True)
        with open(self.root / "etc/vfio-mode.ini", "a", encoding="utf-8") as config:
            config.write(f"hugepages-2M = {PAGES}\nstop-units = {STOPPED}\nend-sessions = yes\n")
        for directory in ("usr", "dev", ".build", ".bin", ".proc", ".systemd"):
            (self.root / directory).mkdir(exist_ok=True)
        for link in ("bin", "lib", "lib64"):
            (self.root / link).symlink_to(f"usr/{link}")
        (self.root / "dev/null").touch()
        self._write(f".systemd/{STOPPED}", "active\n")
        self._make_seats()
        for unit in (MANAGER, mode_unit("host"), mode_unit("passthrough"), mode_unit("host")):
            run = self.systemctl("start", unit)
            if run.status != 0:
                raise RuntimeError(run.text)

    def _make_seats(self) -> None:
        """The card has one of its own. On the other one is somebody who has nothing to do with it."""
        self._write("etc/passwd", "alice:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n")
        self._write("sys/bus/pci/devices/0000:01:00.0/drm/card0/dev", "226:0\n")
        self._write("run/udev/data/c226:0", "I:1\nE:ID_SEAT=seat-gpu\n")
        self._write("run/systemd/sessions/1", BOB)
        self._write("run/systemd/seats/seat0", "SESSIONS=1\nUIDS=1001\n")
        self._write(".systemd/.sessions", "1\n")
        self._write(".systemd/user@1001.service", "active\n")

    def copy(self, root: Path) -> "Machine":
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", self.root, root], check=True)
        return Machine(root)

    def systemctl(self, *arguments: str, by: tuple[str | Path, ...] = ()) -> Run:
        """In the machine, until nothing is queued any more."""
        notify = self.root / ".systemd/notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.setblocking(False)
            descriptor = os.open(notify.parent, os.O_PATH)
            listener.bind(f"/proc/self/fd/{descriptor}/{notify.name}")  # a short name for a long one
            os.close(descriptor)
            result = self.enter("/.bin/systemctl", *arguments, by=by)
            notified = tuple(_received(listener))
        unknown = self._read(".systemd/.unknown")
        if unknown:
            raise RuntimeError(f"bin/systemctl does not know: {unknown}")
        return Run(result.returncode, int(self._read(f".systemd/{arguments[-1]}.status") or 0),
                   result.stdout + result.stderr, notified)

    def enter(self, *command: str, by: tuple[str | Path, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*NAMESPACE, ENTER, self.root, BUILD, *by, "chroot", self.root, *command],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT, check=False)

    def traced(self, mode: str, order: str = "-", verb: str = "start") -> tuple[Run, list[Point]]:
        """The start of a mode (or what else) with one call that goes as ordered, and all points that it came by."""
        points = self.root.with_name(f"{self.root.name}.points")
        run = self.systemctl(verb, mode_unit(mode), by=(FAULT_AT, points, self.root, order, "vfio-mode-apply"))
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
        systemd = self.root / ".systemd"
        mode = re.search(r"^mode=(.*)$", status, re.MULTILINE)
        marks = run / "vfio"
        return Look(
            functions=tuple(
                f"{device.name} {self._driver(device)} "
                f"{self._read(device.relative_to(self.root) / 'driver_override').strip()}"
                for device in sorted(devices.iterdir())),
            pages=self._read(PAGES_FILE).strip(),
            sessions=tuple(sorted(self.sessions().values())),
            keeps_manager_back=(run / "screen-away").exists(),
            mode=mode[1] if mode else "",
            marks=tuple(sorted(mark.name for mark in marks.iterdir())) if marks.is_dir() else (),
            left_over=tuple(sorted(file.name for file in run.glob("*")
                                   if file.name == "undo" or file.name.endswith(".tmp"))),
            units=tuple(sorted(f"{unit.name} {state}" for unit in systemd.glob("*.service")
                               if (state := self._read(unit).strip()) not in ("failed", "inactive"))))

    def sessions(self) -> dict[str, str]:
        """User and seat of each, as logind has them."""
        found = {}
        for file in (self.root / "run/systemd/sessions").glob("[!.]*"):
            of = dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())
            found[file.name] = f"{of['USER']} {of['SEAT']}"
        return found

    def wronged_sessions(self) -> dict[str, str]:
        """Those that did not end of themselves before anything was taken."""
        wrongs = {what: self._read(f".systemd/.{what}").split() for what in ("killed", "robbed")}
        return {what: " ".join(ids) for what, ids in wrongs.items() if ids}

    def _write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def _read(self, path: str | Path) -> str:
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    @staticmethod
    def _driver(device: Path) -> str:
        link = device / "driver"
        return os.readlink(link).rsplit("/", 1)[-1] if link.is_symlink() else "-"
