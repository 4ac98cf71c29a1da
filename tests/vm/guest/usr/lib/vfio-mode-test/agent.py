#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run shell scripts for the host of the emulated PC, over a virtio serial port.

One JSON object a line in both directions. A line that is no request is skipped: after loadvm the
stream may begin in the middle of one, and the host finds the beat again by a `sync` of its own.
"""

import json
import os
import selectors
import subprocess
import threading
from pathlib import Path

PORT = "vfio-mode-test"


def open_port() -> int:
    """The port by its name in sysfs: works without udev, so in the emergency shell too."""
    for port in Path("/sys/class/virtio-ports").iterdir():
        if (port / "name").read_text(encoding="ascii").strip() == PORT:
            return os.open(f"/dev/{port.name}", os.O_RDWR | os.O_CLOEXEC)
    raise SystemExit("no virtio port called " + PORT)


def run(script: str) -> dict:
    """Run a script by bash. It ends when bash does, though its children may hold the pipes."""
    output: dict[str, list[bytes]] = {"out": [], "stdout": [], "stderr": []}

    with subprocess.Popen(
        ["/bin/bash", "-c", script],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd="/root", start_new_session=True,
    ) as process, selectors.DefaultSelector() as selector:

        def drain(key: selectors.SelectorKey) -> None:
            """Take what is in the pipe now; forget the pipe at its end."""
            try:
                while data := os.read(key.fd, 65536):
                    output["out"].append(data)
                    output[key.data].append(data)
                selector.unregister(key.fd)
            except BlockingIOError:
                pass

        for name in ("stdout", "stderr"):
            fd = getattr(process, name).fileno()
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ, name)
        pidfd = os.pidfd_open(process.pid)
        selector.register(pidfd, selectors.EVENT_READ)
        ended = False
        while not ended:
            for key, _ in selector.select():
                if key.fd == pidfd:
                    ended = True
                    selector.unregister(pidfd)
                else:
                    drain(key)
        os.close(pidfd)
        for key in list(selector.get_map().values()):
            drain(key)
        rc = process.wait()
    texts = {name: b"".join(parts).decode(errors="replace") for name, parts in output.items()}
    return texts | {"rc": rc}


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class Agent:
    """Answers requests, each in a thread: a script that hangs leaves the way open to look why."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._sending = threading.Lock()

    def send(self, message: dict) -> None:
        # The newline before it ends whatever an earlier boot left unfinished.
        data = b"\n" + json.dumps(message).encode() + b"\n"
        with self._sending:
            while data:
                data = data[os.write(self._fd, data):]

    def receive(self, line: bytes) -> None:
        try:
            request = json.loads(line)
        except ValueError:
            return
        if "sync" in request:
            self.send({"sync": request["sync"], "boot": boot_id()})
        else:
            threading.Thread(target=self._run, args=(request,)).start()

    def _run(self, request: dict) -> None:
        self.send({"id": request["id"], **run(request["run"])})

    def serve(self) -> None:
        self.send({"hello": boot_id()})
        buffer = b""
        while True:
            *lines, buffer = (buffer + os.read(self._fd, 65536)).split(b"\n")
            for line in lines:
                self.receive(line)


def main() -> None:
    # The out-of-memory killer should spare the agent.
    Path("/proc/self/oom_score_adj").write_text("-1000", encoding="ascii")
    Agent(open_port()).serve()


if __name__ == "__main__":
    main()
