# SPDX-License-Identifier: GPL-2.0-or-later
"""The GPU's drivers are in the initramfs, and so is vfio-mode's part, put there by Debian's own tools.

Both ways to a driver are open there: udev finds its module, and it is in the list of what is loaded anyway.
"""

import pytest

from machines import ini
from modectl import checks
from modes import AUDIO, GPU, INI, NIC, active, drivers, overrides
from pc import PC
from test_boot import (
    BOOT,
    check_host,
    check_host_drivers_never_bound,
    check_host_instead,
    check_passthrough,
    journal,
)

KEPT = "Host drivers are kept off 2 functions for mode 'passthrough'"
SYSTEMD = "running in system mode"  # what it says first
DRACUT = {"initrd": "/boot/initrd-dracut.img"}


def in_initramfs(log: str, words: str) -> bool:
    """The journal has it before the root file system's words."""
    return words in log and log.index(words) < log.index("mounted filesystem")


def check_row(pc: PC) -> tuple[str, str]:
    """The check `initramfs` of the mode: its result, message and advice."""
    row = next(row for row in checks(pc) if row["id"] == "initramfs")
    return row["result"], f"{row['message']} {row.get('advice', '')}"


def check_both_modes(pc: PC, tool: str, renew: str) -> None:
    """A boot to passthrough that the drivers never see, one to the host that has its picture early, and one to
    passthrough by an EFI variable."""
    assert pc.state == "running"
    check_passthrough(pc)
    check_host_drivers_never_bound(pc)
    assert in_initramfs(journal(pc), KEPT)
    assert "bochs" in pc.ok("lsmod")  # loaded all the same, and bound to nothing
    said = journal(pc, "-u", BOOT)
    assert f"{GPU}: set driver_override to vfio-pci" in said
    assert f"{GPU}: unbind" not in said
    assert check_row(pc)[0] == "pass"

    pc.write(INI, pc.read(INI) + "# changed\n")
    pc.ok(f"find /var/lib/vfio-mode/initramfs -type f ! -name '{tool}-*' -delete")
    result, words = check_row(pc)
    assert (result, f"Run {renew}." in words) == ("warn", True), words

    pc.ok("grub-editenv /boot/grub/grubenv unset extra; sync")
    pc.reboot()
    assert pc.state == "running"
    check_host(pc)
    assert active(pc) == ["host"]
    log = journal(pc)
    assert in_initramfs(log, "[drm] Initialized bochs")
    assert in_initramfs(log, "fb0: bochs-drmdrmfb frame buffer device")
    assert KEPT not in log
    assert "unbind" not in journal(pc, "-u", BOOT)

    # The EFI variable, which GRUB knows nothing of, is seen there, and taken only by the boot unit.
    pc.ok("systemctl start vfio-mode-one-shot@passthrough.service; sync")
    pc.reboot()
    check_passthrough(pc)
    check_host_drivers_never_bound(pc)
    assert in_initramfs(journal(pc), KEPT)
    assert "EFI variable" in journal(pc, "-u", BOOT)
    assert pc.run("ls /sys/firmware/efi/efivars/VfioModeOneShot-*").rc != 0


@pytest.mark.drawn("hooks")
@pytest.mark.cold("gpu-hooks", extra="vfio_mode=passthrough")
def test_initramfs_tools(pc: PC) -> None:
    check_both_modes(pc, "initramfs-tools", "update-initramfs -u -k all")


@pytest.mark.drawn("hooks")
@pytest.mark.cold("gpu-hooks", extra="vfio_mode=passthrough", grub=DRACUT)
def test_dracut(pc: PC) -> None:
    check_both_modes(pc, "dracut", "dracut --force --regenerate-all")
    assert in_initramfs(journal(pc), SYSTEMD)


@pytest.mark.drawn("hooks")
@pytest.mark.cold("gpu-hooks-bookworm", extra="vfio_mode=passthrough")
def test_bookworm(pc: PC) -> None:
    check_both_modes(pc, "initramfs-tools", "update-initramfs -u -k all")


@pytest.mark.drawn("hooks")
@pytest.mark.cold("gpu-hooks", extra="vfio_mode=passthrough", files={INI: ini() + "vfio-devcies = gpu\n"})
def test_boot_unit_decides_otherwise(pc: PC) -> None:
    """The image has an older configuration, with which nothing is wrong; that of the system cannot be read,
    then refuses, then knows of no such device, then is gone. The host's drivers come back each time, though they were
    loaded long before.
    """
    assert pc.state == "degraded"
    check_host(pc)
    assert active(pc) == []
    assert f"{INI}:" in pc.ok("vfio-modectl status")
    log = journal(pc)
    assert in_initramfs(log, KEPT)
    assert not in_initramfs(log, "[drm] Initialized bochs")
    let_go = "which the initramfs kept from host drivers, is not this mode's; it was let go"
    assert f"{GPU}, {let_go}" in journal(pc, "-u", BOOT)

    pc.write(INI, ini(consent=""))
    pc.ok("sync")
    pc.reboot()
    check_host_instead(pc, "drives-the-console", GPU, "consent = boot-vga")
    assert in_initramfs(journal(pc), KEPT)

    pc.write(INI, ini(f"address = {NIC}", consent=""))
    pc.ok("sync")
    pc.reboot()
    assert pc.state == "running"
    assert drivers(pc, GPU, AUDIO, NIC) == ["bochs-drm", "snd_hda_intel", "vfio-pci"]
    assert overrides(pc) == {NIC: "vfio-pci"}
    assert f"{GPU}, {let_go}" in journal(pc, "-u", BOOT)

    # Without a configuration the unit runs for what the initramfs has left in /run.
    pc.ok(f"rm -r {INI} /var/lib/vfio-mode/initramfs; sync")
    pc.reboot()
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert overrides(pc) == {}
    assert pc.run("test -e /run/vfio-mode/initramfs-kept").rc == 0
    assert f"{GPU}, {let_go}" in journal(pc, "-u", BOOT)


@pytest.mark.drawn("hooks")
@pytest.mark.long
@pytest.mark.cold("gpu-hooks")
def test_image_is_made_anew(pc: PC) -> None:
    """What the advice says, in the machine itself; of one that dracut makes it would be another."""
    pc.ok("rm /var/lib/vfio-mode/initramfs/dracut-*")
    assert check_row(pc)[0] == "pass"
    pc.write(INI, pc.read(INI).replace("default-mode = host", "default-mode = passthrough"))
    result, words = check_row(pc)
    assert (result, "Run update-initramfs -u -k all." in words) == ("warn", True), words
    pc.ok("update-initramfs -u -k all && sync", timeout=600)
    assert check_row(pc)[0] == "pass"
    pc.reboot()
    check_passthrough(pc)
    check_host_drivers_never_bound(pc)
    assert in_initramfs(journal(pc), KEPT)


@pytest.mark.long
@pytest.mark.parametrize("tool", [
    pytest.param("initramfs-tools", marks=pytest.mark.cold("gpu-hooks-default")),
    pytest.param("dracut", marks=pytest.mark.cold("gpu-hooks-default", grub=DRACUT))])
def test_boots_left_unconfirmed(pc: PC, tool: str) -> None:
    """How many there were stands in /var, which no initramfs can read: the drivers are kept off once more, and the
    boot goes to the host all the same, with its picture. dracut's is one without systemd here.

    Then an EFI variable is read, though the initramfs has to look for it itself.
    """
    for _ in range(2):
        assert pc.state == "running"
        check_passthrough(pc)
        check_host_drivers_never_bound(pc)
        log = journal(pc)
        assert in_initramfs(log, f"{KEPT}: default-mode of the configuration")
        assert (in_initramfs(log, "\ndracut-"), in_initramfs(log, SYSTEMD)) == (tool == "dracut", False)
        assert check_row(pc)[0] == "pass"
        pc.reboot()
    assert pc.state == "running"
    check_host(pc)
    assert active(pc) == ["host"]
    log = journal(pc)
    assert in_initramfs(log, KEPT)
    assert not in_initramfs(log, "[drm] Initialized bochs")
    said = journal(pc, "-u", BOOT)
    assert "Booting to mode 'host': the last 2 boots into default-mode 'passthrough' were not confirmed." in said
    assert f"{GPU}, which the initramfs kept from host drivers, is not this mode's; it was let go." in said
    assert "were not confirmed" in pc.ok("vfio-modectl status")

    pc.ok("systemctl start vfio-mode-one-shot@host.service; sync")
    pc.reboot()
    check_host(pc)
    log = journal(pc)
    assert in_initramfs(log, "[drm] Initialized bochs")
    assert KEPT not in log
    assert "EFI variable" in journal(pc, "-u", BOOT)


@pytest.mark.machine("gpu")
def test_function_that_comes_later(pc: PC) -> None:
    """udev's rule for what appears after the first look, on the running system, which has the same udev.

    Without a driver the coldplug's event must not do it: that is of what was there before.
    """
    rule = "/usr/share/vfio-mode/initramfs/79-vfio-mode-initramfs.rules"
    pc.write(INI, ini().replace("default-mode = host", "default-mode = passthrough"))
    pc.ok(f"""
        mkdir -p /run/udev/rules.d
        cp {rule} /run/udev/rules.d
        udevadm control --reload
        echo 1 > /sys/bus/pci/devices/{GPU}/remove
        modprobe -r bochs
        echo 1 > /sys/bus/pci/rescan
        udevadm settle
    """)
    assert drivers(pc, GPU) == [""]
    assert overrides(pc) == {GPU: "vfio-mode"}
    pc.ok(f"""
        echo > /sys/bus/pci/devices/{GPU}/driver_override
        modprobe -r bochs
        udevadm trigger --action=add /sys/bus/pci/devices/{GPU}
        udevadm settle
    """)
    assert drivers(pc, GPU) == ["bochs-drm"]
    assert overrides(pc) == {}
