# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU process and the three lines that lead to it: monitor (QMP), serial console, agent port.

All of them are socket pairs made before QEMU starts: no names on the disk, connected for the whole
life of the process, and at their end as soon as it dies.
"""

import contextlib
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path


class PCError(Exception):
    """The emulated PC, not the product, did something unexpected; or it did nothing in time."""


class Lines:
    """JSON objects, one a line, over a socket; other lines are skipped."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = b""

    def send(self, message: dict) -> None:
        # The newline before it ends what a listener may have of an earlier, broken line.
        self._socket.settimeout(10)
        self._socket.sendall(b"\n" + json.dumps(message).encode() + b"\n")

    def receive(self, deadline: float, in_vain: Callable[[], bool] = lambda: False) -> dict:
        """The next object; TimeoutError at the deadline (of time.monotonic), EOFError at the end.

        `in_vain` is asked every second whether there is still something to wait for.
        """
        while True:
            while b"\n" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\n")
                with contextlib.suppress(ValueError):
                    message = json.loads(line)
                    if isinstance(message, dict):
                        return message
            self._buffer += self._more(deadline, in_vain)

    def take(self) -> dict | None:
        """The next object if it has come already; EOFError at the end."""
        with contextlib.suppress(TimeoutError):
            return self.receive(0.0)
        return None

    def _more(self, deadline: float, in_vain: Callable[[], bool]) -> bytes:
        self._socket.settimeout(1 if deadline else 0)
        while True:
            with contextlib.suppress(TimeoutError, BlockingIOError):
                if data := self._socket.recv(65536):
                    return data
                raise EOFError
            if in_vain() or time.monotonic() > deadline:
                raise TimeoutError


class Serial:
    """The serial console: a thread reads it, so that the guest is never held up by a full line."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._text = ""
        self._position = 0  # behind what expect() has matched
        self._boot = 0  # where what matters to panicked() begins
        self._ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                with self._changed:
                    self._text += data.decode(errors="replace")
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def panicked(self) -> bool:
        """The kernel of this boot has given up."""
        text = self._text[self._boot:]
        return text.rfind("Kernel panic - not syncing") > text.rfind("GNU GRUB")

    def forget(self) -> None:
        """What was printed until now belongs to a time that was undone."""
        with self._changed:
            self._boot = self._position = len(self._text)

    def expect(self, pattern: str, timeout: float = 300) -> re.Match[str]:
        """Wait for a regular expression behind the one matched last."""
        compiled = re.compile(pattern)
        with self._changed:
            self._changed.wait_for(
                lambda: compiled.search(self._text, self._position) or self._ended, timeout)
            found = compiled.search(self._text, self._position)
            if not found:
                raise PCError(f"no {pattern!r} on the serial console within {timeout} s")
            self._position = found.end()
            return found


class Qemu:
    """One process. It dies with us, whatever becomes of us."""

    def __init__(self, arguments: list[str], directory: Path) -> None:
        self.serial_log = directory / "serial.log"
        self.stderr_log = directory / "qemu.log"
        with contextlib.ExitStack() as theirs:
            ends = {name: self._pair(theirs) for name in ("qmp", "serial", "agent")}
            chardevs = []
            for name, (_, fd) in ends.items():
                log = f",logfile={self.serial_log},logappend=on" if name == "serial" else ""
                chardevs += ["-chardev", f"socket,id={name},fd={fd}{log}"]
            command = [
                "setpriv", "--pdeathsig", "KILL", "--", "qemu-system-x86_64",
                *chardevs, "-mon", "chardev=qmp,mode=control", "-serial", "chardev:serial",
                *arguments,
            ]
            with open(self.stderr_log, "ab") as log_file:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log_file, stderr=log_file,
                    pass_fds=[fd for _, fd in ends.values()],
                )
        self._events: list[dict] = []
        self._qmp = Lines(ends["qmp"][0])
        self._sockets = [ours for ours, _ in ends.values()]
        self.serial = Serial(ends["serial"][0])
        self.agent = Lines(ends["agent"][0])
        with self.explained("start"):
            self._qmp.receive(time.monotonic() + 180)  # the greeting
            self.qmp("qmp_capabilities")

    @staticmethod
    def _pair(theirs: contextlib.ExitStack) -> tuple[socket.socket, int]:
        ours, child = socket.socketpair()
        theirs.enter_context(child)
        return ours, child.fileno()

    @contextlib.contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Turn the end of the process, or of the time, into an error that says where to look."""
        try:
            yield
        except (EOFError, ConnectionError) as error:
            rc = self.process.wait(timeout=10)
            said = self.stderr_log.read_text(errors="replace")[-2000:]
            raise PCError(f"QEMU ended ({rc}) during: {what}\n{said}") from error
        except TimeoutError as error:
            why = "the guest's kernel panicked" if self.serial.panicked() else "no answer in time"
            raise PCError(f"{why}: {what}") from error

    def qmp(self, command: str, timeout: float = 180, **arguments: object) -> object:
        """Run a QMP command and return its answer. Events that come meanwhile are kept."""
        message = {"execute": command} | ({"arguments": arguments} if arguments else {})
        deadline = time.monotonic() + timeout
        with self.explained(f"QMP {command}"):
            self._qmp.send(message)
            while True:
                answer = self._qmp.receive(deadline)
                if "event" in answer:
                    self._events.append(answer)
                elif "error" in answer:
                    raise PCError(f"QMP {command}: {answer['error']['desc']}")
                else:
                    return answer["return"]

    def hmp(self, line: str, timeout: float = 180) -> str:
        """Run a command of the human monitor and return what it printed."""
        return str(self.qmp("human-monitor-command", timeout, **{"command-line": line}))

    def wait_event(self, name: str, timeout: float,
                   in_vain: Callable[[], bool] = lambda: False) -> dict:
        """Wait for a QMP event, or take one that has come already. `in_vain` is as of receive()."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self._events:
                if event["event"] == name:
                    self._events.remove(event)
                    return event
            with self.explained(f"event {name}"):
                message = self._qmp.receive(deadline, in_vain)
                if "event" in message:
                    self._events.append(message)

    def forget(self) -> None:
        """Drop what was heard of a time that was undone."""
        self._events.clear()
        self.serial.forget()

    def kill(self) -> None:
        """A power cut."""
        self.process.kill()
        self._gone()

    def quit(self) -> None:
        """An end in order: what the guest wrote is in the disks' files, flushed or not."""
        with contextlib.suppress(PCError):  # it may be gone before it answers
            self.qmp("quit")
        self._gone()

    def _gone(self) -> None:
        self.process.wait()
        for sock in self._sockets:
            sock.close()
