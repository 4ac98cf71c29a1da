# SPDX-License-Identifier: GPL-2.0-or-later
"""What scenarios ask again and again: where every PCI function is, which mode's unit is active, what a mode
looks like, and whether a switch was refused as it should be.

    assert look(pc) == HOST
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH

Where the machine is, sysfs, /dev, /proc/fb and systemd are asked, and not the product.
"""

from dataclasses import dataclass

from modectl import status
from pc import PC

GPU, AUDIO, NIC = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0"
INI = "/etc/vfio-mode.ini"
# Of this boot, with all that was said by now: journald may be behind, and is waited for.
JOURNAL = "journalctl --sync; journalctl -b --no-pager -o cat"

_PLACES = """
for function in /sys/bus/pci/devices/*; do
    driver=$(readlink "$function/driver")
    read -r override < "$function/driver_override"
    echo "${function##*/}|${driver##*/}|$override"
done
"""

# A mode's unit that was stopped for a switch that then failed is queued to start, not waited for.
_SETTLE = """
until jobs=$(systemctl list-jobs --no-legend 'vfio-mode-*' 'vfio-mode@*') && [ -z "$jobs" ]; do :; done
"""
_ACTIVE = _SETTLE + "systemctl list-units --plain --no-legend --state=active 'vfio-mode@*'\n"


@dataclass(frozen=True)
class Snapshot:
    """What a refusal must not change."""

    places: dict[str, tuple[str, str]]
    active: list[str]
    screens: str


def _parse_places(text: str) -> dict[str, tuple[str, str]]:
    rows = (line.split("|") for line in text.splitlines())
    return {address: (driver, override.replace("(null)", "")) for address, driver, override in rows}


def _parse_active(text: str) -> list[str]:
    return [line.split()[0].removeprefix("vfio-mode@").removesuffix(".service")
            for line in text.splitlines()]


def places(pc: PC) -> dict[str, tuple[str, str]]:
    """Driver and driver_override of every PCI function, "" where there is none."""
    return _parse_places(pc.ok(_PLACES))


def drivers(pc: PC, *addresses: str) -> list[str]:
    """The drivers of these functions, "" for none."""
    there = places(pc)
    return [there[address][0] for address in addresses]


def overrides(pc: PC) -> dict[str, str]:
    """The functions that have a driver_override, and which."""
    return {address: override for address, (_, override) in places(pc).items() if override}


def active(pc: PC) -> list[str]:
    """The modes whose unit is active, when nothing is queued any more."""
    return _parse_active(pc.ok(_ACTIVE))


def snapshot(pc: PC) -> Snapshot:
    screens, units, functions = pc.ok(
        f"cat /proc/fb; echo --; {_ACTIVE}\necho --; {_PLACES}").split("--\n")
    return Snapshot(_parse_places(functions), _parse_active(units), screens)


@dataclass(frozen=True)
class Look:
    """The two functions of the GPU, its group's node, the framebuffer, and is-active's words."""

    gpu: str
    audio: str
    overrides: tuple[str, str]
    node: bool  # /dev/vfio/N, N being the GPU's IOMMU group
    screen: str  # who draws /dev/fb0
    units: dict[str, str]


HOST = Look("bochs-drm", "snd_hda_intel", ("", ""), False, "bochs-drmdrmfb",
            {"host": "active", "passthrough": "inactive"})
PASSTHROUGH = Look("vfio-pci", "vfio-pci", ("vfio-pci", "vfio-pci"), True, "",
                   {"host": "inactive", "passthrough": "active"})

_LOOK = f"""
{_SETTLE}
sed -n 's/^0 //p' /proc/fb; echo --
group=$(readlink /sys/bus/pci/devices/{GPU}/iommu_group)
test -c "/dev/vfio/${{group##*/}}" && echo node; echo --
systemctl is-active vfio-mode@host vfio-mode@passthrough; echo --
{_PLACES}"""


def look(pc: PC) -> Look:
    """The machine as it is now, when no switch is under way any more."""
    screen, node, units, functions = pc.ok(_LOOK).split("--\n")
    (gpu, gpu_override), (audio, audio_override) = (_parse_places(functions)[it] for it in (GPU, AUDIO))
    return Look(gpu, audio, (gpu_override, audio_override), node != "", screen.rstrip("\n"),
                dict(zip(("host", "passthrough"), units.split(), strict=True)))


def leave_alone(pc: PC) -> None:
    """What is cut short stays as it is, until the next switch."""
    pc.ok("systemctl mask --runtime vfio-mode-cut-short@.service 2>&1")


def bindings(pc: PC, *functions: str) -> list[str]:
    """The driver links' inodes: the same as before only where the function never was unbound."""
    return pc.ok("stat -c '%i %N' " + " ".join(
        f"/sys/bus/pci/devices/{function}/driver" for function in functions)).splitlines()


def properties(pc: PC, unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit, by systemctl show."""
    text = pc.ok(f"systemctl show --property={','.join(names)} {unit}")
    return dict(line.split("=", 1) for line in text.splitlines())


def keep_journal(pc: PC) -> None:
    """What this boot writes can be read in the next one, with `journalctl -b -1`."""
    pc.ok("""
        mkdir -p /var/log/journal /run/systemd/journald.conf.d
        printf '[Journal]\\nStorage=persistent\\n' > /run/systemd/journald.conf.d/zz-persistent.conf
        systemctl restart systemd-journald
        journalctl --flush
    """)


def refused(pc: PC, mode: str) -> tuple[int, str]:
    """What the last start of a mode's unit, which failed, left: exit status and sentence."""
    left = properties(pc, f"vfio-mode@{mode}", "ExecMainStatus", "StatusText")
    return int(left["ExecMainStatus"]), left["StatusText"]


def check_words(said: str, words: tuple[str, ...]) -> None:
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"


def check_unit_refused(pc: PC, mode: str, name: str, code: int, *words: str) -> None:
    """`systemctl start` fails; `systemctl status` has the reason, and the journal with its name. The former is
    for everybody, so that it does not name the processes in the way."""
    unit = f"vfio-mode@{mode}.service"
    said = pc.ok(f"""
        ! systemctl start {unit} || exit 99
        systemctl show --property=ExecMainStatus,StatusText,Result {unit}
        journalctl --sync
        journalctl -b --no-pager -o cat -u {unit}
    """)
    check_words(said, (f"ExecMainStatus={20 + code}\n", "Result=exit-code\n", f"\n{name}: ", *words))
    status = next(line for line in said.splitlines() if line.startswith("StatusText="))
    named = [word for word in words if name == "busy" and "process " in word]
    check_words(status, tuple(word for word in words if word not in named))
    assert not [word for word in named if word in status], status


def check_tool_refused(pc: PC, mode: str, name: str, code: int, *words: str) -> None:
    """`vfio-modectl switch` says the same, with the refusal's name."""
    result = pc.run(f"vfio-modectl switch {mode}")
    assert result.rc == code, result.out
    check_words(result.stderr, (*words, f"({name})"))


def check_refused(pc: PC, mode: str, name: str, code: int, *words: str) -> None:
    """A switch is refused by tool and by unit, in the same words, and the machine is as before."""
    before = snapshot(pc)
    check_tool_refused(pc, mode, name, code, *words)
    assert snapshot(pc) == before
    check_unit_refused(pc, mode, name, code, *words)
    assert snapshot(pc) == before
    # On a machine that goes down, with a word on stderr: without the service.
    last = status(pc)["last_switch"]
    assert (last["result"], last["mode"]) == (name, mode)
