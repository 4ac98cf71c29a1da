# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver that cannot be unbound while somebody uses it: its modules are unloaded, or the switch is refused.

The modules are stand-ins with the names of NVIDIA's, nvidia/, for devices that are plugged in. remove() of
`nvidia` waits for its users without end, and the module does not stay where it finds no card, as the real
one's.
"""

import shutil
from pathlib import Path

import pytest

import cache
import image
from modectl import ask
from modes import active, check_refused, check_tool_refused, drivers, overrides, snapshot
from pc import PC
from test_faulty import answers, check_answers, check_wedged, wait_for_late_return
from test_guest import end_guest

HERE = Path(__file__).resolve().parent
CARD, OTHER = "0000:03:00.0", "0000:02:00.0"
BELOW = {"nvidia": "", "nvidia_modeset": "nvidia", "nvidia_drm": "nvidia_modeset", "nvidia_uvm": "nvidia"}
STACK = list(BELOW)
UNITS = ["nvidia-persistenced.service", "nvidia-powerd.service"]

CONFIG = f"""\
[general]
default-mode = host
fallback-mode = host

[device card]
address = {CARD}

[mode host]

[mode passthrough]
vfio-devices = card
"""

_BUILD = """
cp /mnt/source/* /mnt/output
make -s -C /usr/src/linux-headers-*-amd64 M=/mnt/output modules
strip --strip-debug /mnt/output/*.ko
"""


def modules(suite: str) -> list[Path]:
    """The stand-ins for a suite's kernel."""
    source = HERE / "nvidia"
    key = cache.key(image.tree(image.SUITES[suite]).parent.name,
                    cache.key_of_files(source.iterdir(), source), _BUILD)
    names = [f"{name}.ko" for name in STACK]

    def build(partial: Path) -> None:
        (partial / "build").mkdir()
        image.in_guest_tree(suite, _BUILD, source, partial / "build")
        for name in names:
            shutil.copy(partial / "build" / name, partial)
        cache.remove(partial / "build")

    directory = cache.once(cache.root() / suite / f"nvidia-{key}", build)
    cache.prune(directory.parent, "nvidia-*", keep=2)
    return [directory / name for name in names]


def plug_in(pc: PC) -> None:
    """The card, on a driver whose whole stack is loaded; and what NVIDIA has running for it."""
    for module in modules(pc.machine.suite):
        pc.push(module, f"/usr/local/lib/{module.name}")
    # As Debian's packages have it; an index of all modules would take a minute here.
    pc.write("/etc/modprobe.d/nvidia.conf", "".join(
        f"install {name} {below and f'modprobe {below} && '}insmod /usr/local/lib/{name}.ko\n"
        for name, below in BELOW.items()))
    pc.write("/etc/vfio-mode.ini", CONFIG)
    assert pc.monitor("device_add pci-testdev,id=card,bus=spare") == ""
    pc.ok(f"udevadm wait --timeout=60 /sys/bus/pci/devices/{CARD}")
    pc.ok("modprobe -a nvidia_drm nvidia_uvm; mknod /dev/nvidia0 c 195 0")
    # The first has the card's node open, the second has nothing.
    for unit, node in zip(UNITS, ("/dev/nvidia0", "/dev/null"), strict=True):
        pc.write(f"/run/systemd/system/{unit}",
                 f"[Service]\nExecStart=/bin/sh -c 'exec sleep infinity < {node}'\n")
    assert drivers(pc, CARD) == ["nvidia"]


def loaded(pc: PC) -> list[str]:
    return [name for name in STACK if pc.run(f"test -e /sys/module/{name}").rc == 0]


def running(pc: PC) -> list[str]:
    """What runs when nothing is queued any more."""
    return pc.ok("until [ -z \"$(systemctl list-jobs --no-legend)\" ]; do :; done; "
                 f"for unit in {' '.join(UNITS)}; do systemctl -q is-active $unit && echo $unit; done; "
                 "true").split()


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_stack_is_unloaded_and_loaded(pc: PC) -> None:
    """In the order of its dependencies, with the units that use it; all is back after the return, and after
    a switch that was undone because one module was held."""
    plug_in(pc)
    pc.ok(f"systemctl start {' '.join(UNITS)}")
    steps = ask(pc, "switch passthrough --dry-run")["steps"]
    order = [step["text"].split()[4] for step in steps if step["step"] == "unload-module"]
    assert sorted(order) == sorted(STACK)
    assert order.index("nvidia_drm") < order.index("nvidia_modeset") < order.index("nvidia")
    assert order.index("nvidia_uvm") < order.index("nvidia")
    assert [step["object"] for step in steps if step["step"] == "stop-holder"] == UNITS
    assert "unbind" not in [step["step"] for step in steps]

    # Held where only the kernel knows of it, below modules that are unloaded before it.
    pc.ok("exec 9<> /dev/held-nvidia_modeset; sleep infinity <&9 >/dev/null 2>&1 & echo $! > /run/held")
    before = snapshot(pc)
    check_tool_refused(pc, "passthrough", "busy", 4, CARD, "nvidia_modeset", "reference count 1")
    assert snapshot(pc) == before
    assert (loaded(pc), running(pc)) == (STACK, UNITS)
    end_guest(pc, "$(cat /run/held)")

    # One module more, from when the first of the units is stopped.
    pc.ok(f"""
        rmmod nvidia_uvm
        mkdir -p /run/systemd/system/{UNITS[0]}.d
        printf '[Service]\\nExecStop=modprobe nvidia_uvm\\n' > /run/systemd/system/{UNITS[0]}.d/joins.conf
        systemctl daemon-reload
    """)
    pc.ok("vfio-modectl switch passthrough")
    assert (drivers(pc, CARD), loaded(pc), running(pc)) == (["vfio-pci"], [], [])
    assert active(pc) == ["passthrough"]
    pc.ok("vfio-modectl switch host")
    assert (drivers(pc, CARD), loaded(pc), running(pc)) == (["nvidia"], STACK, UNITS)
    assert (overrides(pc), active(pc)) == ({}, ["host"])


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_second_card_of_the_driver(pc: PC) -> None:
    """Refused, since the driver cannot be unloaded; unbound where the device consents to that, and still
    not under a process that is seen. The second card is a network card by its other name."""
    plug_in(pc)
    pc.ok(f"""
        echo nvidia > /sys/bus/pci/devices/{OTHER}/driver_override
        echo {OTHER} > /sys/bus/pci/devices/{OTHER}/driver/unbind
        echo {OTHER} > /sys/bus/pci/drivers/nvidia/bind
    """)
    check_refused(pc, "passthrough", "shared-driver", 6, CARD, OTHER, "consent")
    pc.write("/etc/vfio-mode.ini", CONFIG.replace(CARD, f"{CARD}\nconsent = shared-driver"))
    said = pc.ok("vfio-modectl switch passthrough --dry-run")
    assert f"{CARD}: unbind from nvidia" in said
    assert f"stays loaded ({OTHER} needs" in said
    pc.ok("sleep infinity < /dev/nvidia0 >/dev/null 2>&1 & echo $! > /run/held")
    check_tool_refused(pc, "passthrough", "busy", 4, CARD, "sleep")
    end_guest(pc, "$(cat /run/held)")
    pc.ok("vfio-modectl switch passthrough")
    assert (drivers(pc, CARD, OTHER), loaded(pc)) == (["vfio-pci", "nvidia"], STACK)
    pc.ok("vfio-modectl switch host")
    assert (drivers(pc, CARD, OTHER), loaded(pc)) == (["nvidia", "nvidia"], STACK)
    assert (overrides(pc), active(pc)) == ({OTHER: "nvidia"}, ["host"])


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_unload_stalls(pc: PC) -> None:
    """In remove(), which the kernel calls once the module is on its way out: wedged, by its name, while
    status answers; when that comes back all is loaded again by itself, and the next switch works."""
    plug_in(pc)
    pc.ok("""
        mkdir -p /run/systemd/system/vfio-mode@.service.d
        printf '[Service]\\nEnvironment=VFIO_MODE_WRITE_DEADLINE=5s\\n' \\
            > /run/systemd/system/vfio-mode@.service.d/deadline.conf
        systemctl daemon-reload
        modprobe vfio-pci
    """)
    before = answers(pc)
    pc.ok("echo 1 > /sys/module/nvidia/parameters/remove_stalls")
    words = CARD, "unloading the module nvidia of"
    check_tool_refused(pc, "passthrough", "wedged", 7, *words, "within 5 s")
    check_wedged(pc, *words)
    check_answers(pc, before)
    assert loaded(pc) == ["nvidia"]
    check_tool_refused(pc, "host", "wedged", 7, "Still stuck in the kernel", *words)
    pc.ok("echo 0 > /sys/module/nvidia/parameters/remove_stalls")
    wait_for_late_return(pc)
    assert (drivers(pc, CARD), loaded(pc)) == (["nvidia"], STACK)
    pc.ok("vfio-modectl switch passthrough")
    assert (drivers(pc, CARD), loaded(pc), active(pc)) == (["vfio-pci"], [], ["passthrough"])
    pc.ok("vfio-modectl switch host")
    assert (drivers(pc, CARD), loaded(pc), active(pc)) == (["nvidia"], STACK, ["host"])
