# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes into the emulated PC, and everything that differs between Debian releases.

Knows package names and file patterns only; how they become a disk is image.py's business.
"""

from dataclasses import dataclass

# What the guest runs. strace, driverctl, QEMU and Python are there for the tests alone.
_RUNTIME = """
    linux-image-amd64 systemd systemd-sysv udev dbus polkitd libpam-systemd kmod initramfs-tools zstd
    grub-efi-amd64-bin grub2-common pciutils pci.ids libpci3 libexpat1 libinih1 libjson-c5 iproute2 procps
    iputils-ping less e2fsprogs strace driverctl python3 qemu-system-x86
""".split()

# What builds the product, its helpers and test drivers in the same tree, so that they match the
# libraries and the kernel of the guest. None of it reaches the disk: see NOT_ON_DISK.
_BUILD = """
    gcc libc6-dev make meson ninja-build pkgconf libsystemd-dev libkmod-dev libpci-dev libinih-dev libexpat1-dev
    libjson-c-dev linux-headers-amd64
""".split()

# Never unpacked. The modules are for hardware that QEMU does not emulate.
EXCLUDED_PATHS = [
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*",
    "/usr/share/lintian/*", "/usr/share/qemu/hppa-*", "/usr/share/qemu/skiboot*",
] + [
    # Debian 12 unpacks modules to /lib/modules, Debian 13 to /usr/lib/modules.
    f"{prefix}/modules/*/kernel/{directory}/*"
    for prefix in ("/lib", "/usr/lib")
    for directory in (
        "drivers/gpu/drm/amd", "drivers/gpu/drm/i915", "drivers/gpu/drm/nouveau",
        "drivers/gpu/drm/radeon", "drivers/gpu/drm/xe", "drivers/iio", "drivers/infiniband",
        "drivers/isdn", "drivers/media", "drivers/net/wireless", "drivers/staging", "sound/soc",
    )
]

# In the tree that compiles, but left off the disk.
NOT_ON_DISK = [
    "usr/lib/gcc", "usr/libexec/gcc", "usr/include", "usr/src", "usr/lib/linux-kbuild-*",
    "usr/lib/x86_64-linux-gnu/*.a", "var/lib/apt/lists/*", "var/cache/apt/*", "var/log/*.log",
    "usr/lib/python3/dist-packages/mesonbuild", "usr/lib/systemd/boot", "usr/share/mime",
] + [
    # Each boot runs all generators, a tenth of a second of emulation each.
    f"usr/lib/systemd/system-generators/systemd-{name}-generator"
    for name in ("hibernate-resume", "rc-local", "run", "ssh", "system-update", "sysv", "tpm2")
] + [
    # What weston would use for what nobody here sees: 3D, films, remote screens.
    f"usr/lib/x86_64-linux-gnu/{name}*"
    for name in ("libLLVM", "libgallium", "libz3", "libav", "libx265", "libcodec2", "libplacebo",
                 "libSvtAv1Enc", "lapack", "libaom", "libflite")
]

# The normal initrd reaches the root and the tests' command port, nothing else: the GPU's driver
# then loads in the booted system. The second one has the GPU's and the sound card's driver as well.
INITRD_MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "ext4"]
INITRD_GPU_MODULES = ["bochs", "snd_hda_intel", "snd_hda_codec_generic"]

# What the emulated PC has none of.
OMITTED_BY_DRACUT = """
    lvm dm crypt mdraid multipath nvdimm resume plymouth i18n console-setup btrfs network nfs qemu dmraid
    kernel-modules-extra virtiofs virtfs usrmount modsign bluetooth hwdb systemd-hostnamed systemd-timedated
    systemd-resolved systemd-networkd systemd-pcrphase systemd-sysext systemd-coredump systemd-portabled
""".split()

# Units of Debian that cost boot time or wake up in the middle of a test.
MASKED_UNITS = """
    grub-common.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
    e2scrub_reap.service fstrim.timer man-db.timer motd-news.timer systemd-pcrphase.service
    systemd-tmpfiles-clean.timer systemd-firstboot.service
    systemd-hwdb-update.service systemd-update-utmp.service ldconfig.service
    systemd-udev-load-credentials.service systemd-tpm2-setup-early.service
    systemd-tpm2-setup.service systemd-random-seed.service systemd-pstore.service
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount sys-kernel-tracing.mount
    sys-fs-fuse-connections.mount dev-mqueue.mount modprobe@fuse.service modprobe@dm_mod.service
    modprobe@loop.service lvm2-monitor.service lvm2-lvmpolld.socket dm-event.socket
    blk-availability.service sys-kernel-debug.mount sys-kernel-config.mount run-lock.mount
    systemd-journal-flush.service systemd-hostnamed.socket
    systemd-sysctl.service systemd-tmpfiles-setup-dev-early.service tmp.mount
    xfs_scrub_all.timer systemd-hibernate-clear.service
    libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirt-guests.service
    virtlogd.service virtlogd.socket virtlogd-admin.socket apparmor.service
""".split()


@dataclass(frozen=True)
class Suite:
    """One Debian release."""

    name: str
    extra_packages: tuple[str, ...]

    @property
    def packages(self) -> list[str]:
        return sorted({*_RUNTIME, *_BUILD, *self.extra_packages})


SUITES = {
    suite.name: suite
    for suite in (
        # systemd.pc moved from systemd to systemd-dev between the two. The rest is for test_next_boot*.py:
        # disks on LVM, file systems to record writes on, another boot loader; for test_sessions.py a
        # display manager and a compositor; for test_initramfs.py the other tool that makes one, which is there
        # beside the first as long as its kernel hooks are not; and for test_libvirt.py that, with AppArmor.
        Suite("trixie", extra_packages=(
            "systemd-dev", "lvm2", "xfsprogs", "dosfstools", "systemd-boot-efi", "greetd", "weston",
            "libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients", "systemd-container",
            "dracut-core", "apparmor")),
        Suite("bookworm", extra_packages=()),
    )
}
