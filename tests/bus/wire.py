# SPDX-License-Identifier: GPL-2.0-or-later
"""D-Bus on the wire, so that a test can send what no library would, as whoever it likes, and answer
in the place of a service. Little endian, no file descriptors.
"""

import collections
import contextlib
import ctypes
import os
import socket
import struct
import time

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY, INTERACTIVE = 1, 4
FIELDS = {1: ("path", "o"), 2: ("interface", "s"), 3: ("member", "s"), 4: ("error", "s"),
          5: ("reply_serial", "u"), 6: ("destination", "s"), 7: ("sender", "s"),
          8: ("signature", "g")}
FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
ALIGN = {"y": 1, "g": 1, "v": 1, "n": 2, "q": 2, "x": 8, "t": 8, "d": 8, "(": 8, "{": 8}

# What comes about is waited for so long, on a machine that may be busy with much else.
LONG = 60.0

_SETRESUID = {"x86_64": 117, "aarch64": 147}

Variant = collections.namedtuple("Variant", "signature value")


class Failed(Exception):
    """An error came back."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


def split(signature):
    """The complete types of a signature."""
    types, start, depth = [], 0, 0
    for i, c in enumerate(signature):
        depth += (c in "({") - (c in ")}")
        if depth == 0 and c != "a":
            types.append(signature[start:i + 1])
            start = i + 1
    return types


def pad(data, size):
    data.extend(b"\0" * (-len(data) % size))


def write(data, kind, value):
    pad(data, ALIGN.get(kind[0], 4))
    if kind[0] in FIXED:
        data.extend(struct.pack("<" + FIXED[kind[0]], value))
    elif kind[0] in "sog":
        raw = value if isinstance(value, bytes) else value.encode()
        data.extend(struct.pack("<B" if kind == "g" else "<I", len(raw)) + raw + b"\0")
    elif kind[0] == "v":
        write(data, "g", value.signature)
        write(data, value.signature, value.value)
    elif kind[0] == "a":
        at = len(data)
        data.extend(b"\0\0\0\0")
        pad(data, ALIGN.get(kind[1], 4))
        start = len(data)
        for item in value.items() if kind[1] == "{" else value:
            write(data, kind[1:], item)
        struct.pack_into("<I", data, at, len(data) - start)
    else:
        for part, item in zip(split(kind[1:-1]), value, strict=True):
            write(data, part, item)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def align(self, size):
        self.at += -self.at % size

    def read(self, kind):
        self.align(ALIGN.get(kind[0], 4))
        if kind[0] in FIXED:
            code = "<" + FIXED[kind[0]]
            value, = struct.unpack_from(code, self.data, self.at)
            self.at += struct.calcsize(code)
            return bool(value) if kind == "b" else value
        if kind[0] in "sog":
            length = self.read("y" if kind == "g" else "u")
            self.at += length + 1
            return self.data[self.at - length - 1:self.at - 1].decode()
        if kind[0] == "v":
            return self.read(self.read("g"))
        if kind[0] == "a":
            end = self.read("u")
            self.align(ALIGN.get(kind[1], 4))
            end += self.at
            items = []
            while self.at < end:
                items.append(self.read(kind[1:]))
            return dict(items) if kind[1] == "{" else items
        return tuple(self.read(part) for part in split(kind[1:-1]))


class Message:
    def __init__(self, kind, flags=0, signature="", body=(), **fields):
        self.kind, self.flags, self.serial = kind, flags, 0
        self.signature, self.body = signature, body
        for name, _ in FIELDS.values():
            if name != "signature":
                setattr(self, name, fields.get(name))

    def encode(self, serial):
        body = bytearray()
        for part, value in zip(split(self.signature), self.body, strict=True):
            write(body, part, value)
        fields = [(number, Variant(kind, getattr(self, name)))
                  for number, (name, kind) in FIELDS.items() if getattr(self, name)]
        data = bytearray()
        for kind, value in zip(split("yyyyuua(yv)"),
                               (ord("l"), self.kind, self.flags, 1, len(body), serial, fields)):
            write(data, kind, value)
        pad(data, 8)
        return bytes(data + body)

    @staticmethod
    def decode(data):
        reader = Reader(data)
        _, kind, flags, _, _, serial, fields = (reader.read(k) for k in split("yyyyuua(yv)"))
        reader.align(8)
        message = Message(kind, flags)
        message.serial = serial
        for number, value in fields:
            if number in FIELDS:
                setattr(message, FIELDS[number][0], value)
        message.body = tuple(reader.read(k) for k in split(message.signature))
        return message


@contextlib.contextmanager
def this_thread_as(uid):
    """os.seteuid() would change every thread, also one that is a service and writes its files meanwhile."""
    own = os.geteuid()
    if uid is None or uid == own:
        yield
        return
    libc, call = ctypes.CDLL(None, use_errno=True), _SETRESUID[os.uname().machine]
    if libc.syscall(call, -1, uid, -1) < 0:
        raise OSError(ctypes.get_errno(), f"user {uid}")
    try:
        yield
    finally:
        libc.syscall(call, -1, own, -1)


class Connection:
    """@uid: to be seen as by the bus; only root can be somebody else."""

    def __init__(self, path, uid=None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.buffer, self.queue, self.serial = bytearray(), collections.deque(), 0
        with this_thread_as(uid):
            self.socket.connect(path)
        name = str(os.geteuid() if uid is None else uid).encode().hex().encode()
        self.socket.sendall(b"\0AUTH EXTERNAL " + name + b"\r\n")
        assert self.socket.recv(4096).startswith(b"OK"), "not let in"
        self.socket.sendall(b"BEGIN\r\n")
        self.name = self.bus("Hello")[0]

    def close(self):
        self.socket.close()

    def send(self, message):
        self.serial += 1
        self.send_bytes(message.encode(self.serial))
        return self.serial

    def send_bytes(self, data):
        self.socket.settimeout(60)  # what receive() left may be over before it begins
        self.socket.sendall(data)

    def receive(self, timeout=LONG):
        """The next message; None where none comes in time."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.take()
            if message:
                return message
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self.socket.recv(1 << 16)
            except (TimeoutError, BlockingIOError):
                return None
            if not data:
                raise ConnectionError("the bus hung up")
            self.buffer += data

    def take(self):
        if len(self.buffer) < 16:
            return None
        body, _, fields = struct.unpack_from("<III", self.buffer, 4)
        size = 16 + fields + (-fields % 8) + body
        if len(self.buffer) < size:
            return None
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return Message.decode(data)

    def wait(self, serial, timeout=LONG):
        """The answer to a call; other messages are kept for later."""
        message = next((m for m in self.queue if m.reply_serial == serial), None)
        if message:
            self.queue.remove(message)
        deadline = time.monotonic() + timeout
        while not message:
            message = self.receive(deadline - time.monotonic())
            assert message, "no answer"
            if message.kind not in (RETURN, ERROR) or message.reply_serial != serial:
                self.queue.append(message)
                message = None
        if message.kind == ERROR:
            raise Failed(message.error, message.body[0] if message.body else "")
        return message.body

    def call(self, destination, path, interface, member, signature="", *body, flags=0,
             timeout=LONG):
        return self.wait(self.send(Message(CALL, flags, signature, body, destination=destination,
                                           path=path, interface=interface, member=member)),
                         timeout)

    def bus(self, member, signature="", *body):
        return self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                         member, signature, *body)

    def next_signal(self, member, timeout=LONG):
        """The next signal of that name, also one that came earlier; None where none comes."""
        deadline = time.monotonic() + timeout
        while True:
            message = (self.queue.popleft() if self.queue
                       else self.receive(deadline - time.monotonic()))
            if not message:
                return None
            if message.kind == SIGNAL and message.member == member:
                return message
