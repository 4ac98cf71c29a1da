# SPDX-License-Identifier: GPL-2.0-or-later
"""Each machine has the condition it says it has, on the booted system; and the harness works.

The product is not asked anything here: these facts are what its scenarios stand on.
"""

import re
from pathlib import Path

import pytest

from machines import MACHINES
from pc import PC, REBOOT_TRIES
from qemu import PCError

GPU, AUDIO, NIC = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0"


def attribute(pc: PC, address: str, name: str) -> str | None:
    """A file of a PCI function in sysfs, None where there is none."""
    result = pc.run(f"cat /sys/bus/pci/devices/{address}/{name}")
    return result.stdout.strip() if result.rc == 0 else None


def functions_in_group(pc: PC, address: str) -> list[str]:
    return pc.ok(f"ls /sys/bus/pci/devices/{address}/iommu_group/devices").split()


def check_gpu(pc: PC, address: str, *, boot_vga: str | None, klass: str) -> None:
    """A card of two functions on their host drivers, in one group of their own."""
    audio = address[:-1] + "1"
    assert pc.driver(address) == "bochs-drm"
    assert pc.driver(audio) == "snd_hda_intel"
    assert attribute(pc, address, "class") == klass
    assert attribute(pc, address, "boot_vga") == boot_vga
    assert attribute(pc, address, "vendor") == "0x1234"
    assert attribute(pc, address, "device") == "0x1111"
    assert functions_in_group(pc, address) == [address, audio]


def check_screen_and_sound(pc: PC) -> None:
    """A framebuffer console on the host's driver, and a PCM to hold."""
    assert "bochs-drm" in pc.read("/proc/fb")
    assert "frame buffer device" in pc.ok("cat /sys/class/vtconsole/*/name")
    pc.ok("test -c /dev/dri/card0 && test -c /dev/snd/pcmC0D0p")


@pytest.mark.machine("gpu")
def test_gpu(pc: PC) -> None:
    check_gpu(pc, GPU, boot_vga="1", klass="0x030000")
    check_screen_and_sound(pc)
    assert pc.driver(NIC) == "e1000e"
    assert functions_in_group(pc, NIC) == [NIC]
    assert pc.ok("ip route show default") == ""


@pytest.mark.machine("gpu")
def test_something_can_be_plugged_in(pc: PC) -> None:
    assert pc.monitor("device_add pci-testdev,id=plugged,bus=spare") == ""
    pc.ok("udevadm wait --timeout=60 /sys/bus/pci/devices/0000:03:00.0")


@pytest.mark.machine("nic")
def test_nic(pc: PC) -> None:
    check_gpu(pc, GPU, boot_vga=None, klass="0x038000")
    check_screen_and_sound(pc)
    assert pc.run("cat /sys/bus/pci/devices/*/boot_vga").stdout == ""
    assert pc.driver(NIC) == "e1000e"
    interface = pc.ok(f"ls /sys/bus/pci/devices/{NIC}/net")
    assert f"dev {interface}" in pc.ok("ip route show default")


@pytest.mark.machine("two-gpus")
def test_two_gpus(pc: PC) -> None:
    check_gpu(pc, "0000:01:00.0", boot_vga="1", klass="0x030000")
    check_gpu(pc, "0000:02:00.0", boot_vga="0", klass="0x030000")
    names = ("vendor", "device", "subsystem_vendor", "subsystem_device", "revision")
    for name in names:
        assert attribute(pc, "0000:01:00.0", name) == attribute(pc, "0000:02:00.0", name)


@pytest.mark.machine("foreign-group")
def test_foreign_group(pc: PC) -> None:
    gpu, nic = "0000:02:01.0", "0000:02:02.0"
    assert pc.driver(gpu) == "bochs-drm"
    assert pc.driver(nic) == "e1000"
    group = functions_in_group(pc, gpu)
    assert {gpu, "0000:02:01.1", nic} <= set(group)
    # The kernel refuses too: the group is not viable while the NIC is on its driver.
    pc.ok("modprobe vfio-pci")
    for function in (gpu, "0000:02:01.1"):
        pc.ok(f"""
            cd /sys/bus/pci/devices/{function}
            echo vfio-pci > driver_override
            echo {function} > driver/unbind
            echo {function} > /sys/bus/pci/drivers_probe
        """)
        assert pc.driver(function) == "vfio-pci"
    opened = pc.run(f"dd if=/dev/vfio/{pc.group(gpu)} count=0")
    assert opened.rc == 0, opened.out  # opening works; a container is what is refused
    qemu = pc.run(f"timeout 60 qemu-system-x86_64 -accel tcg -nodefaults -display none -S "
                  f"-device vfio-pci,host={gpu}")
    assert "not viable" in qemu.out


@pytest.mark.machine("no-iommu")
def test_no_iommu(pc: PC) -> None:
    assert pc.ok("ls /sys/kernel/iommu_groups") == ""
    assert pc.driver(GPU) == "bochs-drm"
    assert pc.group(GPU) is None


@pytest.mark.machine("gpu")
def test_gpu_is_not_in_the_normal_initramfs(pc: PC) -> None:
    kernel = pc.ok("journalctl -b -k --no-pager -o cat")
    assert kernel.index("bochs-drm") > kernel.index("mounted filesystem")


@pytest.mark.machine("gpu-bookworm")
def test_gpu_bookworm(pc: PC) -> None:
    check_gpu(pc, GPU, boot_vga="1", klass="0x030000")
    check_screen_and_sound(pc)
    assert pc.ok("uname -r").startswith("6.1.")
    assert "systemd 252" in pc.ok("systemctl --version")


# ---- The harness ----


@pytest.mark.machine("gpu")
def test_restore_takes_back_memory_disk_drivers_and_devices(pc: PC) -> None:
    before = pc.boot_id
    pc.qmp("device_add", driver="qemu-xhci", bus="spare")
    pc.ok("udevadm wait --timeout=60 /sys/bus/pci/devices/0000:03:00.0")
    pc.ok("echo changed > /root/changed; sync")
    pc.ok(f"echo {GPU} > /sys/bus/pci/devices/{GPU}/driver/unbind")
    pc.restore()
    assert pc.boot_id == before
    assert pc.run("test -e /root/changed").rc == 1
    assert pc.driver(GPU) == "bochs-drm"
    assert "qemu-xhci" not in pc.monitor("info qtree")


@pytest.mark.machine("gpu")
def test_results(pc: PC) -> None:
    result = pc.run("echo out; echo err >&2; exit 7")
    assert (result.rc, result.stdout, result.stderr) == (7, "out\n", "err\n")
    assert sorted(result.out.split()) == ["err", "out"]
    with pytest.raises(AssertionError, match="exit status 3"):
        pc.ok("exit 3")
    assert len(pc.ok("head -c 300000 /dev/zero | tr '\\0' x")) == 300000
    # A child left behind keeps the pipes; the answer does not wait for it.
    pc.run("sleep infinity &", timeout=30)
    data = bytes(range(256)) * 1024
    pc.write("/root/data", data, mode=0o600)
    assert pc.ok("stat -c '%a %s' /root/data") == f"600 {len(data)}"


@pytest.mark.machine("gpu")
def test_a_hung_command_is_an_error_and_restore_ends_it(pc: PC) -> None:
    with pytest.raises(PCError, match="no answer in time"):
        pc.run("sleep infinity", timeout=3)
    pc.restore()
    assert pc.ok("echo back") == "back"


@pytest.mark.machine("gpu")
def test_a_reboot_that_cannot_be_asked_for_is_an_error_at_once(pc: PC) -> None:
    """As of a guest that has lost its bus: with what was said, and after it was asked for once more."""
    with pytest.raises(AssertionError, match="(?s)exit status 1 of.*No such file or directory"):
        pc.reboot("echo asked >> /root/asked; DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere "
                  "busctl call org.freedesktop.login1 /org/freedesktop/login1 "
                  "org.freedesktop.login1.Manager Reboot b no")
    assert pc.read("/root/asked").split() == ["asked"] * REBOOT_TRIES


@pytest.mark.machine("gpu")
def test_agent_stays_through_isolate_and_reexec(pc: PC) -> None:
    pc.ok("systemctl daemon-reexec")
    pc.ok("systemctl isolate rescue.target")
    assert pc.run("systemctl is-active multi-user.target").stdout.strip() == "inactive"
    pc.ok("systemctl isolate multi-user.target")


@pytest.mark.machine("gpu")
def test_power_button_and_restore(pc: PC) -> None:
    # Nobody hears it before logind has the device, and udev may be late.
    pc.ok("""grep -q -m1 'Watching system buttons on .*Power Button' \
        < <(timeout 100 journalctl -b -f -n all -o cat -u systemd-logind)""")
    pc.power_button()
    pc.wait_poweroff()
    pc.restore()
    assert pc.ok("systemctl is-active multi-user.target") == "active"


@pytest.mark.machine("gpu")
def test_a_panic_is_an_error_at_once_and_restore_ends_it(pc: PC) -> None:
    with pytest.raises(PCError, match="panicked"):
        pc.run("echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger")
    pc.restore()
    assert pc.ok("echo back") == "back"


def test_every_machine_is_tested() -> None:
    """Here, or where its one condition is the scenario."""
    marks = re.compile(r'pytest\.mark\.(?:machine|nextboot|cold)\("([^"]+)"')
    tested = {name for path in Path(__file__).parent.glob("test_*.py")
              for name in marks.findall(path.read_text())}
    assert tested == set(MACHINES)
