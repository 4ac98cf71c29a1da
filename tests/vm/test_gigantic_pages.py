# SPDX-License-Identifier: GPL-2.0-or-later
"""A mode's hugepages of 1 GiB on the real kernel. It finds few in a machine that runs: of eight GiB in two nodes,
nearly all of them free, one in each or not many more. What is not of the size is in test_hugepages.py.
"""

import pytest

from modectl import ask, checks, status
from modes import GPU, HOST, PASSTHROUGH, bindings, check_refused, look
from pc import PC
from test_hugepages import configure, hold

pytestmark = [pytest.mark.machine("numa"), pytest.mark.drawn("switches")]

SIZE = "hugepages/hugepages-1048576kB"
MACHINE, NODES = "/sys/kernel/mm", "/sys/devices/system/node/node[01]"

# Some of most of the second node's memory stays where it is, as what a device reads and writes does; the rest is
# free again.
PINNED = """
import ctypes, fcntl, mmap, os
BIND, HUGEPAGE, SET_MEMPOLICY, SETPIPE_SZ = 2, 14, 238, 1031
MEMORY, STEP = 2560 << 20, 16 << 20

class Piece(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("length", ctypes.c_size_t)]

libc = ctypes.CDLL(None, use_errno=True)
nodes = ctypes.c_ulong(1 << 1)
assert libc.syscall(SET_MEMPOLICY, BIND, ctypes.byref(nodes), 8 * ctypes.sizeof(nodes)) == 0
memory = mmap.mmap(-1, MEMORY, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(HUGEPAGE)
for at in range(0, MEMORY, 1 << 21):
    memory[at] = 1
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
ends = os.pipe()
fcntl.fcntl(ends[1], SETPIPE_SZ, 1 << 20)  # of 256 pages
for at in range(0, MEMORY, STEP):
    piece = Piece(start + at, 1)
    assert libc.vmsplice(ends[1], ctypes.byref(piece), ctypes.c_ulong(1), 0) == 1, ctypes.get_errno()
memory.madvise(mmap.MADV_DONTNEED)
"""


def pools(pc: PC) -> list[int]:
    """Pages of 1 GiB of the machine, and of each node."""
    return [int(word) for word in pc.ok(f"cat {MACHINE}/{SIZE}/nr_hugepages {NODES}/{SIZE}/nr_hugepages").split()]


def most(pc: PC) -> tuple[int, int]:
    """How many the kernel finds on each node now."""
    pc.ok(f"echo 8 > {MACHINE}/{SIZE}/nr_hugepages")
    found = pools(pc)
    pc.ok(f"echo 0 > {MACHINE}/{SIZE}/nr_hugepages")
    assert 1 <= found[1] and 1 <= found[2] and found[0] < 7, found
    return found[1], found[2]


def by_node(first: int, second: int) -> str:
    return f"node 0 has {first} ({first} free), node 1 has {second} ({second} free)."


def hugepages(number: int) -> str:
    return f"{number} hugepage{'' if number == 1 else 's'}"


def row(pc: PC) -> tuple[str, str]:
    """What `check` says of them."""
    [row] = [row for row in checks(pc) if row["id"] == "hugepages-1G"]
    return row["result"], row["message"]


def test_there_and_back(pc: PC) -> None:
    nodes = most(pc)
    wanted = sum(nodes)
    configure(pc, f"hugepages-1G = {wanted}")
    assert row(pc) == ("warn", f"{wanted} of {wanted} have to be found in a running machine, where few whole GiB are "
                               f"free in one piece: {by_node(0, 0)}")
    steps = ask(pc, "switch passthrough --dry-run")["steps"]
    assert steps[0]["text"] == f"hugepages of 1G: raise the pool from 0 to {wanted}"
    pc.ok("systemctl start vfio-mode@passthrough")
    assert (look(pc), pools(pc), status(pc)["drift"]) == (PASSTHROUGH, [wanted, *nodes], [])
    assert row(pc) == ("pass", f"{wanted} are wanted, {wanted} are there: {by_node(*nodes)}")
    # The board of the emulated PC says of no device where it is.
    pc.ok(f"echo 1 > /sys/bus/pci/devices/{GPU}/numa_node")
    assert row(pc) == ("warn", f"The device is on node 1, and not all of the {wanted} wanted are: {by_node(*nodes)}")
    pc.ok("systemctl start vfio-mode@host")
    assert (look(pc), pools(pc)) == (HOST, [0, 0, 0])


def test_kept(pc: PC) -> None:
    """And what is there does not have to be found again."""
    nodes = most(pc)
    configure(pc, f"hugepages-1G = {sum(nodes)}", "hugepages-keep = yes")
    for _ in range(2):
        pc.ok("systemctl start vfio-mode@passthrough && systemctl start vfio-mode@host")
        assert (look(pc), pools(pc)) == (HOST, [sum(nodes), *nodes])
        assert row(pc)[0] == "pass"


def test_fewer_than_needed(pc: PC) -> None:
    """There would be memory for one more. What was got is given back, and the screen was never away."""
    found = sum(most(pc))
    configure(pc, f"hugepages-1G = {found + 1}")
    screen = bindings(pc, GPU)
    check_refused(pc, "passthrough", "no-memory", 10, f"Only {hugepages(found)} of 1G could be had: {found + 1} are "
                  f"wanted, at least {found + 1} are needed, and there were 0.", "boot into the mode")
    assert (look(pc).gpu, bindings(pc, GPU), pools(pc)) == (HOST.gpu, screen, [0, 0, 0])


def test_a_node_in_pieces(pc: PC) -> None:
    """Its neighbour's are refused, or are enough, as the mode says."""
    first, second = most(pc)
    wanted = first + second
    pinner = hold(pc, PINNED)
    configure(pc, f"hugepages-1G = {wanted}", f"hugepages-min = {first + 1}")
    check_refused(pc, "passthrough", "no-memory", 10, f"Only {hugepages(first)} of 1G could be had: {wanted} are "
                  f"wanted, at least {first + 1} are needed, and there were 0.")
    assert pools(pc) == [0, 0, 0]
    configure(pc, f"hugepages-1G = {wanted}", f"hugepages-min = {first}")
    pc.ok("systemctl start vfio-mode@passthrough")
    assert (look(pc), pools(pc), status(pc)["drift"]) == (PASSTHROUGH, [first, first, 0], [])
    assert f"{hugepages(first)} of 1G; {wanted} are wanted." in pc.ok(
        "journalctl --sync; journalctl -b --no-pager -o cat -u vfio-mode@passthrough")
    assert row(pc)[1].endswith(by_node(first, 0))
    assert not ask(pc, "switch passthrough")["changed"]
    pc.ok(f"kill {pinner}; systemctl start vfio-mode@host")
    assert (look(pc), pools(pc)) == (HOST, [0, 0, 0])
