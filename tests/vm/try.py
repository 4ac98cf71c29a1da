#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows a graphics card moving from the host to vfio-pci and back, in the emulated PC, as a person at a
terminal would watch it; fails if what it shows is not so. tests/try installs what it needs and runs it.
"""

import argparse
import contextlib
import os
import select
import sys
import termios
import time
import tty

import image
import power
from machines import MACHINES
from pc import PC
from qemu import PCError

DISPLAY, AUDIO = "0000:01:00.0", "0000:01:00.1"
LEAVE = b"\x1d"  # Ctrl-]


class Show:
    """Runs commands in the guest with their output on our terminal, and judges what is there."""

    def __init__(self, pc: PC) -> None:
        self._pc = pc
        self._failures = 0

    def heading(self, text: str) -> None:
        print(f"\n== {text}", flush=True)

    def command(self, command: str) -> None:
        """What a person would type. A failure of it is one of ours."""
        print(f"# {command}", flush=True)
        start = time.monotonic()
        result = self._pc.run(command)
        if result.out.strip():
            print(result.out.rstrip())
        if time.monotonic() - start > 0.5:
            print(f"  ({time.monotonic() - start:.1f} s, emulated)")
        if result.rc != 0:
            self.judge(False, f"exit status 0 (it is {result.rc})")

    def judge(self, true: bool, what: str) -> None:
        print(f"  {'as it should be' if true else 'WRONG'}: {what}", flush=True)
        self._failures += not true

    def drivers(self, display: str, audio: str) -> None:
        self.command("lspci -nnk -s 01:00")
        for address, wanted in ((DISPLAY, display), (AUDIO, audio)):
            self.judge(self._pc.driver(address) == wanted, f"{address} is on {wanted}")

    def framebuffer(self, there: bool) -> None:
        self.command("cat /proc/fb")
        text = self._pc.run("cat /proc/fb").stdout
        self.judge(("bochs" in text) == there,
                   "the card's framebuffer is there" if there else "no framebuffer on the card")

    def group_node(self) -> None:
        self.command("ls -l /dev/vfio")
        node = f"/dev/vfio/{self._pc.group(DISPLAY)}"
        self.judge(self._pc.run(f"test -c {node}").rc == 0, f"{node} is there for a virtual machine")

    @property
    def failures(self) -> int:
        return self._failures


def demonstrate(pc: PC) -> int:
    show = Show(pc)
    show.heading("Host mode: the card belongs to the host")
    show.drivers("bochs-drm", "snd_hda_intel")
    show.framebuffer(True)

    show.heading("To passthrough mode")
    show.command("systemctl start vfio-mode@passthrough")
    show.drivers("vfio-pci", "vfio-pci")
    show.framebuffer(False)
    show.group_node()
    show.command("vfio-modectl status")

    show.heading("And back to the host")
    show.command("systemctl start vfio-mode@host")
    show.drivers("bochs-drm", "snd_hda_intel")
    show.framebuffer(True)
    show.command("vfio-modectl status")
    return show.failures


def shell(pc: PC) -> None:
    """Joins the terminal with the guest's serial console until Ctrl-] is pressed."""
    pc.serial.send("\n")
    pc.serial.expect("login: ")
    pc.serial.send("root\n")
    print("\nThis is the emulated PC's serial console, as root. Ctrl-] leaves it and switches the PC off."
          "\nTry: vfio-modectl status; vfio-modectl list-devices --tree; "
          "systemctl start vfio-mode@passthrough\n", flush=True)
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        while pc.qemu.process.poll() is None:
            with contextlib.suppress(PCError):  # nothing new
                sys.stdout.write(pc.serial.expect(r"(?s).+", timeout=0.02)[0])
                sys.stdout.flush()
            if select.select([terminal], [], [], 0.02)[0]:
                typed = os.read(terminal, 1024)
                if not typed or LEAVE in typed:
                    break
                pc.serial.send(typed.decode(errors="replace"))
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        print()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shell", action="store_true", help="a root shell in it instead")
    parser.add_argument("--suite", choices=("trixie", "bookworm"), default="trixie")
    arguments = parser.parse_args()
    if arguments.shell and not sys.stdin.isatty():
        parser.error("--shell needs a terminal")

    machine = MACHINES["gpu" if arguments.suite == "trixie" else "gpu-bookworm"]
    power.clean_run_directories()
    pc = power.cold(machine, image.build(machine.suite))
    try:
        print("Booting it ...", flush=True)
        state = pc.boot()
        print(f"It is up, systemd says: {state}", flush=True)
        if arguments.shell:
            shell(pc)
            return 0
        failures = demonstrate(pc)
        if failures:
            print(f"\n{failures} of these were wrong. Logs: {pc.keep_logs('try')}")
        else:
            print("\nAll as it should be.")
        return 1 if failures else 0
    except PCError as error:
        print(f"{error}\nLogs: {pc.keep_logs('try')}", file=sys.stderr)
        return 1
    finally:
        pc.close()


if __name__ == "__main__":
    sys.exit(main())
