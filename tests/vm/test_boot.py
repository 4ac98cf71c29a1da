# SPDX-License-Identifier: GPL-2.0-or-later
"""Which mode a boot goes to, and what the machine looks like then. Real boots, through GRUB.

A boot under emulation takes most of a minute, so one is asked several things.
"""

import re

import pytest

from machines import ini
from modectl import status
from modes import INI, active, drivers, overrides, properties
from pc import PC
from test_guest import GPU_GUEST, end_guest

GPU, AUDIO = "0000:01:00.0", "0000:01:00.1"
BOOT = "vfio-mode-boot.service"
HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

TO_PASSTHROUGH = ini().replace("default-mode = host", "default-mode = passthrough")


def journal(pc: PC, *arguments: str) -> str:
    return pc.ok(f"journalctl --sync; journalctl -b --no-pager -o cat {' '.join(arguments)}")


def check_host_drivers_never_bound(pc: PC) -> str:
    """Returns the kernel's log, which is to have something else of the GPU in it."""
    kernel = journal(pc, "-k")
    assert [line for line in kernel.splitlines() if "bochs" in line or "snd_hda" in line] == []
    return kernel


def check_passthrough(pc: PC) -> None:
    assert drivers(pc, GPU, AUDIO) == ["vfio-pci", "vfio-pci"]
    assert active(pc) == ["passthrough"]
    assert pc.run("systemctl is-active vfio-mode@host").stdout == "inactive\n"
    assert properties(pc, BOOT, "ActiveState", "Result") == {"ActiveState": "active", "Result": "success"}
    assert status(pc)["drift"] == []
    pc.ok(f"test -c /dev/vfio/{pc.group(GPU)}")


def check_host(pc: PC) -> None:
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert overrides(pc) == {}
    assert "bochs-drm" in pc.read("/proc/fb")


def check_host_instead(pc: PC, name: str, *words: str) -> None:
    """Booted to host mode though another was asked for: degraded, and it says why."""
    assert pc.state == "degraded"
    check_host(pc)
    assert active(pc) == ["host"]
    failed = pc.ok("systemctl list-units --failed --plain --no-legend").split()[0]
    assert failed == BOOT
    boot = status(pc)["last_boot"]
    assert (boot["result"], boot["mode"]) == (name, "host")
    said = journal(pc, "-u", BOOT)
    for word in words:
        assert word in said
        assert word in boot["text"]
        assert word in pc.ok("vfio-modectl status")


# ---- To passthrough ----


@pytest.mark.drawn("boots")
@pytest.mark.cold("nic", extra="vfio_mode=host vfio_mode=passthrough")
def test_passthrough(pc: PC) -> None:
    """The host's GPU driver never binds, and nothing is degraded. The last vfio_mode= counts.

    The GPU is one that vfio-pci does not take the firmware's framebuffer off: a guest gets its memory all the
    same, and without a host driver that picture comes back. More boots in a row are in test_next_boot.py and
    test_bookworm.py, of a VGA.
    """
    assert pc.state == "running"
    check_passthrough(pc)
    kernel = check_host_drivers_never_bound(pc)
    assert "fb0: EFI VGA frame buffer device" in kernel  # the firmware has drawn on it
    said = journal(pc, "-u", BOOT)
    assert "vfio_mode=passthrough on the kernel command line" in said
    assert f"{GPU}: release the firmware's efi-framebuffer.0" in said
    assert pc.read("/proc/fb") == ""
    assert "efifb" not in pc.read("/proc/iomem")
    told = pc.ok(f"{GPU_GUEST} 2>&1")
    assert "mmap" not in told
    assert "can't reserve" not in pc.ok("dmesg")
    end_guest(pc, pc.read("/run/guest.pid").strip())

    pc.write("/etc/modprobe.d/none.conf", "install bochs /bin/false\n")
    pc.ok("modprobe -r bochs; vfio-modectl switch host")  # udev has loaded it all the same
    assert drivers(pc, GPU, AUDIO) == ["", "snd_hda_intel"]
    assert pc.read("/proc/fb") == "0 EFI VGA\n"
    pc.ok("rm /etc/modprobe.d/none.conf; modprobe bochs")
    check_host(pc)


@pytest.mark.drawn("boots")
@pytest.mark.cold("gpu-initramfs", files={INI: f"{TO_PASSTHROUGH}hugepages-2M = 128\n"})
def test_moved_off_the_driver_of_the_initramfs(pc: PC) -> None:
    """What the initramfs bound is moved off, and the journal says so. By default-mode alone.

    The mode's hugepages are had so early, too, and given back.
    """
    assert pc.state == "running"
    check_passthrough(pc)
    # Bound before the initramfs handed over: its driver's words come before the root file system's.
    kernel = journal(pc, "-k")
    assert kernel.index("bochs-drm") < kernel.index("mounted filesystem")
    assert pc.read(HUGEPAGES) == "128\n"
    said = journal(pc, "-u", BOOT)
    assert f"{GPU}: unbind from bochs-drm" in said
    assert f"{AUDIO}: unbind from snd_hda_intel" in said
    assert "default-mode of the configuration" in said
    # And home again, though this boot's kernel never saw it leave an earlier one.
    pc.ok("systemctl start vfio-mode@host")
    check_host(pc)
    assert pc.read(HUGEPAGES) == "0\n"
    # Known for the rest of the boot.
    said = pc.run("vfio-modectl check passthrough").stdout
    assert f"{GPU} was on bochs-drm already when this boot's mode was set" in said, said


# ---- To the fallback mode ----


@pytest.mark.drawn("boots")
@pytest.mark.cold("gpu", extra="single", grub={"timeout": "30"}, wait="nothing",
                  files={INI: TO_PASSTHROUGH, "/etc/new/dir/file": "injected\n"})
def test_single_is_host_mode(pc: PC) -> None:
    """A rescue system has its screen, though the default is another mode.

    And of a cold boot itself: GRUB's menu is on the serial line, files are put in before.
    """
    pc.serial.expect("will be executed automatically")
    pc.serial.send("\r")
    pc.wait_agent()
    # The target's start job is queued since the first moment: this joins it.
    pc.ok("systemctl start rescue.target && udevadm settle", timeout=300)
    assert pc.run("systemctl is-active multi-user.target").stdout == "inactive\n"
    check_host(pc)
    assert active(pc) == ["host"]
    assert "a rescue system was asked for (single" in journal(pc, "-u", BOOT)
    assert pc.read("/etc/new/dir/file") == "injected\n"
    assert pc.ok("stat -c '%U %a' /etc/new/dir /etc/new/dir/file") == "root 755\nroot 644"


@pytest.mark.drawn("boots")
@pytest.mark.cold("gpu", extra="vfio_mode=passthrough", files={INI: ini(consent="")})
def test_refused_mode(pc: PC) -> None:
    """A mode that is refused at boot is no reason not to have a screen."""
    check_host_instead(pc, "drives-the-console", GPU, "consent = boot-vga")
    # With what the refusal asks for it works at once; the unit's failure of this boot stays on record.
    pc.write(INI, ini())
    pc.ok("systemctl start vfio-mode@passthrough")
    assert drivers(pc, GPU, AUDIO) == ["vfio-pci", "vfio-pci"]


@pytest.mark.drawn("boots")
@pytest.mark.cold("gpu", extra="vfio_mode=passthrough", files={INI: ini() + "vfio-devcies = gpu\n"})
def test_wrong_configuration_then_none(pc: PC) -> None:
    """A configuration with an error: every device on its host driver, the boot succeeds, no mode is
    claimed, and the line is named. None at all: the boot unit does not even run.
    """
    assert pc.state == "degraded"
    pc.ok("systemctl is-active multi-user.target")
    check_host(pc)
    assert active(pc) == []
    where = f"{INI}:{ini().count(chr(10)) + 1}: "
    assert where in journal(pc, "-u", BOOT)
    assert where in pc.ok("vfio-modectl status")
    assert pc.ok("vfio-modectl status --mode") == "none"
    assert properties(pc, BOOT, "ExecMainStatus") == {"ExecMainStatus": "23"}

    pc.ok(f"rm {INI}")
    pc.reboot()
    assert pc.ok("systemctl is-system-running") == "running"
    check_host(pc)
    assert active(pc) == []
    assert properties(pc, BOOT, "ActiveState", "ConditionResult") == {
        "ActiveState": "inactive", "ConditionResult": "no"}
    assert pc.run("test -e /run/vfio-mode").rc == 1


# ---- The unit as it is shipped ----


@pytest.mark.long
@pytest.mark.machine("gpu")
def test_a_boot_is_never_held_up_for_long(pc: PC) -> None:
    """Five seconds in all, by the unit that is installed. Only the emulated PC's own drop-in gives more."""
    shipped = pc.read(f"/usr/lib/systemd/system/{BOOT}")
    start, stop = (seconds(shipped, key) for key in ("TimeoutStartSec", "TimeoutStopSec"))
    # For a process that cannot be killed systemd waits four times before it goes on.
    assert 0 < start + 4 * stop <= 5
    assert properties(pc, BOOT, "DropInPaths")["DropInPaths"] == \
        f"/etc/systemd/system/{BOOT}.d/emulation.conf"


def seconds(unit: str, key: str) -> float:
    found = re.search(rf"^{key}=([0-9]+)(ms|s)$", unit, re.MULTILINE)
    assert found, f"no {key}="
    return int(found[1]) / (1000 if found[2] == "ms" else 1)
