# SPDX-License-Identifier: GPL-2.0-or-later
"""What a boot was, and what the next one is to be, as a test asks it: GRUB's block and marker, the kernel's
command line, where the GPU is, what vfio-modectl says.

    was = boot(pc)
    assert was.went_to("passthrough", "once"), was
"""

import random
import re
from dataclasses import dataclass

import cache
from machines import GRUB_CMDLINE as ARGUMENTS
from machines import ini
from modectl import status
from modes import AUDIO, GPU, INI
from pc import PC

PLACE = "/boot/grub/vfio-mode/vfio-mode.env"  # of the block, where GRUB can write beside its own files
ON_ESP = "/boot/efi/EFI/vfio-mode/vfio-mode.env"  # where it can write only there
# Writes GRUB's part, as update-grub has it run; and makes the block where there is none.
SCRIPT = "set -a; . /etc/default/grub.d/vfio-mode.cfg; /etc/grub.d/09_vfio-mode"
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:=/@+%~^!-"
LONGEST = 640  # cmdline that a mode may have

_BOOT = f"""
# The boot unit is queued since the first moment, and itself queues the mode's; so is what has udev look for drivers,
# after it. Nothing is started here: what the boot has not done by itself must not look as if it had.
until jobs=$(systemctl list-jobs --no-legend vfio-mode-boot.service 'vfio-mode@*' systemd-udev-trigger.service) &&
    [ -z "$jobs" ]; do :; done
udevadm settle --timeout=300
cat /proc/cmdline
for function in {GPU} {AUDIO}; do
    driver=$(readlink /sys/bus/pci/devices/$function/driver)
    echo "${{driver##*/}}"
done
systemctl list-units --plain --no-legend --state=active 'vfio-mode@*' | sed 's/@/ /; s/[.]service.*//' |
    cut -d' ' -f2 | tr '\\n' ' '
echo
journalctl --sync 2> /dev/null
journalctl -b -k --no-pager -o cat | grep -c -E 'bochs|snd_hda' || true
# A mode may be on long before there is a bus that vfio-modectl could ask; a rescue shell has none.
grep -q -w single /proc/cmdline ||
    busctl --watch-bind=yes call org.freedesktop.DBus / org.freedesktop.DBus GetId >/dev/null
"""


def drawn_arguments(rng: random.Random, length: int | None = None) -> str:
    """Kernel arguments such as a configuration accepts, `length` bytes of them if that is said.

    The kernel passes over names with a point in them.
    """
    left = length or rng.randint(20, LONGEST)
    words = []
    while left > 0:
        word = rng.choice(["", *ALPHABET.replace("/", "").replace("!", "")]) + "test."
        word += "".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 60)))
        words.append(word[:left])
        left -= len(word) + 1
        if left <= len("-test."):  # no room for one more
            words[-1] += "x" * (left + 1)
            break
    return " ".join(words)


def config(*, default: str = "host", cmdline: str = ARGUMENTS, confirm: str = "") -> str:
    """An ini whose mode `passthrough` has kernel arguments."""
    text = ini(cmdline=cmdline).replace("default-mode = host", f"default-mode = {default}")
    if confirm:
        text += f"confirm = {confirm}\n"
    return text


@dataclass(frozen=True)
class Boot:
    """One boot, seen from inside when its mode is on."""

    cmdline: str
    drivers: list[str]  # of the GPU's two functions
    active: list[str]  # modes whose unit is active
    host_driver_lines: int  # what the host's drivers said to the kernel's log

    @property
    def marker(self) -> tuple[str, int, int]:
        """Kind, sequence and boots left; GRUB writes one."""
        found = re.findall(r"vfio_mode\.boot=(\w+)\.(\d+)\.(\d+)(?= |$)", self.cmdline)
        assert len(found) == 1, f"not one marker on the command line: {self.cmdline}"
        return found[0][0], int(found[0][1]), int(found[0][2])

    @property
    def mode(self) -> str:
        """The mode the machine is in, as sysfs and systemd see it; a word for anything between."""
        drivers = {"bochs-drm snd_hda_intel": "host", "vfio-pci vfio-pci": "passthrough"}
        mode = drivers.get(" ".join(self.drivers))
        return mode if mode and self.active == [mode] else "no mode"

    def went_to(self, mode: str, kind: str, arguments: str | None = None) -> bool:
        """It went there, GRUB says why, and these arguments of the mode came along, byte for byte. And the
        host's drivers had the GPU in the host mode only.

        None: those of config(), where the mode has any and GRUB names it.
        """
        if arguments is None:
            arguments = ARGUMENTS if mode == "passthrough" and kind != "idle" else ""
        came = (f" vfio_mode={mode} {arguments} panic=10 vfio_mode.boot=" in self.cmdline if arguments
                else "panic=" not in self.cmdline)
        was_on_the_host = self.host_driver_lines > 0
        return (self.mode == mode and self.marker[0] == kind and came
                and was_on_the_host == (mode == "host"))


def boot(pc: PC) -> Boot:
    """What the running boot is, as soon as its mode is on."""
    cmdline, gpu, audio, active, lines = pc.ok(_BOOT, timeout=400).split("\n")
    return Boot(cmdline, [gpu, audio], active.split(), int(lines))


def reset(pc: PC, *, whole: bool = False) -> Boot:
    """The reset button, with everything written out before: a boot without the shutdown before it.

    Waits until the mode of the boot is on; `whole`: until it has completed.
    """
    pc.run("sync")
    with cache.timed("boot after a reset"):
        pc.reset()
        pc.wait_agent()
        if whole:
            pc.wait_up()
        return boot(pc)


def cut(pc: PC) -> Boot:
    """The power cut, with whatever is not on the disk yet, and on again."""
    with cache.timed("boot after a power cut"):
        pc.power_cut()
        pc.start()
        pc.wait_agent()
        return boot(pc)


# ---- A default, by a trial ----

_TRIAL, _UNCONFIRMED = "trial", "unconfirmed"  # snapshots of the machine in its trial boot


def go_back_to(pc: PC, snapshot: str) -> None:
    pc.power_cut()
    pc.start(snapshot=snapshot)


def check_trial(pc: PC, default: str, arguments: str, place: str = PLACE) -> Boot:
    """Set it as default, cut the power, and boot. The two checks that follow begin in this boot."""
    pc.write(INI, config(default=default, cmdline=arguments))
    pc.ok("sync; vfio-modectl set-default passthrough")
    # What was said is on the disk, where GRUB counts the boot; and the journal of the file system, which has
    # much to replay after it, does not take that back.
    trial = cut(pc)
    assert trial.went_to("passthrough", "trial", arguments), trial
    assert (trial.marker[2], block(pc, place)["vfio_left"]) == (0, "0")
    assert status(pc)["next_boot"]["mode"] == "host"
    assert pc.monitor(f"savevm {_UNCONFIRMED}") == ""
    return trial


def check_unconfirmed(pc: PC) -> None:
    """The trial is over, whatever default-mode says, and a person is told."""
    back = reset(pc)
    assert back.went_to("host", "expired"), back
    said = pc.ok("vfio-modectl status")
    assert "not confirmed" in said, f"status does not say that the trial was not confirmed:\n{said}"


def check_is_default(pc: PC, place: str = PLACE) -> None:
    """The mode is the default, with all its boots left."""
    now = block(pc, place)
    assert (now["vfio_mode"], now["vfio_left"], now["vfio_keep"]) == ("passthrough", "3", "2")
    assert status(pc)["last_boot"]["confirmed"] is True


def check_confirmed(pc: PC, default: str, arguments: str, place: str = PLACE, *, before: int = 0,
                    and_host: bool = True) -> None:
    """It stays, for some boots `before` one in the host mode, and for one after it; `and_host`: and the host
    mode is as lasting a default.
    """
    go_back_to(pc, _UNCONFIRMED)
    pc.ok("vfio-modectl confirm")
    check_is_default(pc, place)
    for number in range(before):
        later = reset(pc)
        assert later.went_to("passthrough", "default", arguments), later
        assert later.marker[2] == 2 - number

    pc.ok("vfio-modectl next host")
    once = reset(pc)
    assert once.went_to("host", "skipped"), once
    assert status(pc)["next_boot"]["mode"] == "passthrough"
    again = reset(pc)
    assert again.went_to("passthrough", "default", arguments), again
    assert again.marker[2] == 2 - before
    if and_host:
        pc.ok("vfio-modectl set-default host")
        host = reset(pc)
        assert host.went_to("host", "idle" if default == "host" else "default"), host


def in_trial(pc: PC) -> None:
    """The machine in the boot of a trial, with the configuration config(): the first that asks pays for
    the boot.
    """
    if _TRIAL in pc.monitor("info snapshots"):
        go_back_to(pc, _TRIAL)
        return
    check_trial(pc, "host", ARGUMENTS)
    pc.ok("systemctl start vfio-mode-confirm.service", timeout=300)
    assert pc.monitor(f"savevm {_TRIAL}") == ""


# ---- What it is asked ----


def block(pc: PC, path: str = PLACE) -> dict[str, str]:
    """The block's variables by GRUB's own tool."""
    lines = pc.ok(f"grub-editenv {path} list").splitlines()
    return dict(line.split("=", 1) for line in lines)


def call(pc: PC, method: str, *arguments: str) -> str:
    """A method by busctl, as a script would call it."""
    return pc.ok(f"busctl call org.vfiomode1 /org/vfiomode1 org.vfiomode1.Manager {method} "
                 + " ".join(arguments))


def refused(pc: PC, command: str, *words: str) -> str:
    """The command fails with these words; returns what it said."""
    result = pc.run(command)
    assert result.rc != 0, f"not refused: {command}\n{result.out}"
    for word in words:
        assert word in result.out, f"{word!r} is not in what {command!r} said: {result.out}"
    return result.out
