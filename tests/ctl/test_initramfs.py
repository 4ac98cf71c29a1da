# SPDX-License-Identifier: GPL-2.0-or-later
"""The hooks that make an initramfs, in shells that have the functions of initramfs-tools and mkinitcpio, which only
note what they are called for. The real initramfs-tools and dracut are in tests/vm; Debian has no mkinitcpio.

What a hook asks is the real program, on a tree of files.
"""

import os
import subprocess
from pathlib import Path

import pytest

CONF = Path(__file__).resolve().parents[2] / "conf" / "initramfs"
APPLY = Path(os.environ["VFIO_MODECTL"]).with_name("vfio-mode-apply")
BOOT_UNIT = "etc/systemd/system/sysinit.target.wants/vfio-mode-boot.service"
INI, DROPIN = "etc/vfio-mode.ini", "etc/vfio-mode.ini.d/with a blank.ini"
STAMPS = "var/lib/vfio-mode/initramfs"

# As mkinitcpio's functions are called in an install hook, one a line. Each takes what the real one takes.
MKINITCPIO = """
set -u
for function in add_binary add_file add_module add_symlink add_runscript warning; do
    eval "$function() { local IFS='|'; echo \\"$function|\\$*\\"; }"
done
KERNELVERSION=6.12.9
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine on which it is installed, below `root`; the programs and files of the hooks are beside it."""
    for path, text in {INI: "[device gpu]\naddress = 0000:01:00.0\n[mode passthrough]\nvfio-devices = gpu\n",
                       DROPIN: "", BOOT_UNIT: "", "var/lib/README": ""}.items():
        file = tmp_path / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    wrapper = tmp_path / "vfio-mode-apply"
    wrapper.write_text(f'#!/bin/sh\nexec "{APPLY}" --root="{tmp_path}/root" "$@"\n')
    wrapper.chmod(0o755)
    return tmp_path


def hook(machine: Path, name: str) -> Path:
    """The hook as meson makes it."""
    text = (CONF / f"{name}.in").read_text()
    made = machine / name
    made.write_text(text.replace("@PKGLIBEXECDIR@", str(machine)).replace("@INITRAMFSDIR@", "/share"))
    made.chmod(0o755)
    return made


def mkinitcpio(machine: Path, hooks: str) -> list[str]:
    """What build() does with these HOOKS."""
    script = f"{MKINITCPIO}\nHOOKS=({hooks})\n. {hook(machine, 'mkinitcpio-install')}\nbuild"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("hooks", ["base udev autodetect vfio-mode kms block filesystems",
                                   "base systemd vfio-mode block filesystems"])
def test_mkinitcpio(machine: Path, hooks: str) -> None:
    """The same with and without systemd, which -A may add past HOOKS and -S take away: either finds its own."""
    unit = "/usr/lib/systemd/system/vfio-mode-initramfs.service"
    assert mkinitcpio(machine, hooks) == [
        f"add_binary|{machine}/vfio-mode-apply",
        f"add_file|/{INI}",
        f"add_file|/{DROPIN}",
        "add_file|/share/79-vfio-mode-initramfs.rules|/usr/lib/udev/rules.d/79-vfio-mode-initramfs.rules",
        "add_module|efivarfs?",
        f"add_file|/share/vfio-mode-initramfs.service|{unit}",
        f"add_symlink|/usr/lib/systemd/system/sysinit.target.wants/vfio-mode-initramfs.service|{unit}",
        "add_file|/share/early.sh",
        "add_runscript|",
    ]
    assert (machine / "root" / STAMPS / "mkinitcpio-6.12.9").exists()


def test_mkinitcpio_runs_it_first(machine: Path) -> None:
    """The runtime hook is one of those before MODULES are loaded."""
    (machine / "early.sh").write_text("echo ran\n")
    made = hook(machine, "mkinitcpio-hook")
    made.write_text(made.read_text().replace("/share", str(machine)))
    ran = subprocess.run(["sh", "-c", f". {made}; run_earlyhook"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ran\n", "")


@pytest.mark.parametrize("broken", [INI, BOOT_UNIT])
def test_what_cannot_be_is_said_and_fails_nothing(machine: Path, broken: str) -> None:
    """No kernel fails to be installed for it, and nobody believes that the image has it."""
    mkinitcpio(machine, "base udev vfio-mode")
    (machine / "root" / broken).unlink()
    assert mkinitcpio(machine, "base udev vfio-mode") == [
        "warning|vfio-mode: this initramfs does not keep host drivers off devices."]
    assert list((machine / "root" / STAMPS).iterdir()) == []


def initramfs_tools(machine: Path) -> tuple[str, str]:
    """What the hook has done, and what it said."""
    functions = machine / "hook-functions"
    functions.write_text("".join(f"{name}() {{ echo {name} \"$@\"; }}\n"
                                 for name in ("copy_exec", "copy_file", "manual_add_modules")))
    made = hook(machine, "initramfs-tools")
    made.write_text(made.read_text().replace("/usr/share/initramfs-tools/hook-functions", str(functions)))
    done = subprocess.run([made], capture_output=True, text=True, check=False,
                          env=os.environ | {"version": "6.12.9", "DESTDIR": str(machine / "image")})
    assert done.returncode == 0
    return done.stdout, done.stderr


def test_initramfs_tools(machine: Path) -> None:
    done, said = initramfs_tools(machine)
    assert done.splitlines() == [
        f"copy_exec {machine}/vfio-mode-apply",
        "copy_file script /share/early.sh",
        "copy_file rules /share/79-vfio-mode-initramfs.rules "
        "/usr/lib/udev/rules.d/79-vfio-mode-initramfs.rules",
        f"copy_file configuration /{INI}",
        f"copy_file configuration /{DROPIN}",
        "manual_add_modules efivarfs",
    ]
    assert said == ""
    assert (machine / "image/conf/conf.d/vfio-mode").read_text() == "sh /share/early.sh\n"
    assert (machine / "root" / STAMPS / "initramfs-tools-6.12.9").exists()


def test_initramfs_tools_of_a_machine_without_it(machine: Path) -> None:
    (machine / "root" / INI).write_text("[mode\n")
    done, said = initramfs_tools(machine)
    assert done == ""
    assert f"/{INI}:1: " in said
    assert "W: vfio-mode: this initramfs does not keep host drivers off devices." in said
    (machine / "vfio-mode-apply").unlink()  # the package was removed, and the link is left
    assert initramfs_tools(machine) == ("", "")
    assert not (machine / "image").exists()
