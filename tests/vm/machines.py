# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated machines, as data.

Each has one condition that the product has to deal with; test_machines.py checks on the booted
machine that it is really there. PCI addresses follow from the order of the root ports: firmware
numbers the buses behind them from 1 on.
"""

from dataclasses import dataclass, field

HOST_MAC = "52:54:00:00:00:01"  # the card with the default route, see guest/etc/udev
SPARE_MAC = "52:54:00:00:00:02"

_IOMMU = ("intel-iommu,intremap=on,caching-mode=on",)  # first of all devices, or it misses some


# Modules that a boot would only spend its time with: some are a second of emulation each.
_UNUSED_MODULES = """
    kvm_amd kvm_intel ccp iTCO_wdt i2c_i801 lpc_ich psmouse serio_raw pcspkr ip_tables nfnetlink
    crct10dif_pclmul crc32_pclmul ghash_clmulni_intel sha512_ssse3 sha256_ssse3 sha1_ssse3 aesni_intel
    qemu_fw_cfg efi_pstore powernow_k8 acpi_cpufreq
""".split()
_QUICK = (
    "intel_iommu=on nokaslr init_on_alloc=0 audit=0 lsm=yama "
    f"systemd.gpt_auto=no modprobe.blacklist={','.join(_UNUSED_MODULES)}")
# Without what a power button and a login take. And with a clock that was 200 s ahead after a restore (seen
# once, 6.12; journald's watchdog fired): only for machines that boot more than they are restored.
_QUICKEST = f"{_QUICK},evdev,button systemd.getty_auto=no tsc=reliable"


def _port(name: str, slot: int) -> str:
    """A PCIe root port in slot 2 and up of the root bus; the first one's bus is number 1."""
    return f"pcie-root-port,id={name},bus=pcie.0,addr={slot:#x},chassis={slot},slot={slot}"


def _gpu(bus: str, model: str, number: int = 0, slot: int = 0) -> tuple[str, ...]:
    """A graphics card with its sound function: one slot, one IOMMU group, two host drivers."""
    return (
        f"{model},id=gpu{number},bus={bus},addr={slot:#x}.0,multifunction=on",
        f"intel-hda,id=hda{number},bus={bus},addr={slot:#x}.1",
        # Without a codec there is no PCM to hold.
        f"hda-duplex,bus=hda{number}.0,audiodev=silence",
    )


def _nodes(*gigabytes: int) -> tuple[str, ...]:
    """Memory in NUMA nodes of so many GiB each; the processor is on the first. The host gives what is touched."""
    arguments = ["-m", f"{sum(gigabytes)}G"]
    for number, size in enumerate(gigabytes):
        arguments += ["-object", f"memory-backend-ram,id=memory{number},size={size}G",
                      "-numa", f"node,nodeid={number},memdev=memory{number}{',cpus=0' if number == 0 else ''}"]
    return tuple(arguments)


def _nic(bus: str, mac: str, model: str = "e1000e", slot: int = 0) -> str:
    # No option ROM: the firmware would try to boot from the network.
    return f"{model},id=nic{mac[-1]},bus={bus},addr={slot:#x},mac={mac},netdev=net{mac[-1]},romfile="


@dataclass(frozen=True)
class Machine:
    """What QEMU is told, what the kernel is told, and the product's configuration."""

    name: str
    description: str
    devices: tuple[str, ...]
    ini: str | None
    gpus: tuple[str, ...]  # PCI addresses of display functions
    nic: str | None = None
    suite: str = "trixie"
    kernel_args: str = _QUICK
    initrd: str | None = None  # GRUB's path; None for the normal one
    hooks: bool = False  # the initramfs has the GPU's drivers, and vfio-mode's part, with this `ini`
    without: str = ""  # modules that dracut's is made without, if it has hooks
    lvm: bool = False  # root and /boot on a logical volume
    prepare: str = ""  # a script for the first boot; the machine is what the boot after it is
    memory: tuple[str, ...] = ("-m", "1024")  # QEMU's arguments
    files: dict[str, str] = field(default_factory=dict, hash=False)

    def all_files(self) -> dict[str, str]:
        """What is put on the disk before the first boot."""
        ini = {"/etc/vfio-mode.ini": self.ini} if self.ini is not None else {}
        return ini | self.files


def ini(gpu: str = "address = 0000:01:00.0\nid = 1234:1111", *, consent: str = "boot-vga",
        nic: str | None = None, general: str = "", cmdline: str = "", rescue: bool = False) -> str:
    """A configuration with a mode `passthrough` that takes the GPU.

    rescue: with the power button, as by itself. Without, a press of it shuts the machine down as always.
    """
    text = f"[general]\ndefault-mode = host\nfallback-mode = host\n{general}\n[device gpu]\n{gpu}\n"
    if consent:
        text += f"consent = {consent}\n"
    if nic:
        text += f"\n[device nic]\naddress = {nic}\n"
    text += "\n[mode host]\n\n[mode passthrough]\nvfio-devices = gpu\n"
    if not rescue:
        text += "rescue = none\n"
    if cmdline:  # in lines of their own: a line is not as long as a cmdline may be
        text += "cmdline = " + "\n  ".join(cmdline.split()) + "\n"
    return text


# A grub.cfg made in the guest by update-grub, on the serial line, with no time to wait in the menu:
# `grub-editenv - set recordfail=1` gives a test that wants to pick an entry half a minute, once.
_DEFAULT_GRUB = f"""
GRUB_TIMEOUT=0
GRUB_RECORDFAIL_TIMEOUT=60
GRUB_DISTRIBUTOR=Debian
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_OS_PROBER=true
GRUB_DISABLE_LINUX_UUID=true
GRUB_CMDLINE_LINUX_DEFAULT=quiet
GRUB_CMDLINE_LINUX="mitigations=off no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1 console=tty0 \
console=ttyS0 {_QUICKEST}"
"""
# In menu entries, too: every character that a cmdline may have.
GRUB_CMDLINE = (
    "nosmt test.alphabet=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:=/@+%~^!- "
    "~test.~/ -test.-- =test. ^test.^")
_UPDATE_GRUB = "grub-editenv /boot/grub/grubenv create && update-grub"

_SPARE = _port("spare", 6)  # an empty slot to plug things into
_TWO_PORTS = (_port("port1", 2), _port("port2", 3))
_VGA_AND_NIC = (*_IOMMU, *_TWO_PORTS, _SPARE, *_gpu("port1", "VGA"), _nic("port2", SPARE_MAC))

# What the machines have that are "gpu" but for one thing.
_GPU_AND_NIC = {"devices": _VGA_AND_NIC, "ini": ini(nic="0000:02:00.0"), "gpus": ("0000:01:00.0",),
                "nic": "0000:02:00.0"}

GPU = Machine(
    "gpu",
    "a boot_vga GPU with audio in one IOMMU group, and a NIC that nobody needs",
    **_GPU_AND_NIC,
    # Masked: it would start vfio-moded after each switch, for signals that nobody waits for on this machine,
    # which most tests have. That is two seconds of emulation each time.
    files={"/etc/systemd/system/vfio-moded.path": ""},
)

MACHINES = {
    machine.name: machine
    for machine in (
        GPU,
        Machine(
            "grub",
            "gpu, with a grub.cfg made by update-grub",
            devices=_VGA_AND_NIC,
            ini=ini(cmdline=GRUB_CMDLINE),
            gpus=("0000:01:00.0",),
            kernel_args=_QUICKEST,
            files={"/etc/default/grub": _DEFAULT_GRUB},
            prepare=_UPDATE_GRUB,
        ),
        Machine(
            "lvm",
            "grub, with root and /boot on a logical volume, and an ESP",
            devices=_VGA_AND_NIC,
            ini=ini(),
            gpus=("0000:01:00.0",),
            lvm=True,
            kernel_args=f"{_QUICKEST} root=/dev/mapper/pve-root",
            files={"/etc/default/grub": _DEFAULT_GRUB,
                   "/etc/fstab": "/dev/mapper/pve-root / ext4 errors=remount-ro 0 0\n"
                                 "/dev/vda1 /boot/efi vfat umask=0077 0 0\n"},
            prepare=_UPDATE_GRUB,
        ),
        Machine(
            "nic",
            "the GPU is a display controller (class 0x0380), not a VGA, and the firmware draws on it; and a NIC "
            "that carries the default route",
            devices=(*_IOMMU, *_TWO_PORTS, _SPARE, *_gpu("port1", "bochs-display"),
                     _nic("port2", HOST_MAC)),
            ini=ini(nic="0000:02:00.0"),
            gpus=("0000:01:00.0",),
            nic="0000:02:00.0",
        ),
        Machine(
            "two-gpus",
            "two identical cards; the first has boot_vga",
            devices=(*_IOMMU, *_TWO_PORTS, _SPARE, *_gpu("port1", "VGA"),
                     *_gpu("port2", "VGA", number=1)),
            ini=ini("address = 0000:02:00.0\nid = 1234:1111", consent=""),
            gpus=("0000:01:00.0", "0000:02:00.0"),
        ),
        Machine(
            "apparmor",
            "gpu, with AppArmor on, whose profiles nobody has loaded yet",
            **_GPU_AND_NIC,
            kernel_args=_QUICK.replace("lsm=yama", "lsm=yama,apparmor"),
        ),
        Machine(
            "numa",
            "gpu, with memory for pages of 1 GiB, on two nodes",
            **_GPU_AND_NIC,
            memory=_nodes(5, 3),
        ),
        Machine(
            "foreign-group",
            "the GPU and a NIC in use share an IOMMU group, behind a bridge to conventional PCI",
            devices=(*_IOMMU, _port("port1", 2), _SPARE, "pcie-pci-bridge,id=bridge,bus=port1",
                     *_gpu("bridge", "VGA", slot=1), _nic("bridge", SPARE_MAC, "e1000", slot=2)),
            ini=ini("address = 0000:02:01.0\nid = 1234:1111"),
            gpus=("0000:02:01.0",),
            nic="0000:02:02.0",
        ),
        Machine(
            "no-iommu",
            "the board has no IOMMU, or it is off in the firmware",
            devices=(*_TWO_PORTS, _SPARE, *_gpu("port1", "VGA"), _nic("port2", SPARE_MAC)),
            ini=ini(nic="0000:02:00.0"),
            gpus=("0000:01:00.0",),
            nic="0000:02:00.0",
        ),
        Machine(
            "moved",
            "nic, whose card was put into another slot while the machine was off",
            devices=(*_IOMMU, *_TWO_PORTS, *_gpu("port2", "bochs-display")),
            ini=ini(),
            gpus=("0000:02:00.0",),
        ),
        Machine(
            "gpu-initramfs",
            "gpu, with the GPU's drivers loaded in the initramfs already",
            **_GPU_AND_NIC,
            initrd="/boot/initrd-gpu.img",
        ),
        *(Machine(
            f"gpu-hooks{'' if suite == 'trixie' else '-' + suite}",
            "gpu-initramfs, whose initramfs keeps the drivers off the GPU in the mode that takes it",
            **_GPU_AND_NIC,
            suite=suite,
            hooks=True,
        ) for suite in ("trixie", "bookworm")),
        Machine(
            "gpu-hooks-default",
            "gpu-hooks, whose default mode takes the GPU, and where dracut makes an initramfs without systemd",
            devices=_VGA_AND_NIC,
            ini=ini(nic="0000:02:00.0").replace("default-mode = host", "default-mode = passthrough"),
            gpus=("0000:01:00.0",),
            nic="0000:02:00.0",
            hooks=True,
            without="systemd",
        ),
        Machine(
            "gpu-bookworm",
            "gpu, on Debian 12: kernel 6.1, systemd 252, GRUB 2.06",
            **_GPU_AND_NIC,
            suite="bookworm",
        ),
    )
}
