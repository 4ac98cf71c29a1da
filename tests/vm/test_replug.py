# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that go and come back: removed and rescanned, in passthrough mode and in host mode; and
functions that somebody else has put on vfio-pci before.
"""

import pytest

from machines import ini
from modectl import ask, status
from modes import INI, JOURNAL, active, drivers, overrides
from pc import PC

GPU, AUDIO, NIC = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0"

# Removes the functions $2... and finds them again, $1 times. Each function that comes back starts a unit,
# whose end is read from the journal as it comes. A line for each round: the driver of each function.
REPLUG = """
rounds=$1; shift
cd /sys/bus/pci
for ((round = 0; round < rounds; round++)); do
    cursor=$(journalctl --sync; journalctl -n0 --show-cursor | sed -n 's/^-- cursor: //p')
    for function; do echo 1 > devices/$function/remove; done
    echo 1 > rescan
    udevadm settle
    if [ -n "$UNITS" ]; then
        grep -Eqm$# '^(Finished|Failed to start) vfio-mode-replug@' \\
            < <(exec journalctl -fn all -o cat --after-cursor="$cursor" -u 'vfio-mode-replug@*')
    fi
    line=
    for function; do driver=$(readlink devices/$function/driver); line+="${driver##*/} "; done
    echo $line
done
"""


def replug(pc: PC, rounds: int, *functions: str, units: bool) -> list[list[str]]:
    """Remove and rescan so many times; the drivers after each."""
    pc.write("/root/replug.sh", REPLUG)
    said = pc.ok(f"UNITS={'1' if units else ''} bash /root/replug.sh {rounds} {' '.join(functions)}",
                 timeout=60 + 30 * rounds)
    return [line.split() for line in said.splitlines()]


def rule_alone_lost(pc: PC) -> int:
    """How often a host driver was faster than the udev rule, and the unit had to take the function back."""
    said = pc.ok(f"{JOURNAL} SYSLOG_IDENTIFIER=vfio-mode-apply")
    return said.count("and was taken for mode")


def check_replug_in_passthrough(pc: PC, rounds: int) -> None:
    pc.ok("systemctl start vfio-mode@passthrough")
    assert pc.run("test -e /sys/module/bochs && test -e /sys/module/snd_hda_intel").rc == 0
    assert replug(pc, rounds, GPU, AUDIO, units=True) == [["vfio-pci", "vfio-pci"]] * rounds
    print(f"the udev rule alone lost {rule_alone_lost(pc)} of {2 * rounds} times")
    assert active(pc) == ["passthrough"]
    assert overrides(pc) == {GPU: "vfio-pci", AUDIO: "vfio-pci"}
    assert status(pc)["drift"] == []
    pc.ok("systemctl start vfio-mode@host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert overrides(pc) == {}


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_passthrough_many_times(pc: PC, request: pytest.FixtureRequest) -> None:
    """Every function is on vfio-pci again, every time, with its host driver loaded; then it goes home.

    Twenty times, where it is long.
    """
    check_replug_in_passthrough(pc, 20 if request.config.option.long else 5)


@pytest.mark.machine("gpu")
def test_one_function_of_the_slot(pc: PC) -> None:
    """The other function, which stayed, is left alone."""
    pc.ok("systemctl start vfio-mode@passthrough")
    assert replug(pc, 3, AUDIO, units=True) == [["vfio-pci"]] * 3
    assert replug(pc, 3, GPU, units=True) == [["vfio-pci"]] * 3
    assert drivers(pc, GPU, AUDIO, NIC) == ["vfio-pci", "vfio-pci", "e1000e"]
    assert active(pc) == ["passthrough"]


@pytest.mark.machine("gpu")
def test_host(pc: PC) -> None:
    """In host mode a function that comes back is none of our business, also after a visit to the other."""
    home = [["bochs-drm", "snd_hda_intel"]]
    assert replug(pc, 3, GPU, AUDIO, units=False) == home * 3
    pc.ok("systemctl start vfio-mode@passthrough && systemctl start vfio-mode@host")
    assert replug(pc, 3, GPU, AUDIO, units=False) == home * 3
    assert overrides(pc) == {}
    assert active(pc) == ["host"]
    assert rule_alone_lost(pc) == 0
    assert pc.ok("systemctl list-units --all --plain --no-legend 'vfio-mode-replug@*'") == ""


@pytest.mark.machine("gpu")
def test_another_device_came_back(pc: PC) -> None:
    """A device that no mode has on vfio-pci at the moment keeps its host driver."""
    pc.ok("systemctl start vfio-mode@passthrough")
    assert replug(pc, 2, NIC, units=False) == [["e1000e"]] * 2
    assert drivers(pc, GPU, AUDIO) == ["vfio-pci", "vfio-pci"]


# ---- On vfio-pci already ----


BY_HAND = f"""
modprobe vfio-pci
for function in {GPU} {AUDIO}; do
    cd /sys/bus/pci/devices/$function
    echo vfio-pci > driver_override
    echo $function > driver/unbind
    echo $function > /sys/bus/pci/drivers_probe
done
"""


@pytest.mark.machine("gpu")
def test_bound_by_hand_counts(pc: PC) -> None:
    """What is on vfio-pci already is passed through: nothing to do; and the way back returns it."""
    pc.ok(BY_HAND)
    answer = ask(pc, "switch passthrough")
    assert (answer["changed"], answer["steps_taken"]) == (True, 0)
    assert active(pc) == ["passthrough"]
    assert ask(pc, "switch passthrough")["changed"] is False
    assert ask(pc, "switch host")["changed"] is True
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
    assert overrides(pc) == {}
    assert "bochs-drm" in pc.read("/proc/fb")


@pytest.mark.machine("gpu")
def test_bound_by_an_id_counts(pc: PC) -> None:
    """So is what got there by vfio-pci.ids= or new_id, without an override. A way back must not end there
    again.
    """
    pc.write(INI, ini())
    pc.ok(f"""
        modprobe vfio-pci
        echo {GPU} > /sys/bus/pci/drivers/bochs-drm/unbind
        echo {AUDIO} > /sys/bus/pci/drivers/snd_hda_intel/unbind
        echo 1234 1111 > /sys/bus/pci/drivers/vfio-pci/new_id
        echo $(sed s/0x// /sys/bus/pci/devices/{AUDIO}/vendor /sys/bus/pci/devices/{AUDIO}/device) \\
            > /sys/bus/pci/drivers/vfio-pci/new_id
    """)
    assert drivers(pc, GPU, AUDIO) == ["vfio-pci", "vfio-pci"]
    assert ask(pc, "switch passthrough")["steps_taken"] == 0
    pc.ok("vfio-modectl switch host")
    assert drivers(pc, GPU, AUDIO) == ["bochs-drm", "snd_hda_intel"]
