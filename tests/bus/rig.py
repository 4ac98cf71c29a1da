# SPDX-License-Identifier: GPL-2.0-or-later
"""A system bus of our own, the service on it, and systemd and polkit as far as it talks to them.

The program under test is $VFIO_MODED.
"""

import contextlib
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest
import wire

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/ctl"))
from captured import BOOT_RECORD, Machine, boot_record  # noqa: E402, F401

PROGRAM = os.environ.get("VFIO_MODED", "vfio-moded")
NAME, PATH, MANAGER = "org.vfiomode1", "/org/vfiomode1", "org.vfiomode1.Manager"
DEVICES = PATH + "/device"
ERROR = "org.vfiomode1.Error."
SYSTEMD, POLKIT = "org.freedesktop.systemd1", "org.freedesktop.PolicyKit1"
PROPERTIES = "org.freedesktop.DBus.Properties"
NOBODY = 65534
ONE_SHOT = "sys/firmware/efi/efivars/VfioModeOneShot-6d3f1c52-8f0e-4a53-9d0c-2f5b7c1e9a44"

CONFIG = """\
[general]
default-mode = host

[device gpu]
address = 0000:01:00.0
id = 10de:2484
consent = boot-vga

[mode passthrough]
vfio-devices = gpu
cmdline = nosmt=force

[mode plain]
vfio-devices = gpu
"""

DAEMON = """\
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow own="{systemd}"/>
    <allow own="{polkit}"/>
    <allow send_destination="{systemd}"/>
    <allow send_destination="{polkit}"/>
  </policy>
  <include>{policy}</include>
  {own}
</busconfig>
"""

OWN = """<policy context="default"><allow own="org.vfiomode1"/></policy>"""
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: ")


def until(true, timeout=wire.LONG, what="it"):
    deadline = time.monotonic() + timeout
    while not (answer := true()):
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.01)
    return answer


def send(client, member, signature="", *body, flags=0) -> int:
    """A call whose answer is not waited for here; its serial number."""
    return client.send(wire.Message(wire.CALL, flags, signature, body, destination=NAME, path=PATH,
                                    interface=MANAGER, member=member))


class Bus:
    """A dbus-daemon with our policy in the rules of a system bus."""

    def __init__(self):
        # Not below pytest's folders, which are closed to everybody else.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="vfio-mode-bus."))
        self.folder, self.socket = folder, folder / "bus"
        (folder / "services").mkdir()
        folder.chmod(0o755)
        (folder / "bus.conf").write_text(DAEMON.format(
            socket=self.socket, services=folder / "services", systemd=SYSTEMD, polkit=POLKIT,
            policy=SOURCE / "conf/dbus/org.vfiomode1.conf", own=OWN if os.geteuid() else ""))
        self.said = folder / "said"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                ["dbus-daemon", "--nofork", "--print-address",
                 f"--config-file={folder / 'bus.conf'}"], stdout=subprocess.PIPE, stderr=said)
        assert self.process.stdout.readline(), "the bus did not start"

    @property
    def address(self):
        return f"unix:path={self.socket}"

    def connect(self, uid=None):
        return wire.Connection(str(self.socket), uid)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        said = self.said.read_text(errors="replace")
        shutil.rmtree(self.folder)
        assert not SANITIZER.search(said), said


class Fake(threading.Thread):
    """A service that answers calls by its methods of their names."""

    def __init__(self, bus, name):
        super().__init__(daemon=True)
        self.connection, self.orders, self.alive = bus.connect(), queue.Queue(), True
        self.connection.bus("RequestName", "su", name, 4)
        self.start()

    def run(self):
        with contextlib.suppress(ConnectionError):
            while self.alive:
                message = self.connection.receive(0.02)
                if message and message.kind == wire.CALL:
                    self.answer(message)
                while not self.orders.empty():
                    self.orders.get()()

    def answer(self, message):
        handler = getattr(self, message.member, None)
        if not handler:
            self.fail(message, "org.freedesktop.DBus.Error.UnknownMethod", message.member)
        else:
            handler(message)

    def reply(self, call, signature="", *body):
        if not call.flags & wire.NO_REPLY:
            self.connection.send(wire.Message(wire.RETURN, wire.NO_REPLY, signature, body,
                                              destination=call.sender, reply_serial=call.serial))

    def fail(self, call, name, text):
        self.connection.send(wire.Message(wire.ERROR, wire.NO_REPLY, "s", (text,), error=name,
                                          destination=call.sender, reply_serial=call.serial))

    def signal(self, path, interface, member, signature, *body):
        self.connection.send(wire.Message(wire.SIGNAL, wire.NO_REPLY, signature, body, path=path,
                                          interface=interface, member=member))

    def close(self):
        self.alive = False
        self.join()
        self.connection.close()


class Polkit(Fake):
    """`answer_of(action)` is (authorised, challenge), or None: it never answers."""

    def __init__(self, bus):
        self.asked, self.answer_of = [], lambda action: (False, False)
        super().__init__(bus, POLKIT)

    def CheckAuthorization(self, call):
        (kind, subject), action, _, flags, _ = call.body
        self.asked.append((kind, subject["name"], action, flags))
        answer = self.answer_of(action)
        if answer:
            self.reply(call, "(bba{ss})", (*answer, {}))


class Systemd(Fake):
    """`runs[PREFIX](unit)` is what a unit does, with the job's result as its value; a unit in `held`
    stays at it until finish()."""

    def __init__(self, bus):
        self.calls, self.runs, self.held, self.refused = [], {}, set(), {}
        self.jobs, self.job, self.states, self.silent = {}, 0, {}, False
        self.invocations, self.timers, self.asked = {}, {}, []
        super().__init__(bus, SYSTEMD)

    def Subscribe(self, call):
        self.reply(call)

    def order(self, call):
        unit = call.body[0]
        is_held = unit in self.held  # before a test sees the job, and goes on
        self.calls.append((call.member, unit))
        if unit in self.refused:
            self.fail(call, self.refused[unit], "Said so.")
            return
        if call.member == "StartTransientUnit":
            if unit in self.timers:
                self.fail(call, "org.freedesktop.systemd1.UnitExists", "Unit exists.")
                return
            self.timers[unit] = dict(call.body[2])
        if call.member in ("StopUnit", "RestartUnit") and unit.endswith(".timer"):
            if unit not in self.timers:
                self.fail(call, "org.freedesktop.systemd1.NoSuchUnit", "Not loaded.")
                return
            if call.member == "StopUnit":
                del self.timers[unit]
        self.job += 1
        self.jobs[unit] = self.job
        if call.member != "StopUnit":
            self.invocations[unit] = os.urandom(16)
        self.reply(call, "o", f"/org/freedesktop/systemd1/job/{self.job}")
        if not is_held:
            self.end(unit)

    StartUnit = StopUnit = RestartUnit = ReloadOrRestartUnit = StartTransientUnit = order

    def end(self, unit, result=None):
        for prefix, run in self.runs.items():
            if unit.startswith(prefix) and result is None:
                result = run(unit)
        result = result or "done"
        self.states[unit] = "active" if result == "done" else "failed"
        job = self.jobs.pop(unit)
        if not self.silent:
            self.signal("/org/freedesktop/systemd1", SYSTEMD + ".Manager", "JobRemoved", "uoss",
                        job, f"/org/freedesktop/systemd1/job/{job}", unit, result)

    def finish(self, unit, result=None):
        self.orders.put(lambda: self.end(unit, result))

    def Get(self, call):
        label = call.path.rsplit("/", 1)[1]
        unit = re.sub("_([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), label)
        job = self.jobs.get(unit, 0)
        self.asked.append((unit, call.body[1]))
        values = {
            "InvocationID": ("ay", self.invocations.get(unit, b"")),
            "Job": ("(uo)", (job, f"/org/freedesktop/systemd1/job/{job}" if job else "/")),
            "ActiveState": ("s", self.states.get(unit, "inactive")),
        }
        self.reply(call, "v", wire.Variant(*values[call.body[1]]))


class Rig:
    """The machine, the bus and all that is on it."""

    def __init__(self, folder, said):
        self.bus, self.said = Bus(), said
        self.machine = Machine(folder / "root").pc(nic="e1000e").config(CONFIG).accepted(CONFIG)
        self.machine.state("host", "", "boot", "default-mode names it")
        self.root = folder / "root"
        self.systemd, self.polkit = Systemd(self.bus), Polkit(self.bus)
        self.systemd.runs["vfio-mode@"] = self.switch
        self.systemd.runs["vfio-mode-inspect@"] = self.inspect
        self.process, self.clients = None, []
        self.boots_by_grub()

    # --- the service ---

    def run(self, *arguments, idle=0, by=()):
        """Does not wait for it. @by: what runs it, a command."""
        # No leaks are looked for at its end by who traces it; others look for them.
        traced = {"ASAN_OPTIONS": "detect_leaks=0"} if by else {}
        with self.said.open("a") as said:
            self.process = subprocess.Popen(
                [*by, PROGRAM, f"--root={self.root}", f"--idle-timeout={idle}", *arguments],
                stderr=said, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address,
                                  **traced})

    def start(self, *arguments, by=()):
        self.run(*arguments, by=by)
        until(self.is_there, what="the service")
        self.get("State")
        return self

    def activate(self, idle):
        """From now on the bus starts it when it is called."""
        (self.bus.folder / "services/org.vfiomode1.service").write_text(
            f"[D-BUS Service]\nName={NAME}\nExec=/usr/bin/env "
            f"DBUS_SYSTEM_BUS_ADDRESS={self.bus.address} {PROGRAM} --root={self.root} "
            f"--idle-timeout={idle}\n")
        self.client().bus("ReloadConfig")
        return self

    def is_there(self):
        assert not self.process or self.process.poll() is None, self.said.read_text()
        return self.client().bus("NameHasOwner", "s", NAME)[0]

    def pid(self):
        return self.client().bus("GetConnectionUnixProcessID", "s", NAME)[0]

    def kill(self):
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
            self.process = None
        until(lambda: not self.client().bus("NameHasOwner", "s", NAME)[0])

    def stop(self):
        if self.process:
            self.process.terminate()
            assert self.process.wait(wire.LONG) == 0, self.said.read_text()
        self.process = None

    def close(self):
        with contextlib.ExitStack() as last:
            last.callback(self.bus.close)
            last.callback(self.polkit.close)
            last.callback(self.systemd.close)
            for connection in self.clients:
                last.callback(connection.close)
            if self.process:
                last.callback(self.process.kill)
            self.stop()
        said = self.said.read_text(errors="replace")
        assert not SANITIZER.search(said), said

    # --- callers ---

    def connect(self, uid=None):
        connection = self.bus.connect(uid)
        self.clients.append(connection)
        return connection

    def leave(self, connection):
        """Ends a caller, and returns when the service has been told: our question comes after that."""
        connection.close()
        until(lambda: not self.client().bus("NameHasOwner", "s", connection.name)[0])
        self.get("State")

    def client(self):
        if not self.clients:
            self.connect()
        return self.clients[0]

    def nobody(self):
        if os.geteuid() != 0:
            pytest.skip("only root can be somebody else")
        return self.connect(NOBODY)

    def listen(self):
        connection = self.connect()
        connection.bus("AddMatch", "s", f"type='signal',sender='{NAME}'")
        return connection

    def call(self, member, signature="", *body, client=None, flags=0, timeout=wire.LONG):
        return (client or self.client()).call(NAME, PATH, MANAGER, member, signature, *body,
                                              flags=flags, timeout=timeout)

    def switch_mode(self, mode, client=None, flags=0, **options):
        kinds = {"holders": "s", "confirm_within": "t"}
        return self.call("SwitchMode", "sa{sv}", mode,
                         {k.replace("_", "-"): wire.Variant(kinds[k], v)
                          for k, v in options.items()}, client=client, flags=flags)[0]

    def get(self, name, path=PATH, interface=MANAGER, client=None):
        return (client or self.client()).call(NAME, path, PROPERTIES, "Get", "ss", interface,
                                              name)[0]

    def get_all(self, path=PATH, interface=MANAGER, client=None):
        return (client or self.client()).call(NAME, path, PROPERTIES, "GetAll", "s", interface)[0]

    # --- what units do ---

    def switch(self, unit, kind="none", text="", names=""):
        """As vfio-mode-apply does: the mode, then the result, then the same with names of processes."""
        mode = unit.split("@")[1].removesuffix(".service")
        old = re.search("^mode=(.*)$", (self.root / "run/vfio-mode/status").read_text(), re.M)[1]
        if kind == "none":
            self.machine.state(mode, old)
        if kind != "none" or mode != old:
            invocation = self.systemd.invocations[unit].hex()
            self.machine.result(kind, mode, text or f"Mode {mode} is on.", invocation=invocation)
            if names:
                self.machine.result(kind, mode, names, "result.names", invocation)
        return "done" if kind == "none" else "failed"

    def inspect(self, unit, kind="none", text="", public=""):
        """As vfio-mode-apply does: a plan of one step, or a refusal; and a check."""
        mode = unit.split("@")[1].removesuffix(".service")
        lines = ["vfio-mode-inspection=1", f"mode={mode}", "invocation=", f"result={kind}",
                 f"text={text}", f"public-text={public}"]
        if kind == "none":
            lines += ["step=unbind 0000:01:00.0 ", f"note=0000:01:00.0: unbind for {mode}"]
        lines += ["check=iommu pass ", "message=There is one.", "advice="]
        self.machine.write(f"run/vfio-mode/inspect/{mode}", "\n".join(lines) + "\n")
        return "done"

    # --- the boot environment ---

    def boots_by_grub(self):
        write = self.machine.write
        write("proc/self/mountinfo",
              "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro\n")
        for device, path, partition in (("8:0", "sda", 0), ("8:2", "sda/sda2", 1)):
            path = "pci0000:00/ata1/block/" + path
            write(f"sys/devices/{path}/size", "2048\n")
            if partition:
                write(f"sys/devices/{path}/partition", "1\n")
            link = self.root / "sys/dev/block" / device
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"../../devices/{path}")
        write("boot/grub/grub.cfg", "### vfio-mode environment ###\n")
        write("boot/grub/vfio-mode/vfio-mode.env", self.block())
        write("var/lib/dpkg/status", "")
        write("usr/sbin/update-grub", "")
        write("proc/cmdline", "root=UUID=0b1c ro quiet vfio_mode.boot=idle.5.0\n")
        write("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000001\n")

    def boots_by_efi(self):
        """As where GRUB cannot carry a mode."""
        (self.root / "boot/grub/grub.cfg").unlink()
        self.machine.write("proc/cmdline", "root=UUID=0b1c ro quiet\n")
        self.machine.write("sys/firmware/efi/efivars/BootOrder", "")
        mounts = (self.root / "proc/self/mountinfo").read_text()
        self.machine.write("proc/self/mountinfo", mounts + "27 26 0:28 / /sys/firmware/efi/efivars "
                           "rw,nosuid shared:5 - efivarfs efivarfs rw\n")

    @staticmethod
    def block(sequence=5, mode="", left=1, keep=0, skip=0, arguments=""):
        lines = [f"vfio_seq={sequence}", f"vfio_mode={mode}", f"vfio_left={left}",
                 f"vfio_keep={keep}", f"vfio_skip={skip}", f"vfio_args={arguments}",
                 f"vfio_end={sequence}"]
        text = "# GRUB Environment Block\n" + "".join(line + "\n" for line in lines)
        return text.ljust(1024, "#")

    def overwrite_block(self, *values, **more):
        """In place and at once, as GRUB does it: nobody sees half of it."""
        with (self.root / "boot/grub/vfio-mode/vfio-mode.env").open("r+") as file:
            file.write(self.block(*values, **more))

    def armed(self):
        text = (self.root / "boot/grub/vfio-mode/vfio-mode.env").read_text()
        assert len(text) == 1024
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        assert values["vfio_seq"] == values["vfio_end"]
        return values

    def state(self):
        """All that a call could have changed, to be compared; not what says when."""
        files = [f for folder in ("boot", "run", "var", "etc", "sys", "proc/sys")
                 for f in (self.root / folder).rglob("*")]
        return {str(f): os.readlink(f) if f.is_symlink() else f.read_bytes()
                for f in files if f.is_symlink() or f.is_file()}
