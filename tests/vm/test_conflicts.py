# SPDX-License-Identifier: GPL-2.0-or-later
"""Other owners of the card: refused where both would move it, said by `check` where not, and never an
obstacle on the way back.
"""

import pytest

from modectl import ask
from modes import INI, active, check_refused, drivers, overrides
from pc import PC
from test_replug import BY_HAND

GPU, AUDIO = "0000:01:00.0", "0000:01:00.1"
DRIVERCTL = f"/etc/driverctl.d/pci-{GPU}"


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_conflicting_owner(pc: PC) -> None:
    """What driverctl pins is refused on the way in, and comes back all the same."""
    pc.ok("systemctl start vfio-mode@passthrough; mkdir -p /etc/driverctl.d")
    pc.write(DRIVERCTL, "vfio-pci\n")
    pc.ok("systemctl start vfio-mode@host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    check_refused(pc, "passthrough", "conflicting-owner", 5, GPU, DRIVERCTL, f"rm /etc/driverctl.d/pci-{GPU}")
    pc.ok(f"rm {DRIVERCTL}; systemctl start vfio-mode@passthrough")
    assert active(pc) == ["passthrough"]


def check_rows(pc: PC, name: str) -> list[dict]:
    """The rows of one check."""
    return [row for row in ask(pc, "check passthrough")["checks"] if row["id"] == name]


@pytest.mark.machine("gpu")
def test_modprobe_configuration(pc: PC) -> None:
    """ids, soft dependencies and blacklists are warnings; a blacklisted driver is loaded on the way back."""
    pc.write("/etc/modprobe.d/people.conf",
             "options vfio-pci ids=8086:0000,1234:1111 disable_vga=1\n"
             "options pci-stub ids=1234:1111\nsoftdep bochs pre: vfio-pci\nblacklist bochs\n")
    said = check_rows(pc, "owner")
    assert {row["result"] for row in said} == {"warn"}
    text = " ".join(row["message"] for row in said)
    for driver in ("vfio-pci", "pci-stub"):
        assert f"{driver} is told to take every 1234:1111" in text
    assert "loads vfio-pci before bochs" in text
    assert AUDIO not in text
    [driver] = check_rows(pc, "host-driver-gpu")
    assert driver["result"] == "warn" and f"Every host driver of {GPU} is blacklisted" in driver["message"]
    pc.ok("systemctl start vfio-mode@passthrough; modprobe -r bochs")
    assert "loads vfio-pci before bochs" in str(ask(pc, "check passthrough"))
    pc.ok("systemctl start vfio-mode@host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert "bochs-drm" in pc.read("/proc/fb")
    pc.write("/etc/modprobe.d/people.conf", "install bochs /bin/false\n")
    said = check_rows(pc, "host-driver-gpu")
    assert [row["result"] for row in said] == ["warn"] and f"No driver of {GPU} can be loaded" in said[0]["message"]
    pc.write("/etc/modprobe.d/people.conf", "alias pci:v00001234d00001111sv*sd*bc*sc*i* vfio-pci\n")
    [driver] = check_rows(pc, "host-driver-gpu")
    assert driver["result"] == "warn" and f"An alias in modprobe.d names vfio-pci or pci-stub for {GPU}" in driver["message"]
    pc.ok("systemctl start vfio-mode@passthrough; modprobe -r bochs; systemctl start vfio-mode@host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    pc.ok("rm /etc/modprobe.d/people.conf")
    assert [row["result"] for row in check_rows(pc, "host-driver-gpu")] == ["pass"]


@pytest.mark.machine("gpu")
def test_guests(pc: PC) -> None:
    """Who names the card; and that the next boot refuses the one that starts with it, unless it may switch."""
    [row] = check_rows(pc, "guests")
    assert (row["result"], row["message"]) == ("pass", "No guest that is defined here names its devices.")
    pc.ok("mkdir -p /etc/pve/qemu-server")
    pc.write("/etc/pve/qemu-server/100.conf", "onboot: 1\nhostpci0: 01:00,pcie=1\n")
    [row] = check_rows(pc, "guests")
    assert row["result"] == "warn" and "'100' of Proxmox VE starts with the machine" in row["message"], row
    assert "qm set 100 --onboot 0" in row["advice"]
    pc.ok(f"echo 'switch-for-vm = yes' >> {INI}")
    [row] = check_rows(pc, "guests")
    assert row["result"] == "pass" and "'100' (starts with the machine)" in row["message"], row


@pytest.mark.machine("gpu")
def test_ids_on_the_command_line(pc: PC) -> None:
    """Said as those of modprobe.d; and what a libvirt hook moves is said by a preview, too."""
    pc.ok("""
        sed 's/$/ vfio-pci.ids=8086:0000,1234:1111/' /proc/cmdline > /root/cmdline
        mount --bind /root/cmdline /proc/cmdline
        mkdir -p /etc/libvirt/hooks/qemu.d/win10/prepare/begin
        echo modprobe -r bochs-drm > /etc/libvirt/hooks/qemu.d/win10/prepare/begin/start.sh
    """)
    answer = ask(pc, "check passthrough")
    text = " ".join(row["message"] for row in answer["checks"] if row["id"] == "owner")
    assert "take every 1234:1111" in text
    assert AUDIO not in text
    said = pc.ok("vfio-modectl switch passthrough --dry-run")
    assert "begin/start.sh loads or unloads bochs-drm, a driver of 0000:01:00.0" in said, said


@pytest.mark.machine("gpu")
def test_blacklisted_for_another(pc: PC) -> None:
    """Of two modules for a card, as nouveau beside nvidia, the blacklisted one is not loaded, though nobody
    knows what the card was on before.
    """
    alias = "alias pci:v00001234d00001111sv*sd*bc*sc*i*"
    pc.write("/etc/modprobe.d/people.conf",
             f"{alias} other\n{alias} bochs\ninstall other touch /root/other\nblacklist other\n")
    pc.ok(f"{BY_HAND}modprobe -r bochs; vfio-modectl switch host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert pc.run("test -e /root/other").rc == 1


@pytest.mark.machine("gpu")
def test_pci_stub(pc: PC) -> None:
    """What pci-stub was told to take is not at home there."""
    pc.ok(f"{BY_HAND}modprobe pci-stub; echo 1234 1111 > /sys/bus/pci/drivers/pci-stub/new_id; "
          f"cd /sys/bus/pci/devices/{GPU}; echo > driver_override; echo {GPU} > driver/unbind; "
          f"echo {GPU} > /sys/bus/pci/drivers/pci-stub/bind; vfio-modectl switch passthrough")
    assert drivers(pc, GPU, AUDIO) == ["vfio-pci", "vfio-pci"]
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert overrides(pc) == {}


@pytest.mark.long
@pytest.mark.machine("gpu")
def test_ids_at_boot(pc: PC) -> None:
    """A host that loads vfio-pci early and gives it every such card, as guides have people do, still has
    its screen in host mode, and after passthrough.
    """
    pc.write("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=1234:1111,8086:2668\n")
    pc.write("/etc/modules-load.d/vfio.conf", "vfio-pci\n")
    pc.reboot()
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"], pc.ok("journalctl -b | grep vfio")
    assert active(pc) == ["host"]
    pc.ok("systemctl start vfio-mode@passthrough; systemctl start vfio-mode@host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert "bochs-drm" in pc.read("/proc/fb")
