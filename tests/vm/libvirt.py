# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt in the emulated PC, with the hook as it is installed, and a guest that is given the graphics card.

    libvirt.install(pc)
    libvirt.define(pc)
    pc.ok("virsh start win-11")
"""

from pc import PC

NAME = "win-11"
LOG = f"/var/log/libvirt/qemu/{NAME}.log"
HOOK = "/etc/libvirt/hooks/qemu.d/libvirt"
HOOK_SOURCE = "/usr/share/vfio-mode/hooks/libvirt"

# Masked on the disk, where every other test would start them at each boot. No lock and no log daemon: nothing here
# would see a difference.
_UNITS = "libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket virtlogd.service virtlogd.socket"
_QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "{}"
stdio_handler = "file"
"""
_PROFILES = "/etc/apparmor.d/usr.sbin.libvirtd /etc/apparmor.d/usr.lib.libvirt.virt-aa-helper"


def _hostdev(function: int, managed: str, more: str) -> str:
    return (f"<hostdev mode='subsystem' type='pci' managed='{managed}'><source><address domain='0x0000' bus='0x01' "
            f"slot='0x00' function='{function:#x}'/></source>{more}</hostdev>")


def domain(*, managed: str = "no", devices: str = "", hostdev: str = "", arguments: str = "") -> str:
    """The definition of a guest on the card and its sound function."""
    extra = "".join(f"<qemu:arg value='{argument}'/>" for argument in arguments.split())
    return f"""\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{NAME}</name><uuid>926dc612-4867-4c28-ae74-c46a88737db8</uuid>
  <memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
  <on_poweroff>destroy</on_poweroff><on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    {_hostdev(0, managed, hostdev)}{_hostdev(1, managed, "")}{devices}
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>{extra}</qemu:commandline>
</domain>
"""


# What a guest's firmware boots: it waits for the power button, as ACPI has it (QEMU's ICH9 has its registers at
# 0x600), and switches itself off.
_OBEYS = bytes([
    0xba, 0x02, 0x06,  # mov dx, 0x602: what is enabled
    0xed,              # in ax, dx
    0x80, 0xcc, 0x01,  # or ah, 1: the power button
    0xef,              # out dx, ax
    0xba, 0x00, 0x06,  # mov dx, 0x600: what has happened
    0xed,              # in ax, dx
    0xf6, 0xc4, 0x01,  # test ah, 1
    0x74, 0xfa,        # jz, back to the in
    0xba, 0x04, 0x06,  # mov dx, 0x604
    0xb8, 0x00, 0x20,  # mov ax, 0x2000: sleep, of type 0, which is off
    0xef,              # out dx, ax
    0xf4,              # hlt
]).ljust(510, b"\0") + b"\x55\xaa"
_DISK = "/var/lib/libvirt/images/obeys.img"
_IS_READY = f"virsh --quiet qemu-monitor-command --hmp {NAME} 'i /hx 0x602' | grep -q 0x0100"


def define_obeying(pc: PC, *, managed: str = "no") -> None:
    """As define(), a guest that ends when it is asked to: see until_it_obeys()."""
    pc.write(_DISK, _OBEYS)
    pc.ok(f"truncate --size=1M {_DISK}")
    define(pc, domain(managed=managed, devices=f"<disk type='file'><driver name='qemu' type='raw'/>"
                      f"<source file='{_DISK}'/><target dev='sda' bus='sata'/></disk>"))


def until_it_obeys(pc: PC) -> None:
    pc.ok(f"until {_IS_READY}; do :; done", timeout=120)


def run(pc: PC, *, confined: bool = False) -> None:
    """libvirtd runs, and knows of no hook; it and its guests under AppArmor, or not."""
    pc.write("/etc/libvirt/qemu.conf", _QEMU_CONF.format("apparmor" if confined else "none"))
    if confined:
        # As apparmor.service does, which would load many others as well.
        pc.ok(f"apparmor_parser --replace {_PROFILES}", timeout=120)
    pc.ok(f"systemctl unmask --quiet {_UNITS} && systemctl start libvirtd.service", timeout=120)


def install(pc: PC, *, confined: bool = False) -> None:
    """libvirtd runs, and knows the hook: as the man page says."""
    run(pc, confined=confined)
    # Until then it is there, and not where libvirtd would look.
    pc.ok(f"test -x {HOOK_SOURCE} && ! test -e {HOOK}")
    pc.ok(f"install -D -t {HOOK.rpartition('/')[0]} {HOOK_SOURCE} && systemctl reload libvirtd")


def define(pc: PC, definition: str | None = None) -> None:
    pc.write("/root/guest.xml", definition or domain())
    pc.ok("virsh --quiet define /root/guest.xml", timeout=120)
