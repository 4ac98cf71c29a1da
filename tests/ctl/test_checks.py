# SPDX-License-Identifier: GPL-2.0-or-later
"""What vfio-mode-apply finds of a mode beforehand: each check, seen to pass and not to, on machines made of words.

The program under test is beside $VFIO_MODECTL. tests/vm/test_checks.py does the same with a real machine.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from captured import AUDIO, GPU, NIC, PROGRAM, sanitizers
from test_describe import BLOCK, FALLBACK_CONFIG, MENU, Booted
from test_rom import BIOS, DAMAGED, GOOD, image

APPLY = Path(PROGRAM).with_name("vfio-mode-apply")
PAGE = Path(__file__).parents[2] / "daemon" / "vfio-modectl.1"
LIVE = {"holders"}  # for a running machine only: see there
SAID = ("switch", "boot-place", "way-back-")  # what to do is part of the message, as in a refusal
PCI = "sys/bus/pci/devices"
UNITS = "etc/systemd/system"


class Pc(Booted):
    """One on which everything is as it should be, but for what a captured machine cannot say."""

    def __init__(self, root):
        super().__init__(root)
        self.write("boot/grub/grub.cfg", MENU).write("sys/class/tty/console/active", "tty0\n").block()
        self.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu svm\n")
        self.write("sys/class/misc/kvm/dev", "10:232\n").write("sys/firmware/acpi/tables/IVRS", "")
        self.write("proc/interrupts", "  1:  9  IR-IO-APIC  1-edge  i8042\n")
        for unit in ("sysinit.target.wants/vfio-mode-boot.service", "multi-user.target.wants/vfio-mode-confirm.service",
                     "rescue.target.wants/vfio-mode-fallback.service",
                     "emergency.target.wants/vfio-mode-fallback.service", "paths.target.wants/vfio-moded.path"):
            self.write(f"{UNITS}/{unit}", "")
        self.write("proc/iomem", iomem("nvidia"))
        for function in (GPU, AUDIO, NIC):
            self.function(function, reset_method="flr bus", power_state="D0")
        self.function(GPU, resource=resource(0xc2000000, 0xc207ffff, 0x46200))

    def function(self, address, **attributes):
        for name, text in attributes.items():
            self.write(f"{PCI}/{address}/{name}", f"{text}\n")
        return self

    def screen(self, device, driver=None):
        """The firmware's, which a driver has or none."""
        place = f"sys/bus/platform/devices/{device}.0"
        self.write(f"{place}/uevent", "")
        if driver:
            (self.root / place / "driver").symlink_to(f"../../drivers/{device}")
            self.write("proc/iomem", iomem(driver))
        return self

    def cmdline(self, words):
        return self.write("proc/cmdline", f"root=/dev/sda2 ro vfio_mode.boot=idle.1.0 {words}\n")

    def remove(self, path):
        (self.root / path).unlink()
        return self

    def on_vfio(self):
        for function, old in ((GPU, "nvidia"), (AUDIO, "snd_hda_intel")):
            self.remove(f"{PCI}/{function}/driver")
            (self.root / PCI / function / "driver").symlink_to("../../../../bus/pci/drivers/vfio-pci")
            self.write(f"{PCI}/{function}/driver_override", "vfio-pci\n")
        return self.state("passthrough", "host", homes=[f"{GPU} nvidia -", f"{AUDIO} snd_hda_intel -"])

    def checks(self, mode="passthrough"):
        """Rows of a mode: (id, result, message, advice)."""
        subprocess.run([APPLY, f"--root={self.root}", "inspect", mode], timeout=30, check=True,
                       capture_output=True, env={"PATH": os.environ["PATH"], **sanitizers()})
        text = (self.root / "run/vfio-mode/inspect" / mode).read_text()
        return [Row(*row) for row in re.findall(r"^check=(\S+) (\S+) \nmessage=(.*)\nadvice=(.*)$", text, re.M)]


    def image(self):
        """An initramfs that keeps host drivers off, made with the configuration as it is now."""
        self.write("lib/modules/6.12.9/modules.builtin", "").write("var/lib/README", "")
        subprocess.run([APPLY, f"--root={self.root}", "initramfs-files", "dracut-6.12.9"], timeout=30, check=True,
                       capture_output=True, env={"PATH": os.environ["PATH"], **sanitizers()})
        return self

    def encrypted(self):
        """The root is on what dm-crypt has opened."""
        self.write("proc/self/mountinfo", "25 1 254:0 / / rw shared:1 - ext4 /dev/mapper/root rw\n")
        self.write("sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-0-root\n").write("sys/dev/block/README", "")
        (self.root / "sys/dev/block/254:0").symlink_to("../../class/block/dm-0")
        return self

    def disk(self, point):
        """One in the GPU's group, with this mounted."""
        address = "0000:02:00.0"
        self.add(address, "144d:a80a", "010802", group=1, driver="nvme")
        self.write("proc/self/mountinfo", f"30 1 259:1 / {point} rw - ext4 /dev/nvme0n1p1 rw\n")
        part = f"devices/pci0000:00/{address}/nvme/nvme0/nvme0n1/nvme0n1p1"
        self.write(f"sys/{part}/partition", "1\n")
        for place in ("sys/dev/block/259:1", "sys/class/block/nvme0n1p1"):
            (self.root / place).parent.mkdir(parents=True, exist_ok=True)
            (self.root / place).symlink_to(f"../../{part}")
        return self

    def regroup(self, address, group):
        """The function is in another IOMMU group."""
        link = self.root / PCI / address / "iommu_group"
        (self.root / "sys/kernel/iommu_groups" / link.readlink().name / "devices" / address).unlink()
        link.unlink()
        link.symlink_to(f"../../../../kernel/iommu_groups/{group}")
        members = self.root / f"sys/kernel/iommu_groups/{group}/devices"
        members.mkdir(parents=True)
        (members / address).symlink_to(f"../../../../bus/pci/devices/{address}")
        return self

    def pool(self, size, pages, free, node=0):
        """Pages that the machine has, all of them or those of a node."""
        for where in ("sys/kernel/mm", f"sys/devices/system/node/node{node}")[node > 0:]:
            self.write(f"{where}/hugepages/hugepages-{size}/nr_hugepages", f"{pages}\n")
            self.write(f"{where}/hugepages/hugepages-{size}/free_hugepages", f"{free}\n")
        return self

    def apparmor(self):
        return self.write("sys/module/apparmor/parameters/enabled", "Y\n").write(
            "etc/apparmor.d/usr.sbin.libvirtd", "")


class Row(NamedTuple):
    id: str
    result: str
    message: str
    advice: str


def nouveau(pc):
    """The GPU has been on vfio-pci since the boot, and the kernel's own driver is for it."""
    (pc.on_vfio().root / "run/vfio-mode/status").unlink()
    return pc.write("proc/sys/kernel/osrelease", "6.12.9\n").write(
        "lib/modules/6.12.9/modules.alias", "".join(f"alias pci:v000010DEd*sv*sd*bc03sc*i* {module}\n"
                                                    for module in ("nvidiafb", "nouveau")))


def config(**keys):
    """The configuration, with more keys of the mode."""
    return FALLBACK_CONFIG + "".join(f"{name.replace('_', '-')} = {value}\n" for name, value in keys.items())


def resource(start, end, flags):
    """Lines of which only the ROM's says something."""
    return "0x{0:016x} 0x{0:016x} 0x{0:016x}\n".format(0) * 6 + f"0x{start:016x} 0x{end:016x} 0x{flags:016x}"


def iomem(name):
    return (f"c0000000-febfffff : PCI Bus 0000:00\n  c0000000-c0ffffff : {GPU}\n    c0000000-c03e7fff : {name}\n"
            f"  c1000000-c1ffffff : {NIC}\n")


def resized(machine, start, end):
    machine.function(GPU, resource1_resize="000000000000ff00")
    return machine.write(f"{PCI}/{GPU}/resource", "0x00000000c0000000 0x00000000c0ffffff 0x0000000000040200\n"
                         f"0x{start:016x} 0x{end:016x} 0x000000000014220c\n")


def other_screen(machine):
    machine.write("sys/class/drm/card1-DP-1/status", "connected\n")
    (machine.root / "sys/class/drm/card1-DP-1/device").mkdir()
    (machine.root / "sys/class/drm/card1-DP-1/device/device").symlink_to("../../../bus/pci/devices/0000:06:00.0")


def rename(machine, address, pci_id):
    vendor, device = pci_id.upper().split(":")
    machine.function(address, modalias=f"pci:v0000{vendor}d0000{device}sv00000000sd00000000bc03sc00i00")
    return machine.config(FALLBACK_CONFIG.replace("id = 10de:2484\n", ""))


def without_iommu(pc, *, tables=False):
    shutil.rmtree(pc.root / "sys/class/iommu")
    if not tables:
        pc.remove("sys/firmware/acpi/tables/IVRS")


def memory(pc, **keys):
    pc.write("proc/meminfo", "MemTotal:        4194304 kB\nMemAvailable:    4000000 kB\n")
    return pc.config(config(**keys))


def hook(pc, text='#!/bin/sh\nexec /usr/bin/vfio-modectl hook -- libvirt "$@"\n', mode=0o755, *, link=False):
    """libvirt, with a hook."""
    pc.write("etc/libvirt/qemu/networks/default.xml", "")
    if text:
        path = "usr/share/vfio-mode/hooks/libvirt" if link else "etc/libvirt/hooks/qemu.d/libvirt"
        pc.write(path, text)
        (pc.root / path).chmod(mode)
    if link:
        (pc.root / "etc/libvirt/hooks/qemu.d").mkdir(parents=True)
        (pc.root / "etc/libvirt/hooks/qemu.d/libvirt").symlink_to("../../../../usr/share/vfio-mode/hooks/libvirt")


def pve(pc, hookscript=None, storage="var/lib/vz", mode=0o755, text='#!/bin/sh\nexec /usr/bin/vfio-modectl hook -- proxmox "$@"\n',
        *, lines="hostpci0: 01:00,pcie=1,driver=keep\n"):
    """A guest of Proxmox VE that names the GPU, and the script that it may have."""
    pc.write("etc/pve/qemu-server/100.conf", lines + (f"hookscript: {hookscript}\n" if hookscript else ""))
    pc.write(f"{storage}/snippets/vfio", text)
    (pc.root / storage / "snippets/vfio").chmod(mode)


def shared(pc, text):
    """Two guests have the same script."""
    pve(pc, "local:snippets/vfio", text=text)
    pc.write("etc/pve/qemu-server/101.conf", "hostpci0: 01:00\nhookscript: local:snippets/vfio\n")


def given(pc, rom, *, card=GPU, mode=0o644, libvirt=False, path=""):
    """A guest that is given a ROM file: these bytes, or nothing that is there."""
    path = path or ("usr/share/vgabios/gpu.rom" if libvirt else "usr/share/kvm/gpu.rom")
    domain, bus, slot, function = re.split("[:.]", card)
    if libvirt:
        pc.write("etc/libvirt/qemu/win.xml", "<domain><devices><hostdev mode='subsystem' type='pci'><source>"
                 f"<address domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source>"
                 f"<rom bar='on' file='/{path}'/></hostdev></devices></domain>")
    else:
        pc.write("etc/pve/qemu-server/100.conf", f"hostpci0: {bus}:{slot}.{function},pcie=1,romfile=gpu.rom\n")
    (pc.root / path).parent.mkdir(parents=True)
    if rom is not None:
        (pc.root / path).write_bytes(rom)
        (pc.root / path).chmod(mode)
    return pc


def confined(pc, path, added=""):
    """A ROM file of a guest of libvirt's under AppArmor, whose rules are as of Debian, and what was added to them."""
    pc.apparmor().write("etc/apparmor.d/abstractions/libvirt-qemu", "  # firmware\n  /usr/share/OVMF/** rk,\n"
                        "  /usr/share/vgabios/** r,\n  @{HOME}/.pulse-cookie rwk,\n")
    if added:
        pc.write(f"etc/apparmor.d/{added}", f"  /{path} r,\n")
    return given(pc, GOOD, libvirt=True, path=path)


def changed(pc, path, mode=0o644):
    made = (pc.root / "boot/grub/grub.cfg").stat().st_mtime
    pc.write(path, "")
    (pc.root / path).chmod(mode)
    os.utime(pc.root / path, (made + 1, made + 1))


# The check, what it says, words of it, and how the machine differs from the one above.
CASES = [
    ("config", "pass", "2 modes, 2 devices.", lambda pc: pc),
    ("config", "fail", "There is no /etc/vfio-mode.ini.", lambda pc: pc.remove("etc/vfio-mode.ini")),
    ("config", "fail", "unknown key", lambda pc: pc.config(FALLBACK_CONFIG + "nonsense = 1\n")),
    ("virtualisation", "pass", "offers virtualisation (svm), and KVM uses it.", lambda pc: pc),
    ("virtualisation", "warn", "does not offer virtualisation", lambda pc: pc.write("proc/cpuinfo", "flags : fpu\n")),
    ("virtualisation", "warn", "kvm_amd is not loaded", lambda pc: pc.remove("sys/class/misc/kvm/dev") and
     (pc.root / "sys/class/misc/kvm").rmdir()),
    ("iommu", "pass", "The IOMMU is on.", lambda pc: pc),
    ("cmdline-words", "pass", "none of the words", lambda pc: pc),
    ("cmdline-words", "warn", "amd_iommu=on on the kernel command line is no value", lambda pc: pc.cmdline("amd_iommu=on")),
    ("cmdline-words", "warn", "isolcpus=2-7 on the kernel command line takes processors from the host", lambda pc: pc.cmdline(
        "isolcpus=2-7")),
    ("cmdline-words", "warn", "video=efifb:off on the kernel command line keeps efifb", lambda pc: pc.cmdline(
        "video=efifb:off")),
    ("cmdline-words", "warn", "video=efifb:off on the kernel command line does nothing here: simpledrm has the firmware's",
     lambda pc: pc.cmdline("video=efifb:off").screen("simple-framebuffer", "simpledrm")),
    ("cmdline-words", "warn", "keeps efifb from the firmware's screen here, which no driver has.", lambda pc: pc.cmdline(
        "video=efifb:off").screen("efi-framebuffer")),
    ("cmdline-words", "warn", "does nothing here: the firmware's screen is simple-framebuffer.0, which efifb is not for.",
     lambda pc: pc.cmdline("video=efifb:off").screen("simple-framebuffer")),
    ("cmdline-words", "pass", "none of the words", lambda pc: pc.write(
        "proc/cmdline", "root=/dev/sda2 isolcpus=2-7 hugepages=4 vfio_mode=passthrough vfio_mode.boot=trial.7.0\n")),
    ("device-gpu", "pass", "0000:01:00.0 and 1 more function.", lambda pc: pc),
    ("device-gpu", "fail", "10de:2484", lambda pc: pc.function(
        GPU, modalias="pci:v000010DEd00002206sv00000000sd00000000bc03sc00i00")),
    ("group-gpu", "pass", "Nothing else in IOMMU group 1 is in the way.", lambda pc: pc),
    ("group-gpu", "fail", "0000:02:00.0 [8086:1533] (igb).", lambda pc: pc.add(
        "0000:02:00.0", "8086:1533", "020000", group=1, driver="igb")),
    ("group-gpu", "fail", "(nvme, has a disk that the system needs: cannot go).", lambda pc: pc.disk("/")),
    ("group-gpu", "fail", "(nvme, has a disk in use: consent = storage).", lambda pc: pc.disk("/srv")),
    ("group-gpu", "fail", "] (igb) and 3 more.", lambda pc: [pc.add(
        f"0000:02:00.{n}", "8086:1533", "020000", group=1, driver="igb") for n in range(8)] and [pc.add(
            f"0000:02:01.{n}", "8086:1533", "020000", group=1, driver="igb") for n in range(8)]),
    ("group-gpu", "fail", "for itself (RMRR)", lambda pc: pc.write(
        "sys/kernel/iommu_groups/1/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n"
        "0x00000000bdf00000 0x00000000bdffffff direct\n")),
    ("group-gpu", "pass", "in the way", lambda pc: pc.write(
        "sys/kernel/iommu_groups/1/reserved_regions", "0x00000000bdf00000 0x00000000bdffffff direct-relaxable\n")),
    ("group-gpu", "fail", "IOMMU group 9 has others in it", lambda pc: pc.regroup(AUDIO, 9).add(
        "0000:02:00.0", "8086:1533", "020000", group=9, driver="igb")),
    ("group-gpu", "fail", "no IOMMU group", lambda pc: pc.remove(f"{PCI}/{GPU}/iommu_group")),
    ("screen-gpu", "warn", "the host has none", lambda pc: pc),
    ("screen-gpu", "pass", "another card has a screen, too", other_screen),
    ("screen-gpu", "pass", "Another card has a screen.", lambda pc: other_screen(pc.function(GPU, boot_vga="0"))),
    ("screen-gpu", "warn", "No other card has a screen connected", lambda pc: pc.function(GPU, boot_vga="0")),
    ("framebuffer-gpu", "pass", "No framebuffer of the firmware's", lambda pc: pc),
    ("framebuffer-gpu", "pass", "No framebuffer", lambda pc: pc.write("proc/iomem", iomem("nvidia"))),
    ("framebuffer-gpu", "pass", "(efifb) is in its memory; a switch takes it off", lambda pc: pc.write(
        "proc/iomem", iomem("efifb"))),
    ("framebuffer-gpu", "fail", "(BOOTFB) still has memory of it", lambda pc: pc.on_vfio().write(
        "proc/iomem", iomem("BOOTFB"))),
    ("bars-gpu", "pass", "None of its BARs", lambda pc: resized(pc, 0x800000000, 0x80fffffff)),
    ("bars-gpu", "warn", "How large its BARs are is not known.", lambda pc: pc.remove(f"{PCI}/{GPU}/resource")),
    ("bars-gpu", "warn", "BAR 1 has been resized to 16384 MiB", lambda pc: resized(pc, 0x800000000, 0xbffffffff)),
    ("bars-gpu", "warn", "BAR 1 has 16384 MiB", lambda pc: resized(pc, 0x800000000, 0xbffffffff).function(
        GPU, power_state="D3hot")),
    ("bars-gpu", "pass", "None of its BARs", lambda pc: resized(pc, 0x800000000, 0xbffffffff).remove(
        f"{PCI}/{GPU}/resource1_resize")),
    ("rom-gpu", "pass", f"{GPU} has a ROM of its own, of 512 KiB at most, which has not been read (`vfio-modectl check "
     "passthrough --read-rom` does).", lambda pc: pc),
    ("rom-gpu", "warn", "its ROM is the copy that the firmware made, if any. It has not been read", lambda pc: pc.function(
        GPU, resource=resource(0xc0000, 0xdffff, 0x212))),
    ("rom-gpu", "warn", f"{GPU} has no expansion ROM", lambda pc: pc.function(GPU, resource=resource(0, 0, 0))),
    ("rom-gpu", "warn", "has an expansion ROM is not known.", lambda pc: pc.remove(f"{PCI}/{GPU}/resource")),
    ("reset-gpu", "pass", "(flr bus)", lambda pc: pc),
    ("reset-gpu", "warn", "no way to reset it", lambda pc: pc.function(GPU, reset_method="")),
    ("reset-gpu", "pass", "(bus)", lambda pc: pc.function(GPU, reset_method="bus")),
    ("reset-gpu", "warn", "whole bus only", lambda pc: pc.function(GPU, reset_method="bus").add(
        "0000:01:01.0", "8086:1533", "020000", group=1)),
    ("reset-gpu", "warn", "AMD Navi 10 is known not to come back well", lambda pc: rename(pc, GPU, "1002:731f")),
    ("reset-gpu", "pass", "AMD Navi 10 needs a reset of its own, which is there", lambda pc: rename(
        pc, GPU, "1002:731f").function(GPU, reset_method="device_specific bus")),
    ("reset-gpu", "pass", "(flr bus)", lambda pc: rename(pc, GPU, "1002:73bf")),
    ("power-gpu", "pass", "in power state D0", lambda pc: pc),
    ("power-gpu", "warn", "0000:01:00.1 has no power (D3cold)", lambda pc: pc.function(AUDIO, power_state="D3cold")),
    ("power-gpu", "warn", "(error)", lambda pc: pc.function(GPU, power_state="error")),
    ("iommu", "fail", "firmware has none switched on", without_iommu),
    ("iommu", "fail", "amd_iommu=off on the kernel command line keeps it off", lambda pc: without_iommu(pc.write(
        "sys/firmware/acpi/tables/IVRS", "").cmdline("amd_iommu=off"), tables=True)),
    ("interrupts", "pass", "remaps interrupts", lambda pc: pc),
    ("interrupts", "warn", "does not remap interrupts", lambda pc: pc.write(
        "proc/interrupts", "  1:  9  IO-APIC  1-edge  i8042\n")),
    ("host-driver-gpu", "pass", "goes back to nvidia", lambda pc: pc),
    ("host-driver-nic", "warn", "No driver is known", lambda pc: pc),
    ("host-driver-gpu", "pass", "goes back to nvidia", lambda pc: pc.on_vfio().write(
        "sys/bus/pci/drivers/nvidia/bind", "")),
    ("host-driver-gpu", "warn", "goes back to nvida, which is not loaded now, and no module of that name is known",
     lambda pc: pc.config(FALLBACK_CONFIG.replace("consent", "host-driver = nvida\nconsent"))),
    ("host-driver-gpu", "warn", "goes back to nouveau, which modeset=0 keeps from every card", lambda pc: nouveau(pc).write(
        "etc/modprobe.d/blacklist-nouveau.conf", "blacklist nouveau\noptions nouveau modeset=0\n")),
    ("host-driver-gpu", "warn", "goes back to nouveau, which modeset=0", lambda pc: nouveau(pc).cmdline("nouveau.modeset=0")),
    ("host-driver-gpu", "warn", "goes back to nouveau, which modeset=0", lambda pc: pc.cmdline("nouveau.modeset=0").config(
        FALLBACK_CONFIG.replace("consent", "host-driver = nouveau\nconsent"))),
    ("host-driver-gpu", "pass", "has a module on this host", lambda pc: nouveau(pc).cmdline("nouveau.modeset=1 i915.modeset=0")),
    ("host-driver-gpu", "pass", "goes back to nvidia", lambda pc: pc.cmdline("nouveau.modeset=0")),
    ("host-driver-gpu", "pass", "goes back to nouveau, which is loaded for it", lambda pc: nouveau(pc).config(
        FALLBACK_CONFIG.replace("consent", "host-driver = nouveau\nconsent"))),
    *(("host-driver-gpu", result, words, lambda pc, text=text: nouveau(pc).write("etc/modprobe.d/x.conf", text))
      for result, words, text in (
          ("warn", f"Every host driver of {GPU} is blacklisted: ", "blacklist nouveau\nblacklist nvidiafb\n"),
          ("warn", f"Every host driver of {GPU} is blacklisted, or has a command in its place: ",
           "blacklist nouveau\ninstall nvidiafb /bin/false\n"),
          ("warn", f"No driver of {GPU} can be loaded: modprobe.d has a command in place of nouveau.",
           "install nouveau /bin/false\ninstall nvidiafb /bin/true\n"),
          ("warn", f"An alias in modprobe.d names vfio-pci or pci-stub for {GPU}",
           "alias pci:v000010DEd*sv*sd*bc*sc*i* vfio-pci\n"),
          ("pass", "has a module on this host", "blacklist nouveau\nalias pci:v00001002d*sv*sd*bc*sc*i* vfio-pci\n"
           "alias pci:v000010DEd00002484sv*sd*bc*sc*i* other\n"),
          ("pass", "has a module on this host", "blacklist nvidiafb\ninstall nouveau modprobe -i nouveau\n"))),
    ("host-driver-gpu", "warn", f"Every host driver of {GPU} is blacklisted: ", lambda pc: nouveau(pc).cmdline(
        "modprobe.blacklist=nouveau,nvidiafb")),
    ("owner", "pass", "No other program", lambda pc: pc),
    ("owner", "fail", GPU, lambda pc: pc.write(f"etc/driverctl.d/pci-{GPU}", "vfio-pci\n")),
    # Beside what a switch is refused for now.
    ("owner", "fail", GPU, lambda pc: pc.write(f"etc/driverctl.d/pci-{GPU}", "vfio-pci\n").add(
        "0000:02:00.0", "8086:1533", "020000", group=1, driver="igb")),
    ("owner", "warn", f"The hookscript of Proxmox VE /var/lib/vz/snippets/vfio names {GPU} and may move it.", lambda pc: pve(
        pc, "local:snippets/vfio", text=f"#!/bin/sh\necho {GPU} > /sys/bus/pci/drivers/nvidia/unbind\n")),
    ("owner", "warn", "The hookscript of Proxmox VE /var/lib/vz/snippets/vfio loads or unloads nvidia", lambda pc: shared(
        pc, "#!/bin/sh\nmodprobe -r nvidia_drm nvidia\n")),
    ("owner", "pass", "No other program", lambda pc: pve(pc, "local:snippets/vfio")),
    ("owner", "pass", "No other program", lambda pc: pve(pc, "local:snippets/gone")),
    *(("owner", "warn", f"{driver} is told to take every 10de:2484, so also {GPU}, in whatever mode ({where}).",
       differ) for driver, where, differ in (
          ("vfio-pci", "/etc/modprobe.d/x.conf:2", lambda pc: pc.write(
              "etc/modprobe.d/x.conf", "#\noptions vfio_pci disable_vga=1 ids=10de:2206,10de:2484:1043:87b8\n")),
          ("pci-stub", "/usr/lib/modprobe.d/x.conf:1", lambda pc: pc.write(
              "usr/lib/modprobe.d/x.conf", "options pci-stub ids=10de:2484\n")),
          ("vfio-pci", "the kernel command line", lambda pc: pc.cmdline("vfio-pci.ids=10de:2206,10de:2484")))),
    ("owner", "pass", "No other program", lambda pc: pc.write(
        "usr/lib/modprobe.d/x.conf", "options vfio-pci ids=10de:2484\n").write("etc/modprobe.d/x.conf", "#\n")),
    ("owner", "warn", f"modprobe.d loads vfio-pci before nouveau, a host driver of {GPU} (/etc/modprobe.d/x.conf:1).",
     lambda pc: nouveau(pc).write("etc/modprobe.d/x.conf", "softdep nouveau pre: vfio-pci\n")),
    ("owner", "pass", "No other program", lambda pc: nouveau(pc).write(
        "etc/modprobe.d/x.conf", "softdep nvidia pre: vfio-pci\n")),
    *(("owner", "warn", "modprobe.d has a command in place of vfio-pci (/etc/modprobe.d/x.conf:1)",
       lambda pc, command=command: pc.write("etc/modprobe.d/x.conf", f"install vfio-pci {command}\n"))
      for command in (
           "/usr/local/bin/vfio-pci-override.sh", "/bin/false", "/sbin/modprobe -i vfio-pci && give-cards")),
    ("owner", "pass", "No other program", lambda pc: pc.write(
        "etc/modprobe.d/x.conf", "install vfio-pci /sbin/modprobe -i vfio-pci\ninstall nvidia /usr/local/bin/x\n")),
    ("hugepages-2M", "pass", "512 are wanted, 512 are there: node 0 has 512 (500 free).",
     lambda pc: memory(pc, hugepages_2M=512).pool("2048kB", 512, 500)),
    ("hugepages-2M", "pass", "8 are wanted, 2 are there, and there is memory for the rest", lambda pc: memory(
        pc, hugepages_2M=8).pool("2048kB", 2, 2)),
    ("hugepages-2M", "fail", "4096 are wanted and at least 4096 needed, and there is memory for 1",
     lambda pc: memory(pc, hugepages_2M=4096).pool("2048kB", 0, 0)),
    ("hugepages-2M", "warn", "4096 are wanted, and there is memory for 1", lambda pc: memory(
        pc, hugepages_2M=4096, hugepages_min="10%").pool("2048kB", 0, 0)),
    # What is left of 1000 where those of 1 GiB, which come first, take all that they can get.
    ("hugepages-2M", "warn", "1000 are wanted, and there is memory for 353", lambda pc: memory(
        pc, hugepages_1G=8, hugepages_2M=1000, hugepages_min="25%").pool("1048576kB", 0, 0).pool("2048kB", 0, 0)),
    ("hugepages-2M", "fail", "no pages of 2M", lambda pc: memory(pc, hugepages_2M=4)),
    ("hugepages-2M", "warn", "The device is on node 1, and not all of the 8 wanted are: node 0 has 8 (8 free), node 1 has "
     "0 (0 free).", lambda pc: memory(pc, hugepages_2M=8).pool("2048kB", 8, 8).pool("2048kB", 0, 0, node=1).function(
         GPU, numa_node=1)),
    ("hugepages-1G", "pass", "1 is wanted, 1 is there", lambda pc: memory(pc, hugepages_1G=1).pool("1048576kB", 1, 1)),
    ("hugepages-1G", "pass", "1 is there: node 0 has 1 (1 free). What is there stays when the mode is left (hugepages-keep)",
     lambda pc: memory(pc, hugepages_1G=1, hugepages_keep="yes").pool("1048576kB", 1, 1)),
    ("hugepages-1G", "warn", "The device is on node 1, and the 1 wanted is not: node 0 has 1", lambda pc: memory(
        pc, hugepages_1G=1).pool("1048576kB", 1, 1).pool("1048576kB", 0, 0, node=1).function(GPU, numa_node=1)),
    ("hugepages-1G", "warn", "1 is there, and the mode wants 0: the host is short of 1 GiB", lambda pc: memory(pc).pool(
        "1048576kB", 1, 1)),
    ("hugepages-1G", "warn", "1 of 2 has to be found in a running machine", lambda pc: memory(
        pc, hugepages_1G=2).pool("1048576kB", 1, 1)),
    ("hugepages-1G", "warn", "20 are there, reserved by the kernel command line, and the mode wants 0: the host is short of "
     "20 GiB", lambda pc: memory(pc).pool("1048576kB", 20, 20).cmdline("hugepagesz=1G hugepages=20")),
    ("hugepages-2M", "warn", "24 are there, and the mode wants 8: the host is short of 32 MiB", lambda pc: memory(
        pc, hugepages_2M=8).pool("2048kB", 24, 24)),
    ("hugepages-2M", "pass", "24 are there, and stay for the mode 'big' (hugepages-keep).", lambda pc: pc.config(
        FALLBACK_CONFIG + "[mode big]\nhugepages-2M = 24\nhugepages-keep = yes\n").pool("2048kB", 24, 24)),
    ("hugepages-2M", "pass", "24 are there, and 24 are given back on the way", lambda pc: memory(pc).pool(
        "2048kB", 24, 24).state("host", "big", pools=["2M 0"])),
    ("hugepages-2M", "pass", "1 is there, and 1 is given back on the way", lambda pc: memory(pc).pool(
        "2048kB", 1, 1).state("host", "big", pools=["2M 0"])),
    ("hugepages-2M", "warn", "1 stays, and the mode wants 0", lambda pc: memory(pc).pool(
        "2048kB", 2, 2).state("host", "big", pools=["2M 1"])),
    ("hugepages-2M", "warn", "2 stay, and the mode wants 0", lambda pc: memory(pc).pool(
        "2048kB", 24, 24).state("host", "big", pools=["2M 2"])),
    ("libvirt-hook", "pass", "does not need it", lambda pc: hook(pc, None)),
    ("libvirt-hook", "warn", "is not switched on: no guest", lambda pc: hook(pc.config(config(switch_for_vm="yes")), None)),
    ("libvirt-hook", "pass", "libvirt runs /etc/libvirt/hooks/qemu.d/libvirt.", hook),
    ("libvirt-hook", "warn", "is not switched on", lambda pc: hook(
        pc.config(config(switch_for_vm="yes")), "#!/bin/sh\nexec echo\n")),
    ("libvirt-hook", "fail", "is not executable", lambda pc: hook(pc, mode=0o644)),
    ("libvirt-hook", "fail", "is a link, and AppArmor", lambda pc: hook(pc.apparmor(), link=True)),
    ("libvirt-hook", "pass", "libvirt runs", lambda pc: hook(pc, link=True)),
    ("libvirt-hook", "warn", "SELinux is enforcing", lambda pc: hook(pc.write("sys/fs/selinux/enforce", "1"))),
    ("proxmox-hook", "pass", "Guest 100 has no hookscript, and mode 'passthrough' does not need it.", lambda pc: pve(pc)),
    ("proxmox-hook", "warn", "Guest 100 has no hookscript: its start does not bring", lambda pc: pve(
        pc.config(config(switch_for_vm="yes")))),
    ("proxmox-hook", "pass", "asks vfio-mode by its hookscript, /var/lib/vz/snippets/vfio.", lambda pc: pve(
        pc, "local:snippets/vfio")),
    ("proxmox-hook", "pass", "by its hookscript, /mnt/pve/far/snippets/vfio.", lambda pc: pve(
        pc.write("etc/pve/storage.cfg", "nfs: far\n\tpath /mnt/pve/far\n"), "far:snippets/vfio", "mnt/pve/far")),
    ("proxmox-hook", "warn", "Where the hookscript far:snippets/vfio of guest 100 lies is not known", lambda pc: pve(
        pc, "far:snippets/vfio")),
    ("proxmox-hook", "fail", "/var/lib/vz/snippets/gone, is not there: the guest will not start", lambda pc: pve(
        pc, "local:snippets/gone")),
    ("proxmox-hook", "fail", "is not executable: the guest will not start", lambda pc: pve(
        pc, "local:snippets/vfio", mode=0o644)),
    ("proxmox-hook", "warn", "a hookscript that does not ask vfio-mode", lambda pc: pve(
        pc.config(config(on_vm_exit="fallback")), "local:snippets/vfio", text="#!/bin/sh\n")),
    ("proxmox-hook", "pass", "Guest 100 leaves to vfio-mode which driver the mode's devices are on (driver=keep).", lambda pc: pve(pc)),
    ("proxmox-hook", "warn", f"Guest 100 has {GPU} without driver=keep: Proxmox VE binds it to vfio-pci by itself, in a mode "
     "that has it on the host, too.", lambda pc: pve(pc, lines="hostpci0: 01:00,pcie=1\n")),
    ("proxmox-hook", "warn", f"Guest 100 has {GPU} without driver=keep", lambda pc: pve(
        pc.write("etc/hostname", "pve\n").write("etc/pve/mapping/pci.cfg", f"gpu\n\tmap id=10de:2484,node=pve,path={GPU}\n"),
        lines="hostpci0: mapping=gpu\n")),
    ("guests", "pass", "No guest that is defined here names its devices.", lambda pc: pc),
    ("guests", "warn", "'100' of Proxmox VE starts with the machine", lambda pc: pc.write(
        "etc/pve/qemu-server/100.conf", "onboot: 1\nhostpci0: 01:00,pcie=1\n")),
    ("guest-rom-gpu", "pass", f"'100' of Proxmox VE gives {GPU} the ROM file /usr/share/kvm/gpu.rom, which is complete and "
     "valid (x86 and efi x64, compressed).", lambda pc: given(pc, GOOD)),
    ("guest-rom-gpu", "pass", f"'win' of libvirt gives {GPU} the ROM file /usr/share/vgabios/gpu.rom, which is complete",
     lambda pc: given(pc, GOOD, libvirt=True)),
    ("guest-rom-gpu", "warn", "not for everybody to read", lambda pc: given(pc, GOOD, libvirt=True, mode=0o600)),
    ("guest-rom-gpu", "pass", "complete and valid", lambda pc: given(pc, GOOD, mode=0o600)),
    ("guest-rom-gpu", "warn", "/usr/share/kvm/gpu.rom, which was not captured.", lambda pc: given(pc, None)),
    ("guest-rom-gpu", "fail", "has an image whose checksum is wrong: the guest's firmware does not run it",
     lambda pc: given(pc, DAMAGED)),
    ("guest-rom-gpu", "fail", "ends inside an image", lambda pc: given(pc, GOOD[:-1])),
    ("guest-rom-gpu", "fail", "its first (55 aa) is at byte 1024, behind what may be the header", lambda pc: given(
        pc, b"NVGI" + bytes(1020) + GOOD)),
    ("guest-rom-gpu", "fail", "has no image (55 aa) where one should begin", lambda pc: given(pc, b"MZ" + BIOS[2:])),
    ("guest-rom-gpu", "warn", "has an image for 10de:2206, and the card is 10de:2484", lambda pc: given(
        pc, image(last=True, pci_id="10de:2206"))),
    ("guest-rom-gpu", "fail", "which is empty: the guest will not start.", lambda pc: given(pc, b"")),
    ("guest-rom-gpu", "fail", "which is no plain file: the guest will not start.", lambda pc: given(pc, None).write(
        "usr/share/kvm/gpu.rom/x", "")),
    ("guest-rom-gpu", "fail", "which is larger than any ROM", lambda pc: given(pc, bytes((16 << 20) + 1))),
    ("guest-rom-gpu", "warn", "'win' of libvirt runs under AppArmor, and no rule that is understood here lets it read the ROM "
     "file /srv/vbios/gpu.rom: it may not start.", lambda pc: confined(pc, "srv/vbios/gpu.rom")),
    ("guest-rom-nic", "warn", "has an image for 10de:2484, and the card is 8086:10d3", lambda pc: given(
        pc, GOOD, card=NIC)),
    ("switch", "fail", "refused (other-device-there)", lambda pc: pc.function(
        GPU, modalias="pci:v000010DEd00002206sv00000000sd00000000bc03sc00i00")),
    ("boot-place", "warn", "it is not there", lambda pc: pc.remove(BLOCK)),
    ("boot-place", "warn", "it is damaged", lambda pc: pc.block(end=6)),
    ("boot-scripts", "pass", "reads it", lambda pc: pc),
    ("boot-scripts", "warn", "GRUB's default entry 'x, host mode' is for one mode", lambda pc: pc.write(
        "boot/grub/grub.cfg", MENU.replace("'x'", "'x, host mode'").replace("set timeout=", 'set default="x, host mode"\nset timeout='))),
    ("boot-scripts", "warn", "does not read it", lambda pc: pc.write("boot/grub/grub.cfg", "menuentry 'x' {\n}\n")),
    ("boot-fresh", "pass", "is newer than", lambda pc: pc),
    ("boot-fresh", "warn", "/etc/default/grub has been changed", lambda pc: changed(pc, "etc/default/grub")),
    ("boot-fresh", "warn", "/etc/grub.d/40_custom has been changed", lambda pc: changed(pc, "etc/grub.d/40_custom", 0o755)),
    ("boot-fresh", "pass", "is newer than", lambda pc: changed(pc, "etc/grub.d/README")),
    ("boot-protection", "pass", "has been seen to read and write", lambda pc: pc),
    ("boot-protection", "warn", "has not been seen", lambda pc: pc.write("proc/cmdline", "root=/dev/sda2 ro\n")),
    ("cmdline", "pass", "bytes of the kernel command line", lambda pc: pc.config(config(cmdline="mitigations=off"))),
    ("cmdline", "fail", "bytes of the kernel command line", lambda pc: pc.config(
        config(cmdline="mitigations=off")).cmdline("x" * 2000)),
    ("cmdline", "fail", "bytes of the kernel command line", lambda pc: memory(pc, hugepages_1G=20).cmdline("x" * 1900)),
    ("initramfs", "pass", "made with this configuration", lambda pc: pc.image()),
    ("initramfs", "warn", "dracut-6.12.9 was made with another configuration", lambda pc: pc.image().config(
        config(confirm="boot"))),
    ("initramfs", "warn", "dracut-6.1.0 was made", lambda pc: pc.image().write("lib/modules/6.1.0/modules.builtin", "")),
    ("initramfs", "fail", "vfio-mode-boot.service", lambda pc: pc.image().remove(
        f"{UNITS}/sysinit.target.wants/vfio-mode-boot.service")),
    ("passphrase", "pass", "on no encrypted disk", lambda pc: pc.image().encrypted().write(
        "sys/class/block/dm-0/dm/uuid", "LVM-root\n")),
    ("passphrase", "warn", "not known", lambda pc: pc.image().write(
        "proc/self/mountinfo", "25 1 0:40 / / rw shared:1 - zfs rpool/ROOT/debian rw\n")),
    ("passphrase", "warn", "on the firmware's picture", lambda pc: pc.image().encrypted()),
    ("passphrase", "warn", "video=efifb:off", lambda pc: pc.image().encrypted().cmdline("video=efifb:off")),
    ("passphrase", "fail", "initcall_blacklist=sysfb_init", lambda pc: pc.image().encrypted().cmdline(
        "initcall_blacklist=sysfb_init")),
    ("ways-back", "pass", "3 of 5 ways back to 'host' are open", lambda pc: pc),
    ("ways-back", "fail", "0 of 5", lambda pc: pc.config(config(rescue="none")).remove("boot/grub/grub.cfg")),
    ("way-back-power-button", "pass", "brings the screen back", lambda pc: pc),
    ("way-back-power-button", "warn", "", lambda pc: pc.config(config(rescue="none"))),
    ("switch", "pass", "A switch takes ", lambda pc: pc),
    ("boot-place", "pass", "GRUB with the boot environment", lambda pc: pc),
    ("boot-unit", "pass", "vfio-mode-boot.service is enabled", lambda pc: pc),
    ("boot-unit", "warn", "is not enabled", lambda pc: pc.remove(
        f"{UNITS}/sysinit.target.wants/vfio-mode-boot.service")),
    ("confirm-unit", "pass", "vfio-mode-confirm.service is enabled", lambda pc: pc),
    ("confirm-unit", "warn", "is not enabled", lambda pc: pc.remove(
        f"{UNITS}/multi-user.target.wants/vfio-mode-confirm.service")),
    ("fallback-unit", "pass", "vfio-mode-fallback.service is enabled", lambda pc: pc),
    *(("fallback-unit", "warn", "is not enabled", lambda pc, target=target: pc.remove(
        f"{UNITS}/{target}.target.wants/vfio-mode-fallback.service")) for target in ("rescue", "emergency")),
    ("bus-unit", "pass", "vfio-moded.path is enabled", lambda pc: pc),
    ("bus-unit", "warn", "is not enabled", lambda pc: pc.remove(f"{UNITS}/paths.target.wants/vfio-moded.path")),
]


@pytest.fixture
def pc(tmp_path):
    (tmp_path / "root").mkdir()
    return Pc(tmp_path / "root")


@pytest.mark.parametrize(("name", "result", "words", "differ"), CASES)
def test_a_check(pc, name, result, words, differ):
    differ(pc)
    rows = [row for row in pc.checks() if row.id == name and words in row.message]
    assert [row.result for row in rows] == [result], pc.checks()


OVERRIDE = f"#!/bin/sh\nfor i in {GPU}; do\n\techo vfio-pci > /sys/bus/pci/devices/$i/driver_override\ndone\n"
NOT_BOOTED_WITH = """for i in $(find /sys/devices/pci* -name boot_vga); do
    [ $(cat $i) -eq 1 ] || echo vfio-pci > ${i%/boot_vga}/driver_override
done
"""
INIT_TOP = "etc/initramfs-tools/scripts/init-top/vfio"
DRACUT_HOOK = "usr/lib/dracut/modules.d/20vfio/vfio-pci-override.sh"
IS_EARLY = f"/{{path}} is for the initramfs, and may give {GPU} to another driver at every boot."
UPDATE = "usr/sbin/update-initramfs"
EARLY = [
    *((UPDATE, "etc/initramfs-tools/modules", f"# loaded\n\n{line}\n",
       f"The initramfs loads {line.split()[0]} with ids= and so gives it every 10de:2484, also {GPU}, at every boot "
       "(/etc/initramfs-tools/modules:3).",
       "sed --in-place --follow-symlinks '3s/^/#/' /etc/initramfs-tools/modules && update-initramfs -u -k all")
      for line in ("vfio_pci ids=10de:2206,10de:2484", " vfio-pci\tdisable_vga=1 ids=10de:2484",
                   "pci-stub ids=10de:2484")),
    *((UPDATE, INIT_TOP, text, IS_EARLY.format(path=INIT_TOP), f"chmod a-x /{INIT_TOP} && update-initramfs -u -k all")
      for text in (OVERRIDE, NOT_BOOTED_WITH, "echo 10DE 2484 > /sys/bus/pci/drivers/vfio-pci/new_id\n",
                   "echo 0x10de 0x2484 >/sys/bus/pci/drivers/vfio-pci/new_id\n", "modprobe vfio-pci ids=10de:2484\n",
                   f"echo {GPU} > /sys/bus/pci/drivers/vfio-pci/bind\n")),
    ("usr/bin/mkinitcpio", "etc/initcpio/hooks/vfio", OVERRIDE, IS_EARLY.format(path="etc/initcpio/hooks/vfio"),
     "Take the hook /etc/initcpio/hooks/vfio out of HOOKS in /etc/mkinitcpio.conf, then: mkinitcpio -P"),
    ("usr/bin/dracut", DRACUT_HOOK, OVERRIDE, IS_EARLY.format(path=DRACUT_HOOK),
     f"Take the module with /{DRACUT_HOOK} away, then: dracut --force --regenerate-all"),
]


def early(pc, tool, path, text, mode=0o755):
    pc.write(tool, "").write(path, text)
    (pc.root / path).chmod(mode)
    return [(row.result, row.message, row.advice) for row in pc.checks() if row.id == "owner"]


@pytest.mark.parametrize(("tool", "path", "text", "message", "advice"), EARLY)
def test_who_takes_a_card_in_the_initramfs(pc, tool, path, text, message, advice):
    """Where the image is made by another tool it is only left over; and where the advice is a command, it helps."""
    assert early(pc, tool, path, text) == [("warn", message, advice)]
    assert f"{message} → {advice}" in pc.json("init", "--dry-run")["remarks"]
    pc.remove(tool)
    assert early(pc, "usr/bin/none", path, text) == NOBODY
    if " && " in advice:
        subprocess.run(["sh", "-euc", advice.partition(" && ")[0].replace(" /etc/", f" {pc.root}/etc/")], check=True)
        mode = (pc.root / path).stat().st_mode
        assert early(pc, tool, path, (pc.root / path).read_text(), mode) == NOBODY


NOBODY = [("pass", "No other program is set to move them.", "")]


@pytest.mark.parametrize(("path", "text", "mode"), [
    ("etc/initramfs-tools/modules", "# vfio_pci ids=10de:2484\n #vfio_pci ids=10de:2484\n", 0o644),
    ("etc/initramfs-tools/modules", "vfio_pci ids=10de:2206\nvfio_pci\nvfio vfio_pci ids=10de:2484\n", 0o644),
    (INIT_TOP, OVERRIDE, 0o644),
    (f"{INIT_TOP}~", OVERRIDE, 0o755),
    (INIT_TOP, OVERRIDE.replace("\n", "\n# "), 0o755),
    (INIT_TOP, OVERRIDE.replace(GPU, "0000:02:00.0"), 0o755),
    (INIT_TOP, f"setpci -s {GPU} COMMAND=0\n", 0o755)])
def test_who_takes_none_in_the_initramfs(pc, path, text, mode):
    assert early(pc, UPDATE, path, text, mode) == NOBODY


@pytest.mark.parametrize(("hookscript", "advice"), [
    (None, "install -D -t /var/lib/vz/snippets /usr/share/vfio-mode/hooks/proxmox && qm set 100 --hookscript "
           "local:snippets/proxmox"),
    ("local:snippets/vfio", 'Have it call: /usr/bin/vfio-modectl hook -- proxmox "$@" || exit')])
def test_a_hookscript_of_a_persons_own_stays(pc, hookscript, advice):
    pve(pc.config(config(on_vm_exit="fallback")), hookscript, text="#!/bin/sh\n")
    assert [row.advice for row in pc.checks() if row.id == "proxmox-hook"] == [advice, ""]


def test_what_the_host_mode_has_too_may_be_bound(pc):
    """Whatever Proxmox VE does with it."""
    pve(pc, lines="hostpci0: 01:00,driver=keep\nhostpci1: 05:00\n")
    assert [row.result for row in pc.checks() if "driver=keep" in row.message] == ["pass"]
    pc.config(config().replace("[mode host]\nvfio-devices = nic\n", ""))
    assert [row.result for row in pc.checks() if "driver=keep" in row.message] == ["warn"]


@pytest.mark.parametrize(("differ", "advice"), [
    (lambda pc: pc.remove("etc/vfio-mode.ini"), "`vfio-modectl init` proposes one."),
    (lambda pc: pc.config(FALLBACK_CONFIG + "nonsense = 1\n"), "Mend it; `vfio-modectl check` shows every error.")])
def test_what_to_do_about_the_configuration(pc, differ, advice):
    """Where there is none, nothing is to be mended."""
    differ(pc)
    rows = {row.id: row for row in pc.checks()}
    assert rows["config"].advice == advice
    assert ("vfio-modectl init" in advice) == ("vfio-modectl init" in rows["switch"].message), rows["switch"]


@pytest.mark.parametrize(("disk", "may_go"), [("/srv", True), ("/", False)])
def test_a_group_with_a_disk(pc, disk, may_go):
    """Of one that the system needs nobody is told to give it away."""
    row, = (row for row in pc.disk(disk).checks() if row.id == "group-gpu")
    assert row.advice.startswith("Put the card into another slot") and ("(key also)" in row.advice) == may_go, row


def test_who_makes_a_block_anew(pc):
    """Of one that cannot be read, nobody does."""
    pc.remove(BLOCK)
    row, = (row for row in pc.checks() if row.id == "boot-place")
    assert row.advice == "Update GRUB's configuration, or reboot, which makes it anew."
    pc.root.joinpath(BLOCK).parent.rmdir()
    pc.write(str(Path(BLOCK).parent), "")
    row, = (row for row in pc.checks() if row.id == "boot-place")
    assert (row.message, row.advice) == (f"The boot environment /{BLOCK} cannot be used: Not a directory.", "")


@pytest.mark.parametrize(("kind", "result", "words", "advice"), [
    ("virt_hook_t", "pass", "libvirt runs /etc/libvirt/hooks/qemu.d/libvirt, which is virt_hook_t", ""),
    ("virt_etc_rw_t", "warn", "is virt_etc_rw_t instead of virt_hook_t",
     "restorecon -v /etc/libvirt/hooks/qemu.d/libvirt")])
def test_label_of_the_hook(pc, kind, result, words, advice):
    """As the kernel stores it; tests/unit/test-hook-check.c has what else there may be."""
    hook(pc.write("sys/fs/selinux/enforce", "1").write("sys/fs/selinux/booleans/virt_hooks_unconfined", "0 0"))
    try:
        os.setxattr(pc.root / "etc/libvirt/hooks/qemu.d/libvirt", "security.selinux",
                    f"system_u:object_r:{kind}:s0\0".encode())
    except OSError as error:
        pytest.skip(f"no label can be set here: {error}")
    row, = (row for row in pc.checks() if row.id == "libvirt-hook")
    assert (row.result, row.advice) == (result, advice) and words in row.message, row


@pytest.mark.parametrize(("path", "added", "results"), [
    ("usr/share/vgabios/gpu.rom", "", ["pass"]),
    ("srv/vbios/gpu.rom", "", ["pass", "warn"]),
    ("srv/vbios/gpu.rom", "local/abstractions/libvirt-qemu", ["pass"]),
    ("srv/vbios/gpu.rom", "abstractions/libvirt-qemu.d/vbios", ["pass"])])
def test_what_apparmor_lets_a_guest_read(pc, path, added, results):
    """By the rules of its abstraction, and those that were added on this machine; where it is not on, nothing is said."""
    confined(pc, path, added)
    rows = [row for row in pc.checks() if row.id == "guest-rom-gpu"]
    assert [row.result for row in rows] == results, rows
    if "warn" in results:
        assert "/etc/apparmor.d/local/abstractions/libvirt-qemu" in rows[1].advice
        pc.write("sys/module/apparmor/parameters/enabled", "N\n")
        assert [row.result for row in pc.checks() if row.id == "guest-rom-gpu"] == ["pass"]


def test_pages_in_host_mode(pc):
    """It asks for none, and has those that somebody reserved for the guest's sake."""
    memory(pc).pool("1048576kB", 20, 20).cmdline("default_hugepagesz=1G hugepages=20")
    assert [row for row in pc.checks("host") if row.id.startswith("hugepages")] == [Row(
        "hugepages-1G", "warn",
        "20 are there, reserved by the kernel command line, and the mode wants 0: the host is short of 20 GiB for nothing.",
        "echo 0 >/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages; and take hugepages= off the kernel command "
        "line: a mode that needs them has hugepages-1G or hugepages-2M.")]


def test_a_grub_that_nobody_boots_by(pc):
    """What it was made from is of no matter: systemd-boot does not read it."""
    changed(pc, "etc/default/grub")
    assert [row.result for row in pc.checks() if row.id == "boot-fresh"] == ["warn"]
    info = pc.root / "sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    info.parent.mkdir(parents=True)
    info.write_bytes(b"\6\0\0\0" + "systemd-boot 257\0".encode("utf-16-le"))
    rows = {row.id: row for row in pc.checks()}
    assert "This machine boots by systemd-boot" in rows["boot-place"].message
    assert "boot-fresh" not in rows


def test_a_link_is_replaced_where_it_is(pc):
    """Whatever it is called: beside a copy of another name it would go on stopping every guest."""
    hook(pc.apparmor(), link=True)
    (pc.root / "etc/libvirt/hooks/qemu.d/libvirt").rename(pc.root / "etc/libvirt/hooks/qemu.d/50-vfio")
    [row] = [row for row in pc.checks() if row.id == "libvirt-hook"]
    assert row.result == "fail"
    assert row.advice == ("install /usr/share/vfio-mode/hooks/libvirt '/etc/libvirt/hooks/qemu.d/50-vfio' && "
                          "systemctl reload libvirtd.service")


def test_each_is_seen_both_ways(tmp_path):
    """Those of the man page, and no others; none that only ever passes, or never does; and none without saying what to do."""
    section = PAGE.read_text(encoding="utf-8").split(".Sh CHECKS")[1].split(".Sh WAYS BACK")[0]
    named = {name for line in re.findall(r"^\.It Sy (.*)$", section, re.M)
             for name in line.replace(" Ns Ar ", "").split(" , ")}
    seen = set()
    for number, (_, _, _, differ) in enumerate(CASES):
        (tmp_path / str(number)).mkdir()
        machine = Pc(tmp_path / str(number))
        differ(machine)
        rows = machine.checks()
        assert all(row.advice for row in rows if row.result != "pass" and not row.id.startswith(SAID)), rows
        seen |= {(re.sub(r"-(gpu|nic)$", "-NAME", re.sub("^way-back-.*", "way-back-WAY", row.id)), row.result == "pass")
                 for row in rows}
    assert seen == {(name, passes) for name in named - LIVE for passes in (True, False)}, sorted(seen)
