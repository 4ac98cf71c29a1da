# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated PC as a test sees it: boot it, run shell scripts in it, restore it.

    pc.ok("systemctl start vfio-mode@passthrough")     raises with the output if it fails
    pc.run("false").rc                                 does not
    pc.write("/etc/vfio-mode.ini", text)
    pc.reboot(); pc.restore(); pc.monitor("system_powerdown"); pc.wait_poweroff()
"""

import base64
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cache
from machines import Machine
from qemu import PCError, Qemu, Serial

SNAPSHOT = "booted"
DISK_SERIAL = "NOT-FOR-OTHERS-0815"
TIMEOUT = 180.0  # of a command; emulation is slow, and the machine may be busy with others
BOOT_TIMEOUT = 600.0
REBOOT_TRIES = 3

# A process that goes back to a snapshot does not take its processor's time stamp counter back (QEMU 7.2): the
# guest's clock jumps ahead by all that the process has run. At 3 min systemd's watchdogs end services; and after 35 s,
# 58 s and 68 s its PID 1 once stood still for as long as D-Bus waits for a service to start: see _synchronise().
LONGEST_JUMP = 45.0

# Debian's and Proxmox VE's.
_FIRMWARE = (Path("/usr/share/OVMF"), Path("/usr/share/pve-edk2-firmware"))

# busctl waits until the bus is there, by inotify; systemctl alone would fail before that.
_WAIT_UP = """
busctl --watch-bind=yes call org.freedesktop.DBus / org.freedesktop.DBus GetId >/dev/null
systemctl is-system-running --wait >/dev/null
# Systemd's queue may be empty while udev still loads the GPU's driver.
udevadm settle --timeout=500
systemctl is-system-running --wait
"""


@dataclass(frozen=True)
class Result:
    """What a script in the guest left. `out` is both streams in the order they were read."""

    rc: int
    out: str
    stdout: str
    stderr: str


def artifacts() -> Path:
    """Where logs of failures are kept: $VFIO_MODE_ARTIFACTS, or a temporary directory."""
    path = os.environ.get("VFIO_MODE_ARTIFACTS")
    if not path:
        path = os.environ["VFIO_MODE_ARTIFACTS"] = tempfile.mkdtemp(prefix="vfio-mode-")
    Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def _firmware(file: str) -> Path:
    for directory in _FIRMWARE:
        if (directory / file).exists():
            return directory / file
    raise PCError(f"no {file}: the package ovmf is missing")


def hardware(machine: Machine) -> list[str]:
    """QEMU's arguments for everything but the files."""
    devices = [argument for device in machine.devices for argument in ("-device", device)]
    nets = sorted({part.removeprefix("netdev=") for device in machine.devices
                   for part in device.split(",") if part.startswith("netdev=")})
    # A hub has a carrier and nobody else on it.
    backends = [argument for number, net in enumerate(nets)
                for argument in ("-netdev", f"hubport,id={net},hubid={number}")]
    return [
        "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-shutdown",
        # The board's own disk controller would only cost the time to look at its empty ports.
        "-machine", "q35,kernel-irqchip=split,sata=off", "-accel", "tcg,thread=single",
        # Five-level page tables cost emulation time and prove nothing.
        "-cpu", "max,la57=off", "-smp", "1", *machine.memory,
        "-drive", f"if=pflash,format=raw,readonly=on,file={_firmware('OVMF_CODE_4M.fd')}",
        "-audiodev", "none,id=silence", *backends, *devices,
        "-device", f"virtio-blk-pci,drive=disk,serial={DISK_SERIAL},bootindex=0,bus=pcie.0,addr=0x10",
        "-device", "virtio-serial-pci,bus=pcie.0,addr=0x11",
        "-device", "virtserialport,chardev=agent,name=vfio-mode-test",
        "-device", "virtio-rng-pci,bus=pcie.0,addr=0x12",
    ]


class PC:
    """One machine with a disk of its own in `directory`, which goes when it is closed."""

    def __init__(self, machine: Machine, directory: Path, disk: Path, disk_format: str) -> None:
        self.machine = machine
        self.directory = directory
        self.disk = disk
        self._disk = f"file={disk},format={disk_format},cache=unsafe"
        self._second: list[str] = []  # QEMU's arguments for a second disk
        self.variables = directory / "vars.qcow2"
        self.boot_id = ""
        self.state = ""  # systemd's verdict on the last boot
        self.saved_state = ""  # and on that of the snapshot
        self._devices: set[str] = set()  # what the machine was switched on with
        self._started = 0.0
        self._qemu: Qemu | None = None

    # -- life ---------------------------------------------------------------------------------

    def start(self, *, snapshot: str | None = None) -> None:
        """Power on: through firmware and GRUB, or into a snapshot."""
        if not self.variables.exists():
            subprocess.run(["qemu-img", "convert", "-O", "qcow2", _firmware("OVMF_VARS_4M.fd"),
                            self.variables], check=True)
        arguments = self._arguments()
        if snapshot:
            arguments += ["-loadvm", snapshot]
        self._qemu = Qemu(arguments, self.directory)
        self._started = time.monotonic()
        self._devices = self._devices_now()
        if snapshot:
            self._synchronise()

    def wait_agent(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until the agent of a boot that is new to us says hello: very early in that boot."""
        message = self._receive(lambda m: m.get("hello", self.boot_id) != self.boot_id,
                                timeout, "the guest's agent to say hello")
        self.boot_id = message["hello"]

    def wait_up(self, timeout: float = BOOT_TIMEOUT) -> str:
        """Wait until systemd has no more jobs; returns its verdict: running, degraded, ..."""
        self.state = self.run(_WAIT_UP, timeout).stdout.strip()
        return self.state

    def boot(self) -> str:
        """start() and wait_agent() and wait_up()."""
        with cache.timed(f"boot {self.machine.name}"):
            self.start()
            self.wait_agent()
            return self.wait_up()

    def reboot(self, command: str = "systemctl reboot", *, wait: bool = True) -> None:
        """Reboot in order (or by `command`), and wait until the next boot is up.

        Raises with what the command said where it fails. A guest whose host was busy may have lost its bus, over
        which systemctl asks: to be asked once more does a reboot no harm.
        """
        self.hold_resets()
        for left in reversed(range(REBOOT_TRIES)):
            try:
                self._until_reset_by(command)
                break
            except AssertionError as error:
                if left == 0:
                    raise
                print(f"vm: asking again: {error}", file=sys.stderr)
        self.reset()
        if wait:
            self.wait_agent()
            self.wait_up()

    def soft_reboot(self) -> None:
        """All but the kernel and the agent begins anew. Waits until it is up."""
        folder = "/run/systemd/system/vfio-mode-test-agent.service.d"
        self.ok(f"mkdir -p {folder}")
        self.write(f"{folder}/survive.conf",
                   "[Unit]\nSurviveFinalKillSignal=yes\n")
        self.ok("systemctl daemon-reload; systemctl soft-reboot; "
                "until [ \"$(systemctl show --value -p SoftRebootsCount 2>&1)\" = 1 ]; do :; done", BOOT_TIMEOUT)
        self.wait_up()

    def reset(self) -> None:
        """The reset button; what the guest did not sync may be lost. Waits for nothing."""
        self.qemu.quit()
        self.start()

    @contextlib.contextmanager
    def recorded(self, base: Path, log: Path, second: Path | None = None) -> Iterator[None]:
        """The reset button; from then on QEMU's blklogwrites writes down what is written to the disk,
        whose content before is copied to `base`, raw. Or to a second disk, this raw file, which the
        firmware knows as well. Ends with a power cut.
        """
        self.qemu.quit()
        subprocess.run(["qemu-img", "convert", "-O", "raw", second or self.disk, base], check=True)
        log.write_bytes(b"")
        # Each write is counted at once: GRUB does not flush. And cache=unsafe would keep flushes from the log.
        recorder = ("driver=blklogwrites,log-sector-size=512,log-super-update-interval=1,cache=writeback,"
                    f"log.driver=file,log.filename={log},file.file.driver=file,file.file.filename=")
        disk = self._disk
        try:
            if second:
                self._second = ["-drive", f"if=none,id=second,{recorder}{second},file.driver=raw",
                                "-device", "virtio-blk-pci,drive=second,bootindex=1,bus=pcie.0,addr=0x13"]
            else:
                self._disk = f"{recorder}{self.disk},file.driver=qcow2"
            self.start()
            yield
        finally:
            self.power_cut()
            self._disk, self._second = disk, []

    def hold_resets(self) -> None:
        """From now on the machine stands still when its kernel resets it: see after_reset()."""
        self.qmp("set-action", reboot="shutdown")

    def after_reset(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Wait until the kernel resets the machine, and go on in a new process.

        A process that boots for the second time throws away every translation of the first boot's
        code as memory is overwritten: such a boot takes twice as long.
        """
        self.qemu.wait_event("SHUTDOWN", timeout)
        self.reset()

    def _until_reset_by(self, command: str) -> None:
        """Wait until the kernel resets the machine, as it is told to by a command, or the command fails."""
        request, failed = uuid.uuid4().hex, []

        def has_failed() -> bool:
            while answer := self.qemu.agent.take():
                # Who is ended by the shutdown has not failed.
                if answer.get("id") == request and 0 < answer["rc"] < 128:
                    failed.append(answer)
            return bool(failed)

        with self.qemu.explained(command):
            self.qemu.agent.send({"id": request, "run": command})
        try:
            self.qemu.wait_event("SHUTDOWN", BOOT_TIMEOUT, has_failed)
        except PCError:
            if failed:
                raise AssertionError(f"exit status {failed[0]['rc']} of: {command}\n{failed[0]['out']}") from None
            raise

    def power_button(self) -> None:
        self.monitor("system_powerdown")

    def wait_poweroff(self, timeout: float = TIMEOUT) -> None:
        """Wait until the guest has switched itself off. restore() and start() work after it."""
        self.qemu.wait_event("SHUTDOWN", timeout)

    def hibernate(self) -> None:
        """Write memory to the swap that the guest has, and switch off."""
        self.tell("echo shutdown > /sys/power/disk; echo disk > /sys/power/state")
        self.wait_poweroff(BOOT_TIMEOUT)

    def resume(self) -> None:
        """Switch on after hibernate(): firmware, GRUB and a kernel, which goes on with the one before."""
        before = self.boot_id
        self.qemu.quit()
        self.start()
        self._synchronise(BOOT_TIMEOUT)
        if self.boot_id != before:
            raise PCError("the guest has not gone on with the kernel that hibernated")

    def restore(self) -> None:
        """Back to the moment of the snapshot: memory, devices, disk, firmware variables."""
        self.state = self.saved_state
        usable = (self._qemu and self._qemu.process.poll() is None
                  and time.monotonic() - self._started < LONGEST_JUMP)
        # A machine that has switched itself off cannot load a snapshot. One with another device than the
        # snapshot's loads it and keeps the device, and what it saves then no other can load.
        if usable:
            try:
                if (self.status() == "running" and self._devices_now() == self._devices
                        and not self.monitor(f"loadvm {SNAPSHOT}")):
                    self.qemu.forget()
                    self.qmp("set-action", reboot="reset")  # after hold_resets() in a test that failed
                    self._synchronise()
                    return
            except PCError as error:
                print(f"vm: starting again: {error}", file=sys.stderr)
        self.power_cut()
        self.start(snapshot=SNAPSHOT)

    def _devices_now(self) -> set[str]:
        return {device["name"] for place in ("peripheral", "peripheral-anon")
                for device in self.qmp("qom-list", path=f"/machine/{place}")}

    def save(self) -> None:
        """Make the snapshot that restore() goes back to."""
        said = self.monitor(f"savevm {SNAPSHOT}")
        if said:
            raise PCError(f"savevm: {said}")

    def power_cut(self) -> None:
        if self._qemu:
            self._qemu.kill()
            self._qemu = None

    def close(self) -> None:
        self.power_cut()
        cache.remove(self.directory)

    # -- use ----------------------------------------------------------------------------------

    def run(self, script: str, timeout: float = TIMEOUT) -> Result:
        """Run a script by bash as root; it may fail."""
        request = uuid.uuid4().hex
        with self.qemu.explained(script):
            self.qemu.agent.send({"id": request, "run": script})
        answer = self._receive(lambda m: m.get("id") == request, timeout, script)
        return Result(answer["rc"], answer["out"], answer["stdout"], answer["stderr"])

    def tell(self, script: str) -> None:
        """Start a script in which the machine goes away: the answer may come, or not, or much later."""
        with self.qemu.explained(script):
            self.qemu.agent.send({"id": "no answer", "run": script})

    def ok(self, script: str, timeout: float = TIMEOUT) -> str:
        """Run a script that has to succeed; returns its output without the last newline."""
        result = self.run(script, timeout)
        if result.rc != 0:
            raise AssertionError(f"exit status {result.rc} of: {script}\n{result.out}")
        return result.out.rstrip("\n")

    def read(self, path: str) -> str:
        """A file's content."""
        result = self.run(f"cat {shlex.quote(path)}")
        if result.rc != 0:
            raise AssertionError(result.out)
        return result.stdout

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        # A piece must fit into one argument of execve (128 KiB).
        pieces = [data[i:i + 65536] for i in range(0, len(data), 65536)] or [b""]
        quoted = shlex.quote(path)
        for number, piece in enumerate(pieces):
            redirect = ">" if number == 0 else ">>"
            self.ok(f"base64 -d <<<'{base64.b64encode(piece).decode()}' {redirect} {quoted}")
        self.ok(f"chmod {mode:o} {quoted}")

    def push(self, source: Path, path: str) -> None:
        """Copy a file of the host into the guest, with its mode."""
        self.write(path, source.read_bytes(), source.stat().st_mode & 0o777)

    def monitor(self, line: str, timeout: float = TIMEOUT) -> str:
        """A command of QEMU's human monitor."""
        return self.qemu.hmp(line, timeout).strip()

    def qmp(self, command: str, **arguments: object) -> object:
        return self.qemu.qmp(command, **arguments)

    def status(self) -> str:
        """QEMU's word for the machine's state: running, shutdown, ..."""
        answer = self.qemu.qmp("query-status")
        assert isinstance(answer, dict)
        return answer["status"]

    @property
    def serial(self) -> Serial:
        """The serial console: expect() and send()."""
        return self.qemu.serial

    @property
    def qemu(self) -> Qemu:
        if self._qemu is None:
            raise PCError("the machine is off")
        return self._qemu

    # -- things every scenario asks -----------------------------------------------------------

    def driver(self, address: str) -> str | None:
        """The driver that a PCI function is bound to."""
        return self.run(
            f"basename $(readlink /sys/bus/pci/devices/{address}/driver)").stdout.strip() or None

    def group(self, address: str) -> str | None:
        """The IOMMU group of a PCI function."""
        return self.run(
            f"basename $(readlink /sys/bus/pci/devices/{address}/iommu_group)").stdout.strip() or None

    # -- logs ---------------------------------------------------------------------------------

    def keep_logs(self, name: str) -> Path:
        """Copy what explains a failure into the artifacts directory; returns where."""
        target = artifacts() / f"{name}-{uuid.uuid4().hex[:6]}"
        target.mkdir()
        for log in self.directory.glob("*.log"):
            shutil.copy(log, target)
        with contextlib.suppress(PCError, OSError):
            if self.boot_id and self.status() == "running":
                journal = self.run("journalctl -b --no-pager -o short-monotonic", timeout=60)
                (target / "journal.txt").write_text(journal.out)
                state = self.run(
                    "systemctl list-jobs; systemctl --failed; lspci -nnk; cat /run/vfio-mode/*",
                    timeout=60)
                (target / "state.txt").write_text(state.out)
        return target

    # -- inside -------------------------------------------------------------------------------

    def _arguments(self) -> list[str]:
        return [*hardware(self.machine),
                "-drive", f"if=pflash,format=qcow2,file={self.variables}",
                "-drive", f"if=none,id=disk,{self._disk},discard=unmap", *self._second]

    def _receive(self, wanted: Callable[[dict], bool], timeout: float, what: str) -> dict:
        """The next message of the agent that is `wanted`. Others are of an earlier time."""
        deadline = time.monotonic() + timeout
        qemu = self.qemu
        with qemu.explained(what):
            while not wanted(message := qemu.agent.receive(deadline, qemu.serial.panicked)):
                pass
        return message

    def _synchronise(self, timeout: float = TIMEOUT) -> None:
        """Find the beat with an agent that knows nothing of what was said since the snapshot."""
        nonce = uuid.uuid4().hex
        with self.qemu.explained("synchronise"):
            self.qemu.agent.send({"sync": nonce})
        self.boot_id = self._receive(lambda m: m.get("sync") == nonce, timeout, "synchronise")["boot"]
        # For the scheduler, who ran when the clock jumped has had the processor all that time, and stands back for as
        # long behind a loop that waits. PID 1 has its turn before there is one.
        self.run("systemctl show --property=Version", timeout)
