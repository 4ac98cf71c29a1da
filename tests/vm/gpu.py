# SPDX-License-Identifier: GPL-2.0-or-later
"""What a mode looks like from outside: drivers, overrides, VFIO's node, the screen, the units.

    assert look(pc) == HOST
    pc.ok("systemctl start vfio-mode@passthrough")
    assert look(pc) == PASSTHROUGH

Nothing here asks the product: sysfs, /dev, /proc/fb and systemd are asked.
"""

from dataclasses import dataclass

from pc import PC

GPU, AUDIO, NIC = "0000:01:00.0", "0000:01:00.1", "0000:02:00.0"


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

# A unit that a switch which failed starts again is queued, not waited for.
_SCRIPT = f"""
until [ -z "$(systemctl list-jobs --no-legend 'vfio-mode*')" ]; do :; done
cd /sys/bus/pci/devices
for function in {GPU} {AUDIO}; do
    driver=$(readlink $function/driver)
    echo "${{driver##*/}}"
    cat $function/driver_override
done
group=$(readlink {GPU}/iommu_group)
test -c "/dev/vfio/${{group##*/}}" && echo node || echo no node
echo "$(sed -n 's/^0 //p' /proc/fb)"
systemctl is-active vfio-mode@host vfio-mode@passthrough
true
"""


def look(pc: PC) -> Look:
    """The machine as it is now, when no switch is under way any more."""
    gpu, gpu_override, audio, audio_override, node, screen, *units = pc.ok(_SCRIPT).split("\n")
    overrides = tuple("" if text == "(null)" else text for text in (gpu_override, audio_override))
    return Look(gpu, audio, overrides, node == "node", screen,
                dict(zip(("host", "passthrough"), units, strict=True)))


def bindings(pc: PC, *functions: str) -> list[str]:
    """The driver links' inodes: the same as before only where the function never was unbound."""
    return pc.ok("stat -c '%i %N' " + " ".join(
        f"/sys/bus/pci/devices/{function}/driver" for function in functions)).splitlines()


def unit(pc: PC, mode: str, name: str) -> str:
    """A property of a mode's unit."""
    return pc.ok(f"systemctl show --value -p {name} vfio-mode@{mode}")


def refused(pc: PC, mode: str) -> tuple[int, str]:
    """What the last start of a mode's unit, which failed, left: exit status and sentence."""
    return int(unit(pc, mode, "ExecMainStatus")), unit(pc, mode, "StatusText")
