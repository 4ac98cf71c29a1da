# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest on the GPU, or beside it: a QEMU in the emulated PC that holds real VFIO nodes."""

from pathlib import Path

import pytest

from machines import ini
from modectl import status
from modes import AUDIO, GPU, HOST, NIC, PASSTHROUGH, active, bindings, keep_journal, look, properties
from pc import PC

pytestmark = pytest.mark.machine("gpu")

SOURCE = Path(__file__).resolve().parents[2]

# Returns when the guest has its devices: QEMU goes to the background only then.
QEMU = ("qemu-system-x86_64 -accel tcg -nodefaults -display none -m 16 -S -daemonize "
        "-pidfile /run/guest.pid ")
GPU_GUEST = QEMU + "-device vfio-pci,host=01:00.0 -device vfio-pci,host=01:00.1"
NIC_GUEST = QEMU + "-device vfio-pci,host=02:00.0"


def start_guest(pc: PC, command: str, address: str) -> str:
    """Start a QEMU and see that it holds the node of the function's group; returns its PID."""
    pc.ok(command)
    pid = pc.read("/run/guest.pid").strip()
    assert holds(pc, pid, address)
    return pid


def holds(pc: PC, pid: str, address: str) -> bool:
    return f"/dev/vfio/{pc.group(address)}\n" in pc.run(f"readlink /proc/{pid}/fd/*").stdout


def hold_for_good(pc: PC, address: str) -> str:
    """Something that has its VFIO node and is never ended, being of PID 1's own unit; its process."""
    node = f"/dev/vfio/{pc.group(address)}"
    pc.ok(f"""
        setsid sh -c 'echo $$ > /sys/fs/cgroup/init.scope/cgroup.procs
            echo $$ > /run/holder; exec sleep infinity 0<> {node}' > /dev/null 2>&1 &
        until [ "$(readlink /proc/$(cat /run/holder)/fd/0)" = {node} ]; do :; done
    """)
    return pc.read("/run/holder").strip()


def end_guest(pc: PC, pid: str) -> None:
    """As a shutdown from inside would: it lets go of everything before it is gone."""
    pc.ok(f"kill {pid}; timeout 60 tail --pid={pid} -f /dev/null")


def test_a_guest_with_a_unit_is_ended_first(pc: PC) -> None:
    """A QEMU whose unit is bound to the mode: the switch ends it, then takes the GPU."""
    pc.write("/etc/systemd/system/guest.service", f"""
[Unit]
BindsTo=vfio-mode@passthrough.service
After=vfio-mode@passthrough.service

[Service]
Type=forking
PIDFile=/run/guest.pid
ExecStart={GPU_GUEST}
""")
    pc.ok("systemctl daemon-reload; systemctl start guest.service")
    pid = pc.read("/run/guest.pid").strip()
    assert look(pc) == PASSTHROUGH
    assert holds(pc, pid, GPU)
    pc.ok("vfio-modectl switch host")
    assert look(pc) == HOST
    assert pc.run(f"test -e /proc/{pid}").rc == 1
    assert "Relaying device request" not in pc.ok("dmesg")


@pytest.mark.drawn("switches")
def test_the_documented_unit(pc: PC) -> None:
    """As it stands in the man page: its start switches, the mode's stop stops it first, and when it fails the
    screen comes back, for that reason."""
    page = (SOURCE / "units/vfio-mode@.service.8").read_text(encoding="utf-8")
    unit = page.split(".Sh EXAMPLES\n")[1].split(".Bd -literal -offset indent\n")[1].split(".Ed\n")[0]
    command = GPU_GUEST.replace(" -daemonize", "")
    pc.write("/usr/local/bin/start-my-guest", f"#!/bin/sh\nexec {command}\n", 0o755)
    pc.write("/etc/systemd/system/guest.service", unit)
    until_it_has = "until readlink /proc/$(cat /run/guest.pid)/fd/* | grep -q /dev/vfio/.; do :; done 2> /dev/null"
    pc.ok(f"systemctl daemon-reload; systemctl start guest.service; {until_it_has}")
    assert look(pc) == PASSTHROUGH
    pc.ok("systemctl stop vfio-mode@passthrough")
    assert look(pc) == HOST
    assert properties(pc, "guest.service", "ActiveState", "Result") == {
        "ActiveState": "inactive", "Result": "success"}
    pc.ok(f"rm /run/guest.pid; systemctl start guest.service; {until_it_has}; kill -KILL $(cat /run/guest.pid)")
    pc.ok("until systemctl is-active --quiet vfio-mode@host; do :; done")
    assert look(pc) == HOST
    reason = status(pc)["reason"]
    assert reason == "guest.service has failed (signal)"
    # What a failure has led to is held, until somebody says that it is not.
    held = f"Mode 'host' is held since {pc.ok('date +%F').strip()} "
    assert pc.run("systemctl start guest.service").rc != 0
    said = pc.ok("vfio-modectl status")
    assert held in said and f"({reason})" in said, said
    assert active(pc) == ["host"] and pc.driver(GPU) == HOST.gpu
    assert status(pc)["last_switch"]["result"] == "held"
    assert pc.ok("busctl get-property org.vfiomode1 /org/vfiomode1 org.vfiomode1.Manager HeldBy") == f's "{reason}"'
    assert pc.run("vfio-modectl release; systemctl reset-failed; rm -f /run/guest.pid").rc == 0
    pc.ok(f"systemctl start guest.service; {until_it_has}")
    assert look(pc) == PASSTHROUGH
    pc.ok("vfio-modectl switch host")
    assert "Relaying device request" not in pc.ok("dmesg")


@pytest.mark.drawn("switches")
def test_a_guest_beside_the_gpu_is_not_disturbed(pc: PC) -> None:
    """A NIC that both modes have on vfio-pci, with a guest on it, through ten switches."""
    pc.write("/etc/vfio-mode.ini", ini(nic=NIC).replace(
        "[mode host]", "[mode host]\nvfio-devices = nic").replace(
        "vfio-devices = gpu", "vfio-devices = nic gpu"))
    pc.ok("vfio-modectl switch host")
    assert pc.driver(NIC) == "vfio-pci"
    pid = start_guest(pc, NIC_GUEST, NIC)
    before = bindings(pc, NIC)
    gpu_before = bindings(pc, GPU)
    pc.ok(f"""
        dmesg | grep {NIC} > /run/before
        for round in 1 2 3 4 5; do
            systemctl start vfio-mode@passthrough && systemctl start vfio-mode@host || exit 1
        done
        dmesg | grep {NIC} | diff /run/before -
    """, timeout=300)
    assert look(pc) == HOST
    assert bindings(pc, GPU) != gpu_before
    assert bindings(pc, NIC) == before
    assert holds(pc, pid, NIC)
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH
    assert bindings(pc, NIC) == before
    assert holds(pc, pid, NIC)


# Runs when nothing is left but systemd-shutdown: what it sees is what the machine is switched off with.
LAST_LOOK = f"""#!/bin/sh
for function in /sys/bus/pci/devices/{GPU[:-1]}*; do
    echo "last look: ${{function##*/}} $(basename "$(readlink "$function/driver")") end" > /dev/ttyS0
done
"""


@pytest.mark.drawn("switches")
def test_reboot_leaves_the_card_with_the_guest(pc: PC) -> None:
    """With a guest running, `systemctl reboot` moves nothing: no unit runs, both stay on vfio-pci."""
    pc.ok("mkdir -p /usr/lib/systemd/system-shutdown")
    pc.write("/usr/lib/systemd/system-shutdown/last-look", LAST_LOOK, mode=0o755)
    keep_journal(pc)
    pc.ok("systemctl start vfio-mode@passthrough")
    start_guest(pc, GPU_GUEST, GPU)
    assert look(pc) == PASSTHROUGH
    pc.ok("logger -t marker before-the-reboot; journalctl --sync")
    boot = pc.boot_id.replace("-", "")
    pc.hold_resets()
    pc.run("systemctl reboot &")
    for function in (GPU, AUDIO):
        pc.serial.expect(f"last look: {function} vfio-pci end")
    pc.after_reset()
    pc.wait_agent()
    pc.wait_up()
    log = pc.ok(f"journalctl --no-pager -o short-monotonic -b {boot}")
    after = log.partition("before-the-reboot")[2]
    assert "systemd-shutdown" in after or "reboot" in after.lower(), after
    assert "vfio-mode-apply" not in after, after
    assert "bochs" not in after, after
    assert look(pc) == HOST
