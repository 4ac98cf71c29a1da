# SPDX-License-Identifier: GPL-2.0-or-later
"""Every system call of a switch that touches the machine fails once, and at every one it is killed.

The real vfio-mode-apply on the fake machine and kernel of tests/fake, below a fake systemd, both ways:

    VFIO_MODE_SWEEP=build python3 -m pytest tests/sweep -s [--long] [--seed=N]

A call that fails leads to the old mode or to the new one, whole, and what is told is true. After a kill
the next command leads to the mode that it names.
"""

import os
import random
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine as machines
import pytest
from errnos import errnos, number
from machine import Look, Machine, Point, Run, mode_unit

OTHER = {"passthrough": "host", "host": "passthrough"}  # than the mode that is gone to
GUARD = "vfio-mode-guard@passthrough.service"
# Memory that stays away is no reason to keep a screen away: it is said, and the next switch sees to it.
KEPT_PAGES = "The hugepages of 2M cannot be given back"
REFUSAL = re.compile(r"^vfio-mode-apply: ([a-z-]+): (.+)$", re.MULTILINE)  # in the journal
# Of a refusal that what cannot be read may lead to.
EXIT_STATUS = {"failed": 21, "half-way": 21, "config-invalid": 23, "unknown-mode": 23, "busy": 24,
               "already-switching": 24, "not-found": 25, "no-iommu": 25, "group-not-viable": 25,
               "module-unavailable": 25, "conflicting-owner": 25, "drives-the-console": 26, "no-memory": 30}
KILLED = 128 + signal.SIGKILL
HERE = Path(__file__).resolve().parent
SAMPLE = 30  # points of each sweep and way; --long: every one


# --- the points ---


# What a call of strace's is about: a descriptor, a path from one or from the root, or a process.
_OTHERS = r"\.|usr/|lib/|lib64/|bin/|etc/ld\.so\."  # the system's, and the tests'
_PROCESS = r"(p?poll|inotify_init1|pipe2|socket|socketpair|clone3?|v?fork|wait4|execve)\("


def _is_point(call: str, root: str) -> bool:
    below = rf"{re.escape(root)}(/(?!{_OTHERS})[^>]*|>, \"(?!/|{_OTHERS}).*)"
    return bool(re.match(rf"\w+\(\d+<(?:socket:\[\d+\]|{below})", call)
                or re.match(r"\w+\((?!0<|1<|2<)\d+<(?:pipe:|anon_inode:\[?inotify)", call)
                or re.match(rf"\w+\((AT_FDCWD(<[^>]*>)?, )?\"/(?!\"|{_OTHERS})", call)
                or re.match(_PROCESS, call))


def seen_by_strace(machine: Machine, mode: str) -> int:
    """How many calls of an unharmed switch touch the machine, counted by somebody else."""
    output = machine.root.with_name("strace")
    run = machine.systemctl("start", mode_unit(mode), by=("strace", "-f", "-y", "-s", "0", "-o", output))
    assert run.status == 0, run.text
    lines = [line.split(maxsplit=1) for line in output.read_text(encoding="utf-8").splitlines()]
    # A child's first lines may come before the one that says whose it is.
    parents = {forked[1]: process for process, call in lines
               if (forked := re.match(r"(?:<\.\.\. )?(?:clone3?|v?fork)\b.*= (\d+)$", call))}
    ours: set[str] = set()
    others: set[str] = set()  # that have become another program
    inside: set[str] = set()  # that the fake kernel is at work in
    seen = 0
    for process, call in lines:
        if not ours:
            # From its own exec on, which is no call of its own.
            if re.match(r'execve\("[^"]*/vfio-mode-apply"', call):
                ours.add(process)
            continue
        if process not in ours and parents.get(process) in ours - others:
            ours.add(process)
        if process not in ours or process in others:
            continue
        if call.startswith("write(-1, "):
            (inside.discard if call.startswith('write(-1, "", 0') else inside.add)(process)
        elif process not in inside:
            seen += _is_point(call, str(machine.root))
        if call.startswith("execve("):
            others.add(process)
    return seen


def _until(point: Point, points: list[Point]) -> list[Point]:
    return [other for other in points if other.process == point.process][:point.number]


class Sweep:
    """A machine in each mode, and the points of a switch from one to the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.at: dict[str, Machine] = {"host": Machine(directory / "host")}
        self.at["host"].make()
        self.at["passthrough"] = self.at["host"].copy(directory / "passthrough")
        # Whoever wants the display manager there does not get it, and does when its screen is back.
        for unit in mode_unit("passthrough"), machines.MANAGER:
            assert self.at["passthrough"].systemctl("start", unit).status == 0
        self.whole: dict[str, Look] = {mode: machine.look() for mode, machine in self.at.items()}
        self.points: dict[str, list[Point]] = {}
        for mode in self.whole:
            run, self.points[mode] = self.fresh(mode).traced(mode)
            assert (run.status, self.look()) == (0, self.whole[mode]), run.text
            assert seen_by_strace(self.fresh(mode), mode) == len(self.points[mode])

    def fresh(self, mode: str) -> Machine:
        """A machine that has the switch to a mode before it."""
        return self.at[OTHER[mode]].copy(self.directory / "machine")

    def look(self) -> Look:
        return Machine(self.directory / "machine").look()

    def harm(self, mode: str, point: Point, action: str) -> tuple[Machine, Run]:
        """A switch to a mode with one point that goes wrong; until then all must be as ever."""
        machine = self.fresh(mode)
        run, points = machine.traced(mode, f"{point.process}:{point.number} {action}")
        assert _until(point, points) == _until(point, self.points[mode])
        return machine, run

    def recover(self, machine: Machine, mode: str) -> str:
        """What is wrong after the next command, whichever it is, and after one more."""
        copy = machine.copy(self.directory / "copy")
        lead = {"passthrough": mode_unit("passthrough"), "host": "vfio-mode-fallback.service"}
        for there, words, wanted in ((machine, ("reload-or-restart", mode_unit(mode)), mode),
                                     (machine, ("start", mode_unit(OTHER[mode])), OTHER[mode]),
                                     (copy, ("start", lead[OTHER[mode]]), OTHER[mode]),
                                     (copy, ("start", lead[mode]), mode)):
            run = there.systemctl(*words)
            if (run.status, there.look()) != (0, self.whole[wanted]):
                return f"then {' '.join(words)}: {differences(there, self.whole[wanted], run)}"
        return ""


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    if not machines.FAULT_AT.exists():
        pytest.skip("VFIO_MODE_SWEEP names no build directory with fault-at (of x86-64)")
    if subprocess.run([*machines.NAMESPACE, "true"], check=False).returncode != 0:
        pytest.skip("a mount namespace of one's own (unshare --map-root-user --mount) is refused here")
    # A machine for each switch is much to write to a disk.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Sweep(Path(directory))


# --- what is wrong ---


def differences(machine: Machine, wanted: Look, run: Run) -> str:
    look = machine.look()
    parts = [f"{name} is {getattr(look, name)}" for name in vars(look)
             if getattr(look, name) != getattr(wanted, name)]
    return f"status {run.status}; {'; '.join(parts) or 'as wanted'}\n    " + \
        "\n    ".join(run.text.splitlines())


def untold(mode: str, here: str, run: Run, last: dict[str, Any], is_deaf: bool) -> str:
    """What is not told, or not everywhere: the journal, the unit's status, and vfio-modectl's."""
    if run.status == 0:
        return "" if f"Mode '{mode}': " in run.text else "no sentence"
    said = REFUSAL.search(run.text)
    if not said:
        return "no reason"
    name, sentence = said.groups()
    wrongs = {
        f"the unit's exit status is {run.apply_status}": run.apply_status != EXIT_STATUS.get(name),
        f"the unit's status is {run.notified}": not is_deaf and sentence not in run.notified,
        # The old mode's unit may have run again since then.
        f"the last switch is {last}": (last["mode"], last["result"], last["text"]) != (mode, name, sentence)
                                      and (last["mode"], last["result"]) != (here, "none"),
    }
    return ", ".join(f"{wrong}, but it said: {said[0]}" for wrong, is_so in wrongs.items() if is_so)


def ended(machine: Machine, before: Machine, run: Run) -> str:
    """What is wrong with the end of sessions: each is told in the journal, and asked for."""
    untold = [f"the end of session {session} of {whose}" for session, whose in before.sessions().items()
              if session not in machine.sessions() and f": end session {session} of " not in run.text]
    return ", ".join([f"{what} is not told" for what in untold]
                     + [f"session {ids} was {what}" for what, ids in machine.wronged_sessions().items()])


def judge(sweep: Sweep, machine: Machine, mode: str, run: Run, is_deaf: bool = False) -> str:
    """What is wrong after a call has failed: "" where the machine is in a mode, and all say so. A systemd
    that is deaf cannot be told.
    """
    here = mode if run.status == 0 else OTHER[mode]
    look, told, whole = machine.look(), machine.status(), sweep.whole[here]
    drift = list(told.get("drift", ["nothing"]))
    if mode == "host" and look.pages != whole.pages and KEPT_PAGES in run.text:
        # Twice: then, and for as long as they are there.
        look = replace(look, pages=whole.pages)
        kept = [line for line in drift if "hugepages" in line]
        drift = [line for line in drift if line not in kept] if len(kept) == 1 else ["nothing of hugepages"]
    if look != whole:
        return differences(machine, whole, run)
    if (told.get("mode"), drift, told.get("half_way")) != (here, [], False):
        return f"status {run.status}, but it is told: {told}"
    wrong = (untold(mode, here, run, told["last_switch"], is_deaf)
             or ended(machine, sweep.at[OTHER[mode]], run))
    return f"status {run.status}: {wrong}" if wrong else ""


# --- the sweeps ---


class Draw:
    """Which points are run, and with which of the things that can happen there; --long: all."""

    def __init__(self, sweep: Sweep, request: pytest.FixtureRequest) -> None:
        self._sweep = sweep
        self._is_long = request.config.option.long
        self._seed = request.config.option.seed
        self._rng = random.Random(f"{self._seed} {request.node.name}")
        self._runs = self._points = 0
        self._failures: list[str] = []

    def points(self, modes: Iterable[str] = OTHER) -> Iterator[tuple[str, Point]]:
        """With the mode that is gone to."""
        for mode in modes:
            seen = self._sweep.points[mode]
            drawn = seen if self._is_long else self._rng.sample(seen, SAMPLE)
            for point in sorted(drawn, key=seen.index):
                self._points += 1
                yield mode, point

    def some(self, actions: tuple[str, ...]) -> tuple[str, ...]:
        return actions if self._is_long else (self._rng.choice(actions),)

    def note(self, mode: str, point: Point, action: str, wrong: str) -> None:
        self._runs += 1
        if wrong:
            self._failures.append(f"to {mode}, {point} {action}: {wrong}")
            print(self._failures[-1], flush=True)

    def conclude(self, what: str) -> None:
        seen = {mode: len(points) for mode, points in self._sweep.points.items()}
        print(f"\n{what} sweep (--seed={self._seed}): calls that strace saw {sum(seen.values())} {seen}, "
              f"points run {self._points} in {self._runs} switches, failures {len(self._failures)}")
        assert not self._failures


@pytest.mark.parametrize("asked", [("systemctl-behaviours", machines.STOPPED),
                                   ("session-behaviours", "alice", "seat-gpu")])
def test_the_fakes(sweep: Sweep, asked: tuple[str, ...]) -> None:
    """They do what the real ones do, which tests/vm (test_kill.py, test_sessions.py) asks the same."""
    machine = sweep.fresh("passthrough")
    result = machine.enter(f"/.bin/{asked[0]}", *asked[1:])
    assert (result.returncode, "not ok" in result.stdout) == (0, False), result.stdout + result.stderr


def test_each_call_can_fail() -> None:
    """Whatever is counted, here or in the emulated PC, has its errors, whether a switch makes that call today
    or not.
    """
    names = re.findall(r"(?:\{|case) SYS_(\w+)", "".join(
        file.read_text(encoding="utf-8") for file in (HERE / "fault-at.c", HERE.parent / "vm/scripts/kill-at.c")))
    assert len(names) > 60
    for name in names:
        assert len(errnos(name, "run/vfio-mode/status")) == 2


def test_a_call_fails(sweep: Sweep, request: pytest.FixtureRequest) -> None:
    draw = Draw(sweep, request)
    for mode, point in draw.points():
        for error in draw.some(errnos(point.call, point.path)):
            machine, run = sweep.harm(mode, point, str(number(error)))
            draw.note(mode, point, error,
                      judge(sweep, machine, mode, run) or sweep.recover(machine, mode))
    draw.conclude("fault")


def test_it_is_killed(sweep: Sweep, request: pytest.FixtureRequest) -> None:
    """All of it, or only the process that makes the call: without its writer, it goes on."""
    draw = Draw(sweep, request)
    for mode, point in draw.points():
        for action in draw.some(("kill", "kill-it")):
            machine, run = sweep.harm(mode, point, action)
            if action == "kill" or point.process == 0:
                wrong = "" if run.apply_status == KILLED else f"not killed: status {run.apply_status}"
            else:
                wrong = judge(sweep, machine, mode, run)
            draw.note(mode, point, action, wrong or sweep.recover(machine, mode))
    draw.conclude("kill")


def test_a_reload_is_killed(sweep: Sweep, request: pytest.FixtureRequest) -> None:
    """Its unit stays active, so that systemd does nothing; and yet all is as it was, or the screen is back."""
    machine = sweep.fresh("host")
    override = "sys/bus/pci/devices/0000:01:00.0/driver_override"
    (machine.root / override).write_text("(null)\n", encoding="utf-8")
    before = machine.copy(sweep.directory / "drifted")
    run, points = machine.traced("passthrough", verb="reload-or-restart")
    assert (run.status, machine.look()) == (0, sweep.whole["passthrough"]), run.text
    points = [point for point in points if point.process < 2]  # of it, and of its writer
    if not request.config.option.long:
        points = random.Random(request.config.option.seed).sample(points, SAMPLE)
    for point in points:
        machine = before.copy(sweep.directory / "machine")
        run, _ = machine.traced("passthrough", f"{point.process}:{point.number} kill", verb="reload-or-restart")
        assert run.apply_status == KILLED, f"{point}: status {run.apply_status}"
        look = machine.look()
        # Of the log that was about to be there.
        look = replace(look, left_over=tuple(name for name in look.left_over if not name.endswith(".tmp")))
        assert look in (before.look(), sweep.whole["host"], sweep.whole["passthrough"]), f"{point}: {run.text}"


def test_restarted_in_vain(sweep: Sweep) -> None:
    """Its unit was stopped, and its start came to nothing since that of another one did: the mode goes on."""
    machine = sweep.fresh("host")
    for unit in (mode_unit("passthrough"), GUARD):
        (machine.root / ".systemd" / unit).write_text("inactive\n", encoding="utf-8")
    run = machine.systemctl("start", f"vfio-mode-cut-short@{mode_unit('passthrough')}")
    assert (run.status, machine.look()) == (0, sweep.whole["passthrough"]), run.text


def test_killed_and_then_refused(sweep: Sweep, request: pytest.FixtureRequest) -> None:
    """What undoes the second switch undoes what was left of the first: the old mode is whole again."""
    draw = Draw(sweep, request)
    for mode, point in draw.points(["passthrough"]):
        machine, killed = sweep.harm(mode, point, "kill")
        (machine.root / ".fake-faults").write_text("bind 0000:01:00.0 vfio-pci * EBUSY\n", encoding="utf-8")
        run = machine.systemctl("start", mode_unit(mode))
        # Whose session ends was said by either.
        run = replace(run, text=killed.text + run.text)
        draw.note(mode, point, "kill", judge(sweep, machine, mode, run))
    draw.conclude("kill-and-fail")


def test_refused_with_no_mode_active(sweep: Sweep) -> None:
    """A switch that was killed may have stopped the old mode's unit: what is refused next, and for whatever
    reason, has it started again.
    """
    for id_there in ("nonsense", "10de:9999"):
        machine = sweep.fresh("passthrough")
        (machine.root / ".systemd" / mode_unit("host")).write_text("inactive\n", encoding="utf-8")
        config = machine.root / "etc/vfio-mode.ini"
        config.write_text(config.read_text(encoding="utf-8").replace("10de:2484", id_there), encoding="utf-8")
        run = machine.systemctl("start", mode_unit("passthrough"))
        assert run.status != 0 and f"{mode_unit('host')} active" in machine.look().units, run.text


APPLY = ("env", "FAKE_KERNEL_PROC=/.proc", "LD_PRELOAD=/.build/tests/fake/libfake-kernel.so",
         "/.build/daemon/vfio-mode-apply")
BOOT = (*APPLY, "boot")


def test_the_guard_of_a_mode_without_devices(sweep: Sweep) -> None:
    """It goes by what the mode had, and would go on with that."""
    machine = sweep.fresh("host")
    config = machine.root / "etc/vfio-mode.ini"
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub("^vfio-devices = .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    run = machine.systemctl("reload-or-restart", mode_unit("passthrough"))
    assert run.status == 0 and f"{GUARD} active" not in machine.look().units, run.text
    assert f"{mode_unit('passthrough')} active" in machine.look().units, run.text


def test_the_guard_after_a_soft_reboot(sweep: Sweep) -> None:
    """It is started again, whatever is in /etc by then; but not in a mode that is being left."""
    machine = sweep.fresh("host")
    whole = sweep.whole["passthrough"]
    (machine.root / ".systemd" / GUARD).write_text("inactive\n", encoding="utf-8")
    (machine.root / "etc/vfio-mode.ini").write_text("[mode\n", encoding="utf-8")
    said = machine.enter(*APPLY, "confirm")
    assert (said.returncode, machine.look()) == (0, whole), said.stderr
    (machine.root / ".systemd" / GUARD).write_text("inactive\n", encoding="utf-8")
    for state in "deactivating", "inactive":
        (machine.root / ".systemd" / mode_unit("passthrough")).write_text(f"{state}\n", encoding="utf-8")
        before = machine.look()
        said = machine.enter(*APPLY, "confirm")
        assert (said.returncode, machine.look()) == (0, before), said.stderr
    assert machine.systemctl("start", mode_unit("host")).status == 0
    said = machine.enter(*APPLY, "confirm")
    assert (said.returncode, machine.look()) == (0, sweep.whole["host"]), said.stderr


def test_boot_unit_once_more(sweep: Sweep) -> None:
    """Restarted in a machine that is up it moves nothing, wherever that is."""
    machine = sweep.fresh("passthrough")
    for path, text in (("proc/sys/kernel/random/boot_id", "6f2c1e0a-3b47-4d5e-9c11-0a8f7e6d5c4b\n"),
                       ("var/lib/vfio-mode/.keep", "")):
        (machine.root / path).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / path).write_text(text, encoding="utf-8")
    machine.enter(*BOOT)
    assert (machine.root / "var/lib/vfio-mode/boot").exists()
    assert machine.systemctl("start", mode_unit("passthrough")).status == 0
    before = machine.look()
    said = machine.enter(*BOOT)
    assert (said.returncode, machine.look()) == (0, before), said.stderr
