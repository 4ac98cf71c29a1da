#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where distributions boot in another way: what vfio-modectl says there, with the service and the
inspection behind it, and that a mode without kernel arguments goes by the EFI variable.

The inspection is by the vfio-mode-apply beside $VFIO_MODED.
"""

import json
import os
import pathlib
import subprocess
from dataclasses import dataclass

import pytest
from rig import PROGRAM, Rig
from captured import fields, run, sanitizers  # found by rig

APPLY = pathlib.Path(PROGRAM).with_name("vfio-mode-apply")
EFIVARS = "27 26 0:28 / /sys/firmware/efi/efivars rw,nosuid shared:5 - efivarfs efivarfs rw\n"
ROOT = "21 1 {device} / / rw,relatime shared:1 - {kind} x rw\n"
# What 09_vfio-mode leaves in grub.cfg; tests/grub/test_scripts.py has it write this.
NO_VARIABLE = ("$vfio_args is not on the kernel's command line: put the line "
               "'. /etc/default/grub.d/vfio-mode.cfg' at the end of /etc/default/grub")
BLS = "the boot menu's entries are files (Boot Loader Specification) and carry no mode"
BY_E = "By hand, for one boot: press e in {}, and add vfio_mode=MODE and the mode's cmdline"


@dataclass
class Tree:
    """What is another on such a machine, what is said of a mode with kernel arguments, and which check
    says it."""

    files: dict[str, str | None]  # None: not there
    says: str
    check: str = "boot-place"
    mounts: str = ROOT.format(device="8:2", kind="ext4")
    has_efi: bool = True
    refusal: str = "not-supported"
    also: tuple[str, ...] = ()


ZFS = ROOT.format(device="0:40", kind="zfs")
NOT_DEBIAN = {"usr/sbin/update-grub": None}
TREES = {
    "Arch, as GRUB was installed": Tree(
        {**NOT_DEBIAN, "boot/grub/grub.cfg": "set timeout=5\n"},
        "GRUB's configuration does not have vfio-mode's script yet: run grub-mkconfig -o "
        "/boot/grub/grub.cfg, and reboot once.",
        "boot-scripts", refusal="unprotected"),
    "Arch, without the line in /etc/default/grub": Tree(
        {**NOT_DEBIAN,
         "boot/grub/grub.cfg": f"# vfio-mode: no mode can be chosen for the next boot: {NO_VARIABLE}\n"},
        f"GRUB's configuration was made without vfio-mode's script: {NO_VARIABLE}. When that is mended "
        "run grub-mkconfig -o /boot/grub/grub.cfg, and reboot once.",
        "boot-scripts", refusal="unprotected"),
    "openSUSE, as GRUB was installed": Tree(
        {**NOT_DEBIAN, "boot/grub/grub.cfg": None, "boot/grub2/grub.cfg": "set timeout=5\n"},
        "run grub2-mkconfig -o /boot/grub2/grub.cfg, and reboot once.",
        "boot-scripts", refusal="unprotected"),
    "Fedora": Tree(
        {**NOT_DEBIAN, "boot/grub/grub.cfg": None, "boot/grub2/grub.cfg": "insmod blscfg\nblscfg\n",
         "boot/loader/entries/6d1c-6.12.conf": "options root=UUID=0b1c ro rhgb quiet\n"},
        "This machine boots by GRUB with entry files, which vfio-mode cannot tell the next boot's mode. "
        + BY_E.format("GRUB's menu"),
        mounts=ROOT.format(device="0:40", kind="btrfs") + "30 21 8:2 / /boot rw - ext4 /dev/sda2 rw\n",
        also=("grubby --update-kernel=DEFAULT --args=...",)),
    "Fedora, with a grub.cfg that was made anew": Tree(
        {**NOT_DEBIAN, "boot/grub/grub.cfg": None,
         "boot/grub2/grub.cfg": "# vfio-mode: no mode can be chosen for the next boot: "
                                f"{BLS}\ninsmod blscfg\nblscfg\n",
         "boot/loader/entries/6d1c-6.12.conf": "options root=UUID=0b1c ro rhgb quiet\n"},
        "This machine boots by GRUB with entry files, which vfio-mode cannot tell the next boot's mode. "
        + BY_E.format("GRUB's menu"),
        also=("grubby --update-kernel=DEFAULT --args=...",)),
    "entry files that are switched on, and none there": Tree(
        {**NOT_DEBIAN,
         "boot/grub/grub.cfg": f"# vfio-mode: no mode can be chosen for the next boot: {BLS}\nblscfg\n"},
        f"GRUB's configuration was made without vfio-mode's script: {BLS}. When that is mended run "
        "grub-mkconfig -o /boot/grub/grub.cfg, and reboot once.",
        "boot-scripts", refusal="unprotected"),
    "proxmox-boot-tool with GRUB": Tree(
        {"etc/kernel/proxmox-boot-uuids": "1A2B-3C4D\n5E6F-7A8B\n"},
        "This machine boots by proxmox-boot-tool, which vfio-mode cannot tell the next boot's mode. "
        + BY_E.format("the boot menu"),
        mounts=ZFS, also=("in /etc/kernel/cmdline, or where GRUB has the menu in /etc/default/grub, and run proxmox-boot-tool refresh",)),
    "proxmox-boot-tool without EFI": Tree(
        {"etc/kernel/proxmox-boot-uuids": "1A2B-3C4D\n5E6F-7A8B\n"},
        "This machine boots by proxmox-boot-tool, which vfio-mode cannot tell the next boot's mode. "
        + BY_E.format("the boot menu"),
        mounts=ZFS, has_efi=False, also=("in /etc/kernel/cmdline, or where GRUB has the menu in /etc/default/grub, and run proxmox-boot-tool refresh",)),
    "ZFS with GRUB, the ESP not mounted": Tree(
        {}, "/boot/grub is on ZFS, which never writes in place: GRUB cannot write there, and no ESP is "
        "mounted. " + BY_E.format("GRUB's menu"), mounts=ZFS),
    "ZFS with GRUB, without EFI": Tree(
        {}, "/boot/grub is on ZFS, which never writes in place: GRUB cannot write there, and no ESP is "
        "mounted. " + BY_E.format("GRUB's menu"), mounts=ZFS, has_efi=False),
}


def inspect(rig: Rig, unit: str) -> str:
    """As vfio-mode-inspect@ does."""
    mode = unit.split("@")[1].removesuffix(".service")
    done = subprocess.run([APPLY, f"--root={rig.root}", "inspect", mode],
                          env={"PATH": os.environ["PATH"], **sanitizers()}, check=False)
    return "done" if done.returncode == 0 else "failed"


def boots_by(rig: Rig, tree: Tree) -> None:
    rig.machine.write("proc/self/mountinfo", tree.mounts + EFIVARS * tree.has_efi)
    if tree.has_efi:
        rig.machine.write("sys/firmware/efi/efivars/BootOrder", "")
    rig.machine.write("proc/cmdline", "root=UUID=0b1c ro quiet\n")
    for path, text in tree.files.items():
        if text is None:
            (rig.root / path).unlink()
        else:
            rig.machine.write(path, text)
    (rig.root / "boot/grub/vfio-mode/vfio-mode.env").unlink()
    rig.systemd.runs["vfio-mode-inspect@"] = lambda unit: inspect(rig, unit)


@pytest.mark.parametrize("name", TREES)
def test_what_cannot_be_armed_and_what_can(bare, name):
    def ask(*arguments):
        return run(*arguments, DBUS_SYSTEM_BUS_ADDRESS=bare.bus.address)

    tree = TREES[name]
    boots_by(bare, tree)
    rig = bare.start()
    before = rig.state()
    for arguments in (["next", "passthrough", "--without-protection"], ["set-default", "passthrough"]):
        answer = ask(*arguments)
        assert (answer.returncode, answer.stdout) == (5, ""), answer
        for words in (tree.says, f"({tree.refusal})", *tree.also):
            assert words in answer.stderr, answer.stderr

    # From now on is what default-mode alone can be there, which has no kernel arguments.
    answer = ask("set-default", "plain")
    assert answer.returncode == 5 and tree.says in answer.stderr, answer
    instead = "Set default-mode = plain in /etc/vfio-mode.ini instead: "
    assert (instead in answer.stderr) == (tree.check == "boot-place")

    assert rig.state() == before and rig.systemd.calls == []
    assert fields(ask("status").stdout)["Next boot"] == ["host: default-mode of the configuration"]
    checks = json.loads(ask("check", "passthrough", "--json=short").stdout)["checks"]
    found = {check["id"]: check for check in checks}[tree.check]
    assert found["result"] == "warn"
    if tree.check == "boot-place":
        assert found["message"].startswith(tree.says), found
    else:
        assert found["advice"].startswith("Run grub")
        assert found["advice"].removeprefix("Run ")[:-1] in tree.says, found
        for reason in (NO_VARIABLE, BLS):
            assert (reason in found["message"]) == (reason in tree.says)

    rig.systemd.calls.clear()
    answer = ask("next", "plain")
    if tree.has_efi:
        assert answer.returncode == 0, answer
        assert rig.systemd.calls == [("StartUnit", "vfio-mode-one-shot@plain.service")]
    else:
        assert answer.returncode == 5 and tree.says in answer.stderr, answer
        assert rig.systemd.calls == []
