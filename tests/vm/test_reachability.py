# SPDX-License-Identifier: GPL-2.0-or-later
"""What the host needs does not leave it unasked: the default route, disks in use, the last keyboard.

Each refusal names the way to the function; with consent the switch is done, but a disk that the running
system needs never goes. The other layouts (RAID, LUKS, Open vSwitch, ...) are rows of
tests/unit/test-reachability-scan.c; here the kernel says where things hang.
"""

import pytest

import modectl
from machines import ini
from modectl import ask, status
from modes import INI, active, check_refused, check_tool_refused, drivers, overrides
from pc import PC
from test_guard import entries
from test_holders import main_pid, write_unit

NIC = "0000:02:00.0"
ROOT_DISK = "0000:00:10.0"  # pc.py's, with the ESP and the root file system
SPARE = "0000:03:00.0"  # what is plugged into the empty slot


def away(address: str, consent: str = "") -> str:
    """A configuration with a mode `away` that takes one function."""
    text = ini() + f"\n[device thing]\naddress = {address}\n"
    if consent:
        text += f"consent = {consent}\n"
    return text + "\n[mode away]\nvfio-devices = thing\n"


def plug(pc: PC, **device: str) -> None:
    """Into the empty slot; its bus is the one behind the first port without a device."""
    pc.qmp("device_add", id="plugged", bus="spare", **device)
    # Its driver's module is loaded by udev.
    pc.ok(f"udevadm wait --timeout=120 /sys/bus/pci/devices/{SPARE} && udevadm settle --timeout=120")


def switch_there_and_back(pc: PC, address: str, host_driver: str) -> None:
    pc.ok("vfio-modectl switch away")
    assert drivers(pc, address) == ["vfio-pci"]
    assert active(pc) == ["away"]
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, address) == [host_driver]
    assert overrides(pc) == {}


# ---- Network ----


@pytest.mark.machine("nic")
def test_default_route(pc: PC) -> None:
    """Refused in the same words by the tool, the unit, a dry run and the checks; done with consent."""
    name = pc.ok(f"ls /sys/bus/pci/devices/{NIC}/net")
    says = f"{name}, which carries the default route, is {NIC} of device 'thing'."
    pc.write(INI, away(NIC))
    check_refused(pc, "away", "would-cut-network", 6, says, "'network'")
    code, dry = modectl.run(pc, "switch away --dry-run")
    refusal = dry["refusal"]
    assert (code, refusal["name"], refusal["text"].startswith(says)) == (6, "would-cut-network", True)
    assert says in pc.run("vfio-modectl check away").out
    entry = entries(pc, "ed892804fcaa4daaabca82e8e3d3d82f")[-1]
    assert (entry["VFIO_MODE"], entry["VFIO_MODE_RESULT"]) == ("away", "would-cut-network") and says in entry["MESSAGE"]

    pc.write(INI, away(NIC, "network"))
    assert f"{NIC}: unbind from e1000e" in pc.ok("vfio-modectl switch away --dry-run")
    pc.ok("vfio-modectl switch away")
    # What is away already is not lost: no consent is needed to stay there.
    pc.write(INI, away(NIC))
    pc.ok("systemctl reload vfio-mode@away")
    assert drivers(pc, NIC) == ["vfio-pci"]
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, NIC) == ["e1000e"]
    assert overrides(pc) == {}


@pytest.mark.machine("nic")
def test_default_route_through_bridge_vlan_and_bond(pc: PC) -> None:
    name = pc.ok(f"ls /sys/bus/pci/devices/{NIC}/net")
    pc.ok(f"""
        ip link add bond0 type bond mode active-backup
        ip link set {name} down
        ip link set {name} master bond0
        ip link add link bond0 name bond0.7 type vlan id 7
        ip link add vmbr0 type bridge
        ip link set bond0.7 master vmbr0
        ip addr flush dev {name}
        ip addr add 192.0.2.15/24 dev vmbr0
        for link in {name} bond0 bond0.7 vmbr0; do ip link set $link up; done
        ip route replace default via 192.0.2.1 dev vmbr0
    """)
    pc.write(INI, away(NIC))
    check_tool_refused(pc, "away", "would-cut-network", 6,
                       f"{name}, which carries the default route through bond0, bond0.7 and vmbr0, is {NIC}")


@pytest.mark.machine("foreign-group")
def test_default_route_in_the_gpus_group(pc: PC) -> None:
    """A card that has to go with the GPU is one that the host needs: said, and done with consent."""
    gpu, nic = "0000:02:01.0", "0000:02:02.0"
    name = pc.ok(f"ls /sys/bus/pci/devices/{nic}/net")
    pc.ok(f"ip addr add 192.0.2.15/24 dev {name}; ip link set {name} up; "
          f"ip route replace default via 192.0.2.1 dev {name}")
    with_nic = f"address = {gpu}\nid = 1234:1111\nalso = {nic}"
    pc.write(INI, ini(with_nic))
    check_refused(pc, "passthrough", "would-cut-network", 6,
                  f"{name}, which carries the default route, is {nic} of device 'gpu'.", "'network'")
    pc.write(INI, ini(with_nic, consent="boot-vga network"))
    pc.ok("vfio-modectl switch passthrough")
    assert drivers(pc, gpu, nic) == ["vfio-pci", "vfio-pci"]
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, gpu, nic) == ["bochs-drm", "e1000"]
    assert overrides(pc) == {}


# ---- Storage ----


@pytest.mark.machine("gpu")
def test_root_disk(pc: PC) -> None:
    """No consent lets the root disk go."""
    for consent in ("", "storage", "boot-vga network storage input"):
        pc.write(INI, away(ROOT_DISK, consent))
        check_tool_refused(pc, "away", "would-cut-storage", 6, "vda2, which holds /, hangs below",
                           f"{ROOT_DISK} of device 'thing'", "no consent")
    check_refused(pc, "away", "would-cut-storage", 6, "vda2, which holds /,")


@pytest.mark.cold("gpu", extra="vfio_mode=away", files={INI: away(ROOT_DISK, "storage")})
def test_root_disk_at_boot(pc: PC) -> None:
    """A boot goes to the fallback mode rather than to end without its root."""
    boot = status(pc)["last_boot"]
    assert (boot["result"], boot["mode"]) == ("would-cut-storage", "host")
    assert "vda2, which holds /, hangs below" in boot["text"]
    assert active(pc) == ["host"]


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_mounted_disk(pc: PC) -> None:
    """A disk that is only mounted goes with consent, or when it is not in use any more."""
    disk = pc.directory / "data.raw"
    disk.write_bytes(b"")
    with open(disk, "r+b") as file:
        file.truncate(64 << 20)
    pc.qmp("blockdev-add", **{"driver": "file", "node-name": "data", "filename": str(disk)})
    plug(pc, driver="virtio-blk-pci", drive="data")
    pc.ok("""
        udevadm wait --timeout=120 /dev/vdb
        mke2fs -q /dev/vdb
        mount /dev/vdb /mnt
    """)
    pc.write(INI, away(SPARE))
    says = f"vdb, which holds /mnt, hangs below {SPARE} of device 'thing'."
    check_refused(pc, "away", "would-cut-storage", 6, says, "'storage'")
    # A mount below /home is hidden from the sandbox of the unit, but not from its question.
    pc.ok("umount /mnt; mkdir -p /home/data; mount /dev/vdb /home/data")
    check_refused(pc, "away", "would-cut-storage", 6, "vdb, which holds /home/data,")
    pc.ok("umount /home/data; mkswap -q /dev/vdb; swapon /dev/vdb")
    pc.write(INI, away(SPARE, "storage"))
    check_refused(pc, "away", "would-cut-storage", 6, "vdb, which holds swap,", "no consent")
    pc.ok("swapoff /dev/vdb; mke2fs -q -F /dev/vdb; mount /dev/vdb /mnt")
    switch_there_and_back(pc, SPARE, "virtio-pci")
    pc.ok("umount /mnt; udevadm settle")
    pc.write(INI, away(SPARE))
    switch_there_and_back(pc, SPARE, "virtio-pci")


# ---- Keyboards ----

def wait_for_keyboard(pc: PC) -> None:
    """The hub behind the controller tells of it some time after the controller's driver is bound."""
    pc.ok("timeout 120 sh -c 'until grep -q \"QEMU USB Keyboard\" /proc/bus/input/devices; "
          "do udevadm settle; done'")


NO_PS2 = """
for port in /sys/bus/serio/devices/serio*; do echo -n none > $port/drvctl; done
"""


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_last_keyboard(pc: PC) -> None:
    """The only keyboard is at a USB controller; one at the PS/2 port is another, until it is gone. Who has
    the keyboard's hidraw open is a holder."""
    plug(pc, driver="qemu-xhci")
    pc.qmp("device_add", driver="usb-kbd", id="keyboard", bus="plugged.0")
    wait_for_keyboard(pc)
    pc.ok("grep -q 'AT Translated Set 2 keyboard' /proc/bus/input/devices")
    pc.write(INI, away(SPARE))
    pc.ok("udevadm wait --timeout=120 /dev/hidraw0")
    write_unit(pc, "remapper", "/dev/hidraw0")
    remapper = main_pid(pc, "remapper")
    check_tool_refused(pc, "away", "busy", 4,
                       f"{SPARE} is in use by process {remapper} (sleep) of remapper.service.")
    pc.ok("systemctl stop remapper")
    switch_there_and_back(pc, SPARE, "xhci_hcd")
    wait_for_keyboard(pc)
    pc.ok(NO_PS2)
    check_refused(pc, "away", "would-cut-input", 6, "The keyboard 'QEMU QEMU USB Keyboard' hangs below",
                  f"{SPARE} of device 'thing', and no other keyboard would be left", "'input'")
    pc.write(INI, away(SPARE, "input"))
    switch_there_and_back(pc, SPARE, "xhci_hcd")


# ---- The ways back ----


def ssh(pc: PC, mode: str) -> tuple[bool, str]:
    """What a plan says of that way."""
    ways = ask(pc, f"switch {mode} --dry-run")["ways_back"]
    (way,) = [way for way in ways if way["id"] == "ssh"]
    return way["open"], way["text"]


@pytest.mark.machine("nic")
def test_ways_back(pc: PC) -> None:
    """Of SSH: through a card that stays, that goes, that is a virtual machine's; and where it is told."""
    name = pc.ok(f"ls /sys/bus/pci/devices/{NIC}/net")
    stays = f"SSH: {name}, which carries the default route, stays with the host."
    pc.write(INI, away(NIC, "network"))
    assert ssh(pc, "passthrough") == (False, "No SSH server runs.")
    # As good as one, as far as is looked.
    pc.ok("systemd-run --quiet --unit=ssh.service sleep infinity")
    assert ssh(pc, "passthrough") == (True, stays)
    assert ssh(pc, "away") == (
        False, f"SSH: {name}, which carries the default route, goes with the mode, and this way with it.")
    pc.ok("vfio-modectl switch passthrough")
    assert stays in pc.ok("vfio-modectl status")
    told = status(pc)["ways_back"]
    assert [way["id"] for way in told] == ["boot-menu", "power-button", "ssh", "serial-console", "trial"]
    assert (told[2]["open"], told[2]["text"]) == (True, stays)
    checks = ask(pc, "check passthrough")["checks"]
    assert [check["result"] for check in checks if check["id"] == "way-back-ssh"] == ["pass"]
    pc.ok("""
        ip route del default
        ip link add vmbr0 type bridge && ip tuntap add tap100i0 mode tap
        ip link set tap100i0 master vmbr0 up && ip link set vmbr0 up
        ip address add 192.0.2.1/24 dev vmbr0 && ip route add default via 192.0.2.2 dev vmbr0
    """)
    assert ssh(pc, "passthrough") == (
        False, "SSH: tap100i0, which carries the default route through vmbr0, has a virtual machine behind it, and "
               "there is no card of the host's beside: when that is gone, so is this way.")
    # Also before the first switch.
    pc.ok("vfio-modectl switch host")
    said = pc.ok("vfio-modectl status")
    assert "Ways back: from passthrough" in said and "SSH: tap100i0" in said, said
