# SPDX-License-Identifier: GPL-2.0-or-later
"""The next boot, from the sentence to the boot and back, through the GRUB that the machine has.

Each test is a chain of boots from one restored machine: a boot takes most of a minute, so each is asked
several things.
"""

import contextlib
import random
import re
from pathlib import Path

import pytest

import cache
from modectl import ask, status
from modes import JOURNAL
from nextboot import (ARGUMENTS, INI, LONGEST, PLACE, SCRIPT, Boot, block, boot, call,
                      check_confirmed, check_is_default, check_trial, check_unconfirmed, config,
                      drawn_arguments, refused, reset)
from pc import PC
from qemu import PCError


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_one_boot_by_the_bus_and_by_the_menu(pc: PC, rng: random.Random) -> None:
    """SetNextBoot, reboot: the mode with its arguments from the start. Reboot again: the host.

    And one boot by the menu's entry, which is for that boot only as well.
    """
    before = boot(pc)
    assert before.went_to("host", "idle"), before
    assert block(pc)["vfio_left"] == "0", "GRUB has not written the idle block"
    longest = drawn_arguments(rng, LONGEST)
    pc.write(INI, config(cmdline=longest, confirm="boot"))
    call(pc, "SetNextBoot", "'sa{sv}'", "passthrough", "0")
    armed = block(pc)
    assert (armed["vfio_mode"], armed["vfio_left"], armed["vfio_keep"]) == ("passthrough", "1", "0")
    assert armed["vfio_args"] == f"{longest} panic=10"
    assert status(pc)["next_boot"]["mode"] == "passthrough"
    assert status(pc)["next_boot"]["protection"] == "grub"

    pc.reboot()
    assert pc.state == "running"
    there = boot(pc)
    assert there.went_to("passthrough", "once", longest), there
    assert there.marker == ("once", int(armed["vfio_seq"]), 0)
    said = status(pc)["last_boot"]
    assert (said["mode"], said["kind"], said["confirmed"]) == ("passthrough", "once", True)
    assert block(pc)["vfio_mode"] == "", "the boot was not confirmed by itself"

    pc.reboot(wait=False)
    pc.wait_agent()
    back = boot(pc)
    assert back.went_to("host", "idle"), back
    assert status(pc)["previous_boot"]["mode"] == "passthrough"

    # The entry has the arguments that the mode had when update-grub ran, whatever is armed.
    pc.ok("vfio-modectl next passthrough")
    picked = pick(pc, "passthrough mode")
    assert picked.went_to("passthrough", "menu", ARGUMENTS), picked
    refused(pc, "vfio-modectl confirm", "(other-boot)")
    said = pc.ok("vfio-modectl status")
    assert "'passthrough' was armed, and not run" in said, said
    assert block(pc)["vfio_left"] == "0"  # GRUB has counted the boot before it shows the menu
    pc.ok("vfio-modectl next --cancel")

    back = reset(pc)
    assert back.went_to("host", "idle"), back


_FIRST_ROW = 5  # of the screen, where GRUB's menu begins
_DOWN, _UP = "\x0e", "\x10"  # Ctrl-N and Ctrl-P


def press(pc: PC, key: str, answer: str) -> re.Match[str]:
    """Press a key until it is heard: the firmware listens to the serial line as well, and takes some. One that seemed
    lost may have been late: what is said last is the answer."""
    for number in range(20):
        pc.serial.send(key)
        with contextlib.suppress(PCError):
            heard = pc.serial.expect(answer, timeout=5)
            with contextlib.suppress(PCError):
                while number > 0:
                    heard = pc.serial.expect(answer, timeout=5)
            return heard
    raise AssertionError(f"GRUB's menu does not hear {key!r}")


def grubenv(pc: PC, change: str) -> None:
    """Change GRUB's own environment so that GRUB sees it: it does not read the file system's journal."""
    pc.ok(f"grub-editenv /boot/grub/grubenv {change} && sync && fsfreeze -f / && fsfreeze -u /")


def pick(pc: PC, title: str) -> Boot:
    """Boot a top-level entry of the menu, chosen from the keyboard at the serial line."""
    titles = pc.ok("sed -n \"s/^\\(menuentry\\|submenu\\) '\\([^']*\\)'.*/\\2/p\" /boot/grub/grub.cfg")
    number = next((n for n, line in enumerate(titles.splitlines()) if title in line), None)
    assert number is not None, f"no entry {title!r} among:\n{titles}"
    grubenv(pc, "set recordfail=1")
    pc.reset()
    pc.serial.expect("GNU GRUB")
    pc.serial.expect("automatically in")
    first = row = _FIRST_ROW
    while row != first + number:
        row = int(press(pc, _DOWN if row < first + number else _UP, r"\x1b\[7m\x1b\[(\d+);3H\*")[1])
    press(pc, "\r", "Loading Linux")
    pc.wait_agent()
    there = boot(pc)
    grubenv(pc, "unset recordfail")
    return there


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_default_by_trial(pc: PC, rng: random.Random) -> None:
    """With default-mode = passthrough; test_next_boot_layouts.py does the same with host."""
    trial = check_trial(pc, "passthrough", drawn := drawn_arguments(rng))
    # The same kernel once more, without GRUB, proves nothing about a boot through it.
    kexec(pc)
    same = boot(pc)
    assert same.marker == trial.marker, same
    refused(pc, "vfio-modectl confirm", "(other-boot)")
    assert block(pc)["vfio_keep"] == "1"
    check_unconfirmed(pc)
    check_confirmed(pc, "passthrough", drawn, before=1)


@pytest.mark.long
@pytest.mark.nextboot("grub")
def test_default_that_confirms_itself(pc: PC) -> None:
    """With confirm = boot no boot of the default costs one, however many there are; until it is another."""
    pc.write(INI, config(confirm="boot"))
    pc.ok("vfio-modectl set-default passthrough")
    for kind, left in [("trial", 0)] + 5 * [("default", 2)]:
        there = reset(pc, whole=True)
        assert there.went_to("passthrough", kind), there
        assert there.marker[2] == left
        check_is_default(pc)
    pc.ok("vfio-modectl set-default host")
    for _ in range(2):
        back = reset(pc)
        assert back.went_to("host", "idle"), back


def kexec(pc: PC) -> None:
    """Start the running kernel again with its own command line, without firmware and GRUB."""
    pc.ok("""python3 -IS -c '
import ctypes, os
command = open("/proc/cmdline").read().strip().encode() + b"\\0"
kernel, initrd = (os.open("/boot/" + name, os.O_RDONLY) for name in ("vmlinuz", "initrd.img"))
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(320, kernel, initrd, ctypes.c_ulong(len(command)), command, ctypes.c_ulong(0)):
    raise OSError(ctypes.get_errno(), "kexec_file_load")
'""")
    # Without a shutdown before it.
    pc.tell("sync; python3 -IS -c 'import ctypes; ctypes.CDLL(None).reboot(0x45584543)'")
    with cache.timed("kexec"):
        pc.wait_agent()


_SWAP = r"""
fallocate -l 600M /swap
chmod 600 /swap
mkswap /swap && swapon /swap
offset=$(filefrag -v /swap | awk '$1 == "0:" { sub(/[.][.]/, "", $4); print $4 }')
sed -i "s#^\(\s*linux\s.*\)#\1 resume=/dev/vda2 resume_offset=$offset#" /boot/grub/grub.cfg
cat /sys/class/block/vda2/dev > /sys/power/resume # there is nothing yet
echo "$offset" > /sys/power/resume_offset
sync
"""


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_hibernated(pc: PC) -> None:
    """GRUB takes the trial for a kernel that goes on with the one before, which proves nothing about it."""
    pc.write(INI, config())
    pc.ok("vfio-modectl set-default passthrough")
    pc.ok(_SWAP)
    pc.hibernate()
    with cache.timed("boot after hibernation"):
        pc.resume()
    assert boot(pc).went_to("host", "idle"), boot(pc)
    # This kernel was booted before there was a trial: there is nothing it could confirm.
    assert "Nothing had to be changed." in pc.ok("vfio-modectl confirm")
    pc.ok("systemctl restart vfio-mode-confirm.service")
    assert status(pc)["next_boot"]["mode"] == "host"
    # The kernel may still have the file as it was before GRUB wrote (6.12). The product looked behind that.
    pc.ok("sync; echo 3 > /proc/sys/vm/drop_caches")
    now = block(pc)
    assert (now["vfio_left"], now["vfio_keep"]) == ("0", "1")


# ---- default-mode = passthrough ----


def panic(pc: PC) -> Boot:
    """The kernel panics, and comes back by itself."""
    pc.hold_resets()
    pc.tell("sync; echo c > /proc/sysrq-trigger")
    with cache.timed("boot after a panic"):
        pc.after_reset()
        pc.wait_agent()
        return boot(pc)


@pytest.mark.drawn("chains")
@pytest.mark.nextboot("grub")
def test_passthrough_by_the_configuration(pc: PC) -> None:
    """SetNextBoot, reboot: that mode, this one with its arguments. Reboot again: passthrough, by default-mode
    and so without them. Two such boots in a row without a word of confirmation are enough, and the kernel
    of one that panics reboots by itself.

    A recovery entry and a damaged block are the host mode all the same.
    """
    pc.write(INI, config(default="passthrough"))
    call(pc, "SetNextBoot", "'sa{sv}'", "passthrough", "0")
    once = reset(pc)
    assert once.went_to("passthrough", "once"), once
    pc.ok("vfio-modectl confirm")
    first = reset(pc)
    assert first.went_to("passthrough", "idle"), first
    # GRUB brings no panic= along where default-mode decides.
    assert pc.read("/proc/sys/kernel/panic") == "10\n"
    second = reset(pc)
    assert second.went_to("passthrough", "idle"), second
    counted = panic(pc)
    assert counted.went_to("host", "idle"), counted
    said = pc.ok("vfio-modectl status")
    assert "were not confirmed" in said, f"status does not say why this is the host mode:\n{said}"

    # A person lets it be tried again.
    pc.ok("vfio-modectl next --cancel")
    assert status(pc)["next_boot"]["mode"] == "passthrough"
    menu = pc.read("/boot/grub/grub.cfg")
    submenu, entry = (re.search(f"'(gnulinux-{kind}-[^']*)'", menu) for kind in ("advanced", "[^']*-recovery"))
    assert submenu and entry, menu
    grubenv(pc, f"set 'next_entry={submenu[1]}>{entry[1]}'")
    rescue = reset(pc)
    assert {"single", "vfio_mode=fallback"} <= set(rescue.cmdline.split()), rescue
    assert rescue.mode == "host", rescue

    pc.ok(f"printf 'no block\\n' | dd of={PLACE} conv=notrunc,fsync status=none")
    damaged = reset(pc, whole=True)
    assert damaged.went_to("host", "damaged"), damaged
    assert pc.state == "running"  # which it is not where a mode was refused
    said = pc.ok(f"{JOURNAL} -u vfio-mode-boot -u vfio-mode-confirm")
    assert "Booting to mode 'host': the boot environment was damaged" in said, said
    assert f"{PLACE} is damaged. It is made anew" in said, said
    assert pc.read("/proc/sys/kernel/panic") == "0\n"
    assert block(pc)["vfio_mode"] == "", "the damaged block was not made anew"


# ---- The file itself ----

# And what it says.
_CONFIRM_AGAIN = """
systemctl restart vfio-mode-confirm.service
id=$(systemctl show -P InvocationID vfio-mode-confirm.service)
journalctl --sync
journalctl --no-pager -o cat _SYSTEMD_INVOCATION_ID=$id
"""


@pytest.mark.nextboot("grub")
def test_block_that_is_gone(pc: PC) -> None:
    """It is made anew, by the service that may write its directory and nothing beside; where that is gone,
    too, the journal and the refusal say what makes it.
    """
    said = pc.ok(f"rm {PLACE}; {_CONFIRM_AGAIN}")
    assert f"{PLACE} was missing. It is made anew" in said, said
    assert (block(pc)["vfio_mode"], block(pc)["vfio_left"]) == ("", "1")
    said = pc.ok(f"rm -r {Path(PLACE).parent}; {_CONFIRM_AGAIN}")
    gone = f"directory {Path(PLACE).parent} is gone, and a service may not make it: Read-only file system."
    assert gone in said, said
    refused(pc, "vfio-modectl next passthrough", "update-grub")
    pc.ok(SCRIPT)
    assert (block(pc)["vfio_mode"], block(pc)["vfio_left"]) == ("", "1")


# ---- What makes the menu ----

_MENU = "/boot/grub/grub.cfg"
_OTHER_KERNEL = "9.9.9-other"

# A kernel's package with the maintainer scripts of Debian's, but for the version. Who makes a menu looks at
# no more than the kernel's name.
_OTHER_PACKAGE = f"""
set -e
mkdir -p /tmp/kernel/DEBIAN /tmp/kernel/boot
cd /tmp/kernel
echo kernel > boot/vmlinuz-{_OTHER_KERNEL}
cat > DEBIAN/control <<EOF
Package: linux-image-{_OTHER_KERNEL}
Version: 1
Architecture: amd64
Maintainer: nobody <nobody@localhost>
Description: no kernel
EOF
version=$(uname -r)
for script in preinst postinst prerm postrm; do
    sed "s/$version/{_OTHER_KERNEL}/g" /var/lib/dpkg/info/linux-image-$version.$script > DEBIAN/$script
    grep -q {_OTHER_KERNEL} DEBIAN/$script
    chmod 755 DEBIAN/$script
done
dpkg-deb -Znone --root-owner-group --build . /tmp/kernel.deb
"""


def entries(pc: PC) -> list[str]:
    """Titles of all the menu's entries."""
    return re.findall(r"^\s*menuentry '([^']*)'", pc.read(_MENU), re.M)


@pytest.mark.nextboot("grub")
def test_update_grub(pc: PC) -> None:
    """Entries for each mode and kernel: a kernel that is installed appears, one that is gone disappears.

    A broken configuration or none, the package gone but for its scripts in /etc, and those gone: still a
    grub.cfg.
    """
    before = entries(pc)
    assert f"Debian GNU/Linux, with Linux {pc.ok('uname -r')}, passthrough mode" in before
    checks = ask(pc, "check passthrough")["checks"]
    (menu,) = [check["message"] for check in checks if check["id"] == "way-back-boot-menu"]
    assert menu == "The menu of GRUB has an entry for 'host', and is never shown."
    pc.ok(_OTHER_PACKAGE)
    name = f"Debian GNU/Linux, with Linux {_OTHER_KERNEL}"
    # INITRD: its initramfs would take a minute to make, and is not looked into here.
    pc.ok("INITRD=No dpkg -i /tmp/kernel.deb")
    assert set(entries(pc)) - set(before) == {
        name, f"{name} (recovery mode)", f"{name}, host mode", f"{name}, passthrough mode"}
    newest = re.search(r"^menuentry 'Debian GNU/Linux, passthrough mode'.*?^}", pc.read(_MENU), re.M | re.S)
    assert newest and f"/boot/vmlinuz-{_OTHER_KERNEL} " in newest[0], newest
    pc.ok(f"INITRD=No dpkg -r linux-image-{_OTHER_KERNEL}")
    assert entries(pc) == before

    pc.ok(f"echo nonsense >> {INI}; update-grub && grub-script-check {_MENU}")
    menu = pc.read(_MENU)
    assert "passthrough mode" not in menu, menu
    assert "menuentry 'Debian GNU/Linux, host mode'" in menu, menu

    pc.ok(f"rm {INI}; update-grub && grub-script-check {_MENU}")
    menu = pc.read(_MENU)
    assert "menuentry 'Debian GNU/Linux'" in menu and "host mode'" not in menu, menu

    pc.ok(f"mv /usr/libexec/vfio-mode /usr/libexec/gone; update-grub && grub-script-check {_MENU}")
    menu = pc.read(_MENU)
    assert "menuentry 'Debian GNU/Linux'" in menu and "host mode'" not in menu, menu

    pc.ok(f"rm /etc/grub.d/*_vfio-mode; update-grub && grub-script-check {_MENU}")
    menu = pc.read(_MENU)
    assert "menuentry 'Debian GNU/Linux'" in menu and "_vfio-mode ###" not in menu, menu


@pytest.mark.nextboot("grub")
def test_edited_after_arming(pc: PC) -> None:
    """What is armed is not what the ini says now: a line of drift, with the command that mends it."""
    pc.write(INI, config())
    pc.ok("vfio-modectl next passthrough")
    assert not [line for line in status(pc)["drift"] if "vfio-modectl next" in line]
    pc.write(INI, config(cmdline="nosmt=force"))
    drift = status(pc)["drift"]
    assert [line for line in drift if "vfio-modectl next passthrough" in line], drift
    assert [line for line in drift if "update-grub" in line], drift
    pc.ok("vfio-modectl next passthrough")
    drift = status(pc)["drift"]
    assert not [line for line in drift if "vfio-modectl next" in line], drift
    assert block(pc)["vfio_args"] == "nosmt=force panic=10"


@pytest.mark.long
@pytest.mark.nextboot("grub")
def test_drawn_arguments(pc: PC, rng: random.Random) -> None:
    """Twenty more accepted values through GRUB, byte for byte; the boots above carry others, up to the
    longest. The kernel itself says its command line, long before there is a /proc.
    """
    for _ in range(20):
        pc.restore()
        # The line of the kernel's log that says it is cut off at a thousand characters.
        drawn = drawn_arguments(rng, rng.randint(20, 120)) + " loglevel=6"
        pc.write(INI, config(cmdline=drawn))
        pc.ok("vfio-modectl next passthrough && sync")
        pc.reset()
        said = pc.serial.expect(r"Kernel command line: ([^\r\n]*)[\r\n]")[1]
        expected = f" vfio_mode=passthrough {drawn} panic=10 vfio_mode.boot=once."
        if expected not in said:
            # A busy machine's serial line doubles and drops characters, once in some dozens of boots.
            pc.wait_agent()
            said = pc.read("/proc/cmdline")
        assert expected in said, drawn
