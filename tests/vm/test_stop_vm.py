# SPDX-License-Identifier: GPL-2.0-or-later
"""Leaving a mode with a guest on its GPU: the guest is ended first, in order as far as that goes, and the card
is never taken from under it. virsh and qm are stand-ins, which end the real QEMU by its monitor."""

import pytest

from machines import ini
from modectl import ask, status
from modes import AUDIO, GPU, HOST, INI, JOURNAL, NIC, active, drivers, look, properties
from pc import PC
from test_guest import GPU_GUEST, end_guest, hold_for_good, holds, start_guest
from test_holders import states

pytestmark = pytest.mark.machine("gpu")

SECONDS = 2
BLOCKED = 20  # after so many seconds the kernel's log has it; 120 by itself. A loaded host alone may take 5.
STOP_VM = ini() + f"stop-vm = {SECONDS}s\n"
MONITOR = " -monitor unix:/run/monitor,server=on,wait=off"
QUIT = """python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect("/run/monitor"); s.send(b"quit\\n")'"""
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(autouse=True)
def watch_blocked_tasks(pc: PC) -> None:
    pc.ok(f"echo {BLOCKED} > /proc/sys/kernel/hung_task_timeout_secs")


def gone(pc: PC, pid: str) -> bool:
    return pc.run(f"test -e /proc/{pid}").rc == 1


def check_returned(pc: PC, pid: str) -> None:
    """The guest has ended, the card is back, and the kernel never waited for one because of the other."""
    assert look(pc) == HOST
    assert gone(pc, pid)
    said = pc.ok("dmesg")
    assert "Relaying device request" not in said, said
    assert "blocked for more than" not in said, said


def log(pc: PC) -> str:
    return pc.ok(f"{JOURNAL} -u vfio-mode@host")


def write_service(pc: PC, stop: str) -> None:
    pc.write("/etc/systemd/system/guest.service", f"""
[Service]
Type=forking
PIDFile=/run/guest.pid
ExecStart={GPU_GUEST}{MONITOR}
ExecStop={stop}
TimeoutStopSec=infinity
""")
    pc.ok("systemctl daemon-reload")


@pytest.mark.parametrize("way", [
    "vfio-modectl switch host", "systemctl stop vfio-mode@passthrough",
    "systemctl start vfio-mode-fallback.service"])
def test_every_way_ends_a_guest(pc: PC, way: str) -> None:
    """A QEMU that belongs to nobody: the plan names it, and it goes by SIGTERM."""
    pc.ok("systemctl start vfio-mode@passthrough")
    pid = start_guest(pc, GPU_GUEST, GPU)
    if way.startswith("vfio-modectl"):
        steps = ask(pc, "switch host --dry-run")["steps"]
        assert (steps[0]["step"], steps[0]["object"]) == ("end-guest", pid)
        said = pc.ok("runuser -u nobody -- vfio-modectl switch host --dry-run")
        assert "end a process" in said and "qemu" not in said, said
        assert holds(pc, pid, GPU)
    pc.ok(way)
    check_returned(pc, pid)


def test_a_service_is_stopped(pc: PC) -> None:
    """A guest in a service of its own: its stop job ends it, and no signal."""
    write_service(pc, "/root/quit")
    pc.write("/root/quit", f"#!/bin/sh\n{QUIT}\ntimeout 60 tail --pid=$MAINPID -f /dev/null\n", 0o755)
    pc.ok("systemctl start vfio-mode@passthrough; systemctl start guest.service")
    pid = pc.read("/run/guest.pid").strip()
    assert holds(pc, pid, GPU)
    pc.ok("vfio-modectl switch host")
    check_returned(pc, pid)
    # Its stop job, which nobody waits for once the guest has ended, may still be looking for that.
    assert states(pc, "guest.service") == ["inactive"]
    assert properties(pc, "guest.service", "Result") == {"Result": "success"}
    assert "by stopping its unit" in log(pc)
    assert "Asking process" not in log(pc)


def check_guest_that_ignores_everything(pc: PC) -> None:
    pc.write(INI, STOP_VM)
    write_service(pc, "/bin/sh -c 'echo asked >> /run/asked; exec sleep infinity'")
    pc.ok("systemctl start vfio-mode@passthrough; systemctl start guest.service")
    pid = pc.read("/run/guest.pid").strip()
    pc.ok(f"kill -STOP {pid}")
    said = pc.ok("systemctl start --no-block vfio-mode@host\n"
                 "until systemctl show --value -p StatusText vfio-mode@host | grep '^Waiting for'; do :; done")
    status(pc)  # which waits for nobody
    assert f"Waiting for a guest of guest.service to end, which has the device; in {SECONDS} s" in said, said
    pc.ok("until [ -z \"$(systemctl list-jobs --no-legend 'vfio-mode@*')\" ]; do :; done", timeout=120)
    check_returned(pc, pid)
    assert pc.read("/run/asked") == "asked\n"
    assert log(pc).count("did not end when asked to; killing it") == 1


def test_a_guest_that_ignores_everything(pc: PC) -> None:
    """Its service's stop job never ends, and it is stopped, so that SIGTERM does not reach it: it is killed
    when its time is up, and meanwhile the status says who is waited for."""
    check_guest_that_ignores_everything(pc)


@pytest.mark.long
@pytest.mark.machine("gpu-bookworm")
def test_a_guest_that_ignores_everything_on_6_1(pc: PC) -> None:
    """The same on the kernel that has journald hang with a device that is waited for."""
    check_guest_that_ignores_everything(pc)


@pytest.mark.parametrize("scope, slice_, tool, asked", [
    (r"machine-qemu\x2d1\x2dwin.scope", "machine.slice", "virsh",
     f"--connect qemu:///system shutdown {UUID}"),
    ("100.scope", "qemu.slice", "qm", "shutdown 100 --timeout 60")])
def test_others_are_asked(pc: PC, scope: str, slice_: str, tool: str, asked: str) -> None:
    """A guest of libvirt or of Proxmox is shut down by that."""
    pc.write(f"/usr/local/bin/{tool}", f"#!/bin/sh\necho \"$@\" > /root/asked\n{QUIT}\n", 0o755)
    pc.ok("systemctl start vfio-mode@passthrough")
    pc.ok(f"systemd-run --quiet --scope --slice={slice_} --unit='{scope}' {GPU_GUEST}{MONITOR} -uuid {UUID}")
    pid = pc.read("/run/guest.pid").strip()
    assert holds(pc, pid, GPU)
    pc.ok("vfio-modectl switch host")
    check_returned(pc, pid)
    assert pc.read("/root/asked") == asked + "\n"
    assert "Asking process" not in log(pc)


def test_a_wrong_turn(pc: PC) -> None:
    """To mend the mode it is in, or to enter the first one, no guest is ended; the fallback unit ends it."""
    pc.ok("""
        systemctl start vfio-mode@passthrough
        systemctl start vfio-mode@host
        for function in 0 1; do
            address=0000:01:00.$function
            echo vfio-pci > /sys/bus/pci/devices/$address/driver_override
            echo $address > /sys/bus/pci/devices/$address/driver/unbind
            echo $address > /sys/bus/pci/drivers/vfio-pci/bind
        done
    """)
    pid = start_guest(pc, GPU_GUEST, GPU)
    said = pc.run("vfio-modectl switch host")
    assert (said.rc, f"process {pid} (qemu-system" in said.stderr) == (4, True), said.out
    assert holds(pc, pid, GPU)
    pc.ok("systemctl start vfio-mode-fallback.service")
    check_returned(pc, pid)


@pytest.mark.drawn("switches")
def test_what_a_guest_keeps_stays(pc: PC) -> None:
    """One of two devices is held by a process that is never ended (of PID 1's own unit): on the way back that one
    stays on vfio-pci, with its whole group, and the other returns. That is no success, and mended when it has gone."""
    home = {GPU: "bochs-drm", AUDIO: "snd_hda_intel", NIC: "e1000e"}
    pc.write(INI, ini(nic=NIC).replace("vfio-devices = gpu", "vfio-devices = nic gpu") + "stop-vm = 1s\n")
    for held in ([NIC], [GPU, AUDIO]):
        pc.ok("systemctl start vfio-mode@passthrough")
        pid = hold_for_good(pc, held[0])
        said = pc.run("vfio-modectl switch host")
        assert said.rc == 1, said.out
        assert f"{held[0]} is in use by process {pid} (sleep)" in said.stderr, said.out
        assert drivers(pc, *home) == [
            "vfio-pci" if address in held else driver for address, driver in home.items()]
        assert active(pc) == []
        assert pc.ok("vfio-modectl status --mode") == "none"
        refused = pc.run("vfio-modectl switch host")
        assert refused.rc == 4, refused.out  # there is nothing more to bring back
        end_guest(pc, pid)
        pc.ok("vfio-modectl switch host")
        assert drivers(pc, *home) == list(home.values())
        assert active(pc) == ["host"]
