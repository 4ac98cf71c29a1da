# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of Proxmox VE on the graphics card: its hookscript as it is installed, called as qm(1) calls one, around a
real QEMU. There is no Proxmox VE here; what it hands over is the number of the guest and a phase, and the guest's file
lies where it has it."""

import pytest

from machines import ini
from modectl import status
from modes import HOST, INI, NIC, PASSTHROUGH, look
from pc import PC
from test_guard import FELL_BACK, KNOWS, UNTIL_HOST, check_told_alike, entries, until_phase, watch
from test_guest import GPU_GUEST, end_guest, start_guest

pytestmark = [pytest.mark.drawn("vms"), pytest.mark.machine("gpu")]

HOOK = "/usr/share/vfio-mode/hooks/proxmox"
GPU = "0000:01:00.0"
SECONDS = 20
# Time enough on a busy machine; a scenario that is about it has less.
KEYS = "switch-for-vm = yes\non-vm-exit = fallback\nvm-exit-grace = 20s\nexpect-vm = 5min\n"


@pytest.fixture(autouse=True)
def guest_100(pc: PC) -> None:
    """A guest by a mapping, and one that is given nothing of the host."""
    pc.write(INI, ini() + KEYS)
    pc.ok("mkdir -p /etc/pve/qemu-server /etc/pve/mapping")
    pc.write("/etc/pve/qemu-server/100.conf",
             "boot: order=scsi0\nhostpci0: mapping=gaming,pcie=1,x-vga=1,driver=keep\nname: win\n"
             f"[before]\nhostpci0: {NIC}\n")
    pc.write("/etc/pve/qemu-server/101.conf", "name: other\n")
    pc.ok("""printf 'gaming\\n\\tmap id=1234:1111,node=%s,path=0000:01:00\\n' "$(uname -n)" > /etc/pve/mapping/pci.cfg""")


def start(pc: PC) -> str:
    pc.ok(f"{HOOK} 100 pre-start", timeout=60)
    pid = start_guest(pc, GPU_GUEST, GPU)
    pc.ok(f"{HOOK} 100 post-start")
    until_phase(pc, "there")
    return pid


def stop(pc: PC, pid: str) -> None:
    pc.ok(f"{HOOK} 100 pre-stop")
    end_guest(pc, pid)
    pc.ok(f"{HOOK} 100 post-stop")


def test_all_phases(pc: PC) -> None:
    """Also of a guest that is restarted at once, which does not bounce the card."""
    pc.ok(f"{HOOK} 101 pre-start; {HOOK} 101 post-stop")
    assert look(pc) == HOST
    pid = start(pc)
    assert look(pc) == PASSTHROUGH
    assert status(pc)["reason"] == "for the start of virtual machine '100'"
    since = status(pc)["since"]
    stop(pc, pid)
    pid = start(pc)
    assert (look(pc), status(pc)["since"]) == (PASSTHROUGH, since)
    stop(pc, pid)
    pc.ok(UNTIL_HOST)
    assert look(pc) == HOST
    there = status(pc)
    assert (there["source"], there["held"]) == ("vm-exit", None)
    assert not entries(pc, FELL_BACK)


def test_a_start_that_dies_after_pre_start(pc: PC) -> None:
    """Of which a hookscript is told nothing."""
    pc.write(INI, ini() + KEYS.replace("5min", f"{SECONDS}s"))
    watch(pc)
    pc.ok(f"{HOOK} 100 pre-start", timeout=60)
    assert look(pc) == PASSTHROUGH
    pc.ok(UNTIL_HOST)
    assert look(pc) == HOST
    there = status(pc)
    assert there["held"]["reason"] == there["reason"] == f"VM '100' has not opened gpu within {SECONDS} s"
    refused = pc.run(f"{HOOK} 100 pre-start")
    assert refused.rc == 11 and refused.out.count("\n") == 1 and "vfio-modectl release" in refused.out, refused


@pytest.mark.parametrize("asked", [False, True], ids=["killed", "stopped"])
def test_a_guest_that_ends_at_once(pc: PC, asked: bool) -> None:
    """It has failed to start, unless somebody has asked for its end."""
    if asked:
        stop(pc, start(pc))
    else:  # Soon enough to count, which a QEMU under emulation may not be: ten seconds.
        pc.ok(f"{HOOK} 100 pre-start; exec 3<> /dev/vfio/{pc.group(GPU)}; sleep infinity & exec 3>&-; "
              f"until grep -q phase=there {KNOWS}; do :; done; kill -KILL $!; {HOOK} 100 post-stop", timeout=60)
    pc.ok(UNTIL_HOST)
    assert look(pc) == HOST
    there = status(pc)
    if asked:
        assert (there["source"], there["held"], len(entries(pc, FELL_BACK))) == ("vm-exit", None, 0)
    else:
        assert (there["source"], there["reason"]) == ("fallback", "VM '100' that had opened gpu has ended within 10 s")
    check_told_alike(pc, there)


def test_what_cannot_be_read(pc: PC) -> None:
    """Says so, and does not let the guest start: nobody knows what it would take."""
    pc.write("/etc/pve/qemu-server/100.conf", "hostpci0: 01:00.0,pcie=1;\nhostpci1: x\n")
    for wrong in ("100 pre-start", "102 pre-start", "100", "../100 pre-start", "100 pre-start more"):
        refused = pc.run(f"{HOOK} {wrong}")
        assert refused.rc != 0 and refused.out.startswith("vfio-modectl: "), (wrong, refused)
    pc.ok(f"{HOOK} 100 something-new; {HOOK} 102 post-start")
    assert look(pc) == HOST
