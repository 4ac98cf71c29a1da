#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGKILL of the service during any method: nothing is half written, nothing is left over by the next
start, and the next call works.

At each of its writes, by tests/sweep/fault-at of the build that $VFIO_MODED is of; and at moments spread
over the call.
"""

import contextlib
import pathlib
import re
import time

import pytest
import wire
from rig import BOOT_RECORD, ONE_SHOT, PROGRAM, Rig, boot_record, send, until

FAULT_AT = pathlib.Path(PROGRAM).parents[1] / "tests/sweep/fault-at"
SERVICE, STATE = "run/vfio-moded", "var/lib/vfio-mode"
MINUTE = 60 * 1000 * 1000
ON_TRIAL = ("plain", {"confirm-within": wire.Variant("t", MINUTE)})
ARMED = ("passthrough", {})
METHODS = {
    "SwitchMode": ("sa{sv}", ON_TRIAL), "SetNextBoot": ("sa{sv}", ARMED), "SetDefault": ("sa{sv}", ARMED),
    "CancelNextBoot": ("", ()), "Confirm": ("", ()), "PlanSwitch": ("s", ("plain",)),
    "CheckMode": ("s", ("plain",)), "Describe": ("", ())}
WRITERS = ["SwitchMode", "SetNextBoot", "SetDefault", "CancelNextBoot", "Confirm"]
WRITES = {"openat-w", "write", "pwrite64", "renameat", "renameat2", "unlinkat", "fsync", "fdatasync"}
FORMS = {  # of what the service keeps from one start to the next
    "job": r"number=\d+\nmode=\w*\nback=\w*\nconfirm-within=\d+\nfor-vm=(yes|no)\n"
           r"result-inode=\d+\nresult-time=\d+\n",
    "trial": r"mode=plain\nback=host\nuntil=\d+\ndue=\d+\n",
    "request": r"(\w[\w-]*=.*\n)+", "announced": r"(host|plain)\n",
    "announced-fall": r"\d+\n"}
FORMS["trial.next"] = FORMS["trial"]


def record(mode: str, marker: str, unconfirmed: int) -> str:
    return boot_record(marker=marker, wanted=mode, mode=mode, unconfirmed=unconfirmed)


def begin(rig: Rig, member: str) -> None:
    """A machine where the method has all that it can write still to do."""
    for name in (*FORMS, "announced-boot"):
        (rig.root / SERVICE / name).unlink(missing_ok=True)
    (rig.root / "run/vfio-mode/result").unlink(missing_ok=True)
    rig.systemd.timers.clear()
    if member == "Confirm":
        mode, marker, block = "plain", "once.5.0", rig.block(5, "plain", left=0, arguments="panic=10")
    else:
        mode, marker, block = "host", "idle.5.0", rig.block(6, "plain", left=2, arguments="panic=10")
    rig.machine.state(mode, "", "boot", "default-mode names it")
    rig.machine.write("proc/cmdline", f"root=UUID=0b1c ro quiet vfio_mode={mode} vfio_mode.boot={marker}\n")
    rig.machine.write("boot/grub/vfio-mode/vfio-mode.env", block)
    rig.machine.write(STATE + "/boot", record(mode, marker, 0 if member == "Confirm" else 2))


def carried(rig: Rig) -> tuple:
    """What goes on to the next boot; not when that was said."""
    armed = rig.armed()
    there = (rig.root / STATE / "boot").read_text()
    values = dict(line.split("=", 1) for line in there.splitlines())
    assert there.endswith("\n") and values.keys() == BOOT_RECORD.keys(), there
    return (tuple(armed[key] for key in ("vfio_mode", "vfio_left", "vfio_keep", "vfio_args")),
            (values["confirmed"], values["unconfirmed"]))


def unfinished(rig: Rig) -> list[tuple[pathlib.Path, bool]]:
    """Temporary files, and whether their writers are there."""
    return [(path, pathlib.Path("/proc", path.name.split(".")[-2]).exists())
            for folder in (SERVICE, STATE, "run/vfio-mode") for path in (rig.root / folder).rglob("*.tmp")]


def left_over(rig: Rig) -> list[str]:
    return [path.name for path, is_written in unfinished(rig) if not is_written]


def look(rig: Rig) -> None:
    """When nobody writes any more, no file is in pieces."""
    until(lambda: not any(is_written for _, is_written in unfinished(rig)), what="the end of the child")
    for name, form in FORMS.items():
        path = rig.root / SERVICE / name
        assert not path.exists() or re.fullmatch(form, path.read_text()), f"{name}: {path.read_text()!r}"
    carried(rig)


def call(rig: Rig, member: str) -> None:
    signature, body = METHODS[member]
    rig.call(member, signature, *body)


def again(rig: Rig, member: str) -> None:
    """By the service that comes next."""
    assert rig.get("State") in ("idle", "switching")
    assert left_over(rig) == []
    until(lambda: rig.get("State") == "idle", 15, "the end of the switch")
    assert rig.get("CurrentMode") in ("host", "plain")
    call(rig, member)
    if member == "SwitchMode":
        until(lambda: rig.get("State") == "idle", 15, "the end of the switch")
        assert rig.get("CurrentMode") == "plain"
        assert (rig.root / SERVICE / "trial").exists()
        rig.call("Confirm")
        assert not (rig.root / SERVICE / "trial").exists()
    look(rig)
    assert left_over(rig) == []


# --- at each write ---


def trace(rig: Rig, order: str, member: str, is_called: bool = True) -> list[list[str]]:
    """A service that goes as ordered, and its calls that touch the machine."""
    points = rig.root.with_name("points")
    begin(rig, member)
    rig.start(by=(FAULT_AT, points, rig.root, order, "vfio-moded"))
    with contextlib.suppress(wire.Failed):
        if is_called:
            call(rig, member)
        until(lambda: rig.get("State") == "idle")
    with contextlib.suppress(wire.Failed):
        rig.kill()
    if rig.process:
        rig.process.wait(wire.LONG)
        rig.process = None
    return [line.split(" ", 3) for line in points.read_text().splitlines()]


def place_of(point: list[str]) -> tuple[str, str]:
    """The call and the file, whatever process its temporary name is of."""
    return point[2], re.sub(r"\d+", "N", point[3])


def kill_at(rig: Rig, member: str, points: list[list[str]], i: int) -> None:
    """A kill at that very one of the points, by its number among such calls of the process: how often a
    service waits is not the same each time.
    """
    process, _, name, path = points[i]
    number = sum(point[0] == process and point[2] == name for point in points[:i + 1])
    for _ in range(3):
        there = [point for point in trace(rig, f"{process}:{number}:{name} kill", member)
                 if point[0] == process and point[2] == name]
        if len(there) == number and place_of(there[-1]) == place_of(points[i]):
            return
    pytest.fail(f"{member}: not killed at {name} of {path}, but after {there[-1:]}")


@pytest.mark.parametrize("member", WRITERS)
def test_killed_at_each_write(bare, member):
    """The service with the child that writes for it, as systemd ends a unit whose main process is gone."""
    if not FAULT_AT.exists():
        pytest.skip("no fault-at in that build (it is of x86-64)")
    begin(bare, member)
    before = carried(bare)
    at_start = sum(process == "0" for process, *_ in trace(bare, "-", member, is_called=False))
    points = trace(bare, "-", member)
    after = carried(bare)
    writes = [i for i, (process, number, name, path) in enumerate(points)
              if name in WRITES and path not in ("socket", "pipe") and (process != "0" or int(number) > at_start)]
    assert len(writes) >= 3, points
    seen = set()
    for i in writes:
        where = f"{member} at {' '.join(points[i])}"
        kill_at(bare, member, points, i)
        look(bare)
        there = carried(bare)
        # The count is written after the block, which comes before it in each boot.
        assert there in (before, after, (after[0], before[1])), f"{where}: {there}"
        seen.add(there)
        bare.start()
        again(bare, member)
        assert member == "SwitchMode" or carried(bare) == after, where
        bare.stop()
    assert {before, after} <= seen


def test_killed_while_the_variable_is_deleted(bare):
    """A default is the block, the count and the EFI variable, which its unit writes last."""
    unit = "vfio-mode-one-shot@none.service"
    begin(bare, "SetDefault")
    bare.machine.write(ONE_SHOT, "\7\0\0\0plain")
    bare.systemd.held.add(unit)
    bare.activate(0)
    client = bare.connect()
    send(client, "SetDefault", "sa{sv}", *ARMED)
    until(lambda: unit in bare.systemd.jobs)
    bare.kill()
    assert carried(bare) == (("passthrough", "1", "1", "nosmt=force panic=10"), ("no", "0"))
    bare.systemd.held.clear()
    bare.systemd.finish(unit)
    call(bare, "SetDefault")
    assert bare.systemd.calls == [("StartUnit", unit)] * 2
    assert bare.get("NextBootKind") == "trial"


def test_what_killed_ones_left_is_swept(bare):
    """At the start, whoever wrote it; not what somebody writes now."""
    for path in ("job.999999999.tmp", "trial.next.999999999.tmp", "announced.1.tmp"):
        bare.machine.write(f"{SERVICE}/{path}", "number=")
    bare.machine.write(f"{STATE}/boot.999999999.tmp", "vfio-mode-boot=1\nboot-")
    bare.start()
    assert [(path.name, is_written) for path, is_written in unfinished(bare)] == [("announced.1.tmp", True)]


# --- at any moment ---


@pytest.mark.parametrize("member", METHODS)
def test_killed_during(bare, member):
    bare.activate(0)
    bare.client()
    for i in range(4):
        begin(bare, member)
        assert bare.get("FallbackMode") == "host"
        signature, body = METHODS[member]
        client = bare.bus.connect()
        send(client, member, signature, *body)
        time.sleep(i * i * 0.004)
        bare.kill()
        client.close()
        look(bare)
        again(bare, member)
        bare.kill()
