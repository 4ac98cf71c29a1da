# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package by the real dpkg: no card moves when it is installed, upgraded, removed or purged; it is not
removed while a card is away; and removed it has no part in a boot.
"""

import os
import subprocess
from pathlib import Path

import pytest

import cache
import image
from modes import GPU, HOST, INI, PASSTHROUGH, look, snapshot
from nextboot import PLACE, block, refused
from pc import PC
from test_guest import end_guest, hold_for_good

_ONE_SHOT = "/sys/firmware/efi/efivars/VfioModeOneShot-6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44"
_GRUB = "/boot/grub/grub.cfg"
# What the units said that could move a card, and systemd of them.
_RUNS = ("journalctl --sync; journalctl -b -q -o short-monotonic --no-pager -u 'vfio-mode@*' -u 'vfio-mode-guard@*' "
         "-u vfio-mode-boot -u vfio-mode-confirm -u vfio-mode-fallback")
_PATH = "/root/vfio-mode.deb"


@pytest.fixture(scope="module")
def package() -> Path:
    """The package of what is tested: the one that tests/run has built, or built here."""
    directory = os.environ.get("VFIO_MODE_PACKAGE")
    if not directory:
        source = Path(os.environ["VFIO_MODE_SOURCE"])
        environment = os.environ | {"DEB_BUILD_OPTIONS": "nocheck noautodbgsym"}

        def build(partial: Path) -> None:
            subprocess.run([source / "conf/packaging/build-deb", partial], env=environment, stdout=2, check=True)

        directory = cache.once(cache.root() / "package" / source.name, build)
        cache.prune(directory.parent, "*", keep=2)
    [found] = Path(directory).glob("vfio-mode_*.deb")
    return found


def dpkg(pc: PC, arguments: str) -> str:
    """It has to succeed, and to move nothing, nor begin, stop or restart what could."""
    before = snapshot(pc), pc.ok(_RUNS)
    said = pc.ok(f"dpkg {arguments}", timeout=900)
    assert (snapshot(pc), pc.ok(_RUNS)) == before, said
    return said


def stays(pc: PC) -> None:
    """Its removal is refused, which moves nothing, and is told what to do."""
    before = snapshot(pc), pc.ok(_RUNS)
    refused(pc, "dpkg --remove vfio-mode", "a device is on vfio-pci", "systemctl start vfio-mode-fallback.service")
    assert (snapshot(pc), pc.ok(_RUNS)) == before
    assert pc.ok("dpkg-query -W -f '${db:Status-Status}' vfio-mode") == "installed"


@pytest.mark.long
@pytest.mark.nextboot("grub")
def test_from_the_first_installation_to_the_purge(pc: PC, package: Path) -> None:
    pc.push(package, _PATH)
    dpkg(pc, f"--install {_PATH}")
    assert look(pc) == HOST
    assert "vfio_mode=passthrough" in pc.read(_GRUB)
    pc.ok("systemctl is-enabled vfio-mode-boot vfio-mode-confirm vfio-mode-fallback vfio-moded.path")

    # Where the card is away it stays there, and its way back, too.
    pc.ok("systemctl start vfio-mode@passthrough; until systemctl show -p StatusText vfio-mode-guard@passthrough | "
          "grep 'No VM is awaited'; do :; done")  # the guard's last words
    assert "over (" in dpkg(pc, f"--install {_PATH}")
    stays(pc)
    assert look(pc) == PASSTHROUGH

    # Nor is it removed while a device has not come back: half-way no mode is in force.
    pid = hold_for_good(pc, GPU)
    pc.ok("! vfio-modectl switch host")
    assert pc.ok("vfio-modectl status --mode") == "none"
    stays(pc)
    end_guest(pc, pid)
    pc.ok("systemctl start vfio-mode-fallback.service")
    assert look(pc) == HOST

    pc.ok(f"vfio-modectl next passthrough; printf '\\7\\0\\0\\0passthrough' > {_ONE_SHOT}")
    dpkg(pc, "--remove vfio-mode")
    pc.ok(f"! test -e {_ONE_SHOT} && ! test -e /usr/bin/vfio-modectl && test -e {INI}")
    menu = pc.read(_GRUB)
    assert "vfio_mode=passthrough" not in menu and "vfio-mode-" not in menu
    assert block(pc)["vfio_mode"] == "passthrough"

    pc.reset()
    pc.wait_agent()
    assert pc.wait_up() == "running"
    assert "vfio_mode" not in pc.read("/proc/cmdline")
    assert look(pc).gpu == HOST.gpu

    dpkg(pc, "--purge vfio-mode")
    assert "vfio" not in pc.read(_GRUB)
    # The tests' own agent is not of the package.
    assert pc.ok(f"find {PLACE} {INI} /var/lib/vfio-mode /etc/grub.d /etc/default/grub.d /etc/systemd/system "
                 "-name '*vfio-mode*' ! -name 'vfio-mode-test-*' 2>/dev/null || true") == ""


# No machine is needed for it, only the tree that the machines' disk is made of. Its kernel was installed without one.
_IMAGES = r"""
test -e /dev/null || mknod -m 666 /dev/null c 1 3
printf '%s\n' '[device gpu]' 'address = 0000:01:00.0' 'consent = boot-vga' '[mode passthrough]' \
    'vfio-devices = gpu' > /etc/vfio-mode.ini
printf 'MODULES=list\n' > /etc/initramfs-tools/conf.d/vfio-mode-test
version=$(basename /boot/vmlinuz-*)
version=${version#vmlinuz-}
image=/boot/initrd.img-$version
ours() { lsinitramfs "$image" | grep -q vfio-mode-apply; }

dpkg --install /mnt/source/vfio-mode_*.deb
ln -s /usr/share/vfio-mode/initramfs/initramfs-tools /etc/initramfs-tools/hooks/vfio-mode
update-initramfs -c -k "$version"
ours
touch -d '1 hour ago' "$image"
touch /root/before
dpkg --install /mnt/source/vfio-mode_*.deb
ours
test "$image" -nt /root/before

dpkg --remove vfio-mode
if ours; then echo 'An image goes on keeping drivers off.'; exit 1; fi
dpkg --purge vfio-mode
find /boot /etc /usr /var -xdev -name '*vfio-mode*' ! -name vfio-mode-test > /mnt/output/left
"""


def test_images_have_its_part_as_long_as_it_is_there(package: Path, tmp_path: Path) -> None:
    image.in_guest_tree("trixie", _IMAGES, package.parent, tmp_path)
    assert (tmp_path / "left").read_text() == ""
