# SPDX-License-Identifier: GPL-2.0-or-later
"""A mode's hugepages on the real kernel: had before anything is taken, given back, kept; too few of them."""

from pathlib import Path

import pytest

from machines import ini
from modectl import ask, status
from modes import HOST, INI, PASSTHROUGH, check_refused, check_tool_refused, leave_alone, look
from pc import PC
from test_kill import prepare

pytestmark = pytest.mark.machine("gpu")

POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB"
HELD = "/root/held"

# Memory in pieces: a page of 4 KiB in each 128 KiB stays, where compaction may not move it.
PIECES = """
import ctypes, mmap, re
NOHUGEPAGE, DONTNEED_LOCKED = 15, 24
available = int(re.search(r'MemAvailable: +(\\d+)', open('/proc/meminfo').read())[1]) * 1024
size = (available - (160 << 20)) & -(1 << 21)
memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(NOHUGEPAGE)
libc = ctypes.CDLL(None, use_errno=True)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
assert libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)) == 0
for at in range(0, size, 1 << 17):
    memory.madvise(DONTNEED_LOCKED, at + 4096, (1 << 17) - 4096)
"""

# What a guest does with them.
USER = """
import mmap
HUGETLB = 0x40000
memory = mmap.mmap(-1, 20 << 21, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | HUGETLB)
for at in range(0, 20 << 21, 1 << 21):
    memory[at] = 1
"""


def pool(pc: PC, attribute: str = "nr_hugepages") -> int:
    return int(pc.read(f"{POOL}/{attribute}"))


def configure(pc: PC, *keys: str) -> None:
    pc.write(INI, ini() + "".join(f"{key}\n" for key in keys))


def hold(pc: PC, program: str) -> int:
    """Leave a Python program running that has got what it holds; returns its process id."""
    pc.write("/root/hold.py", f"import os, signal\n{program}\n"
             f"open('{HELD}', 'w').write(str(os.getpid()))\nsignal.pause()\n")
    return int(pc.ok(f"rm -f {HELD}; mkfifo {HELD}; python3 /root/hold.py & cat {HELD}"))


def switch(pc: PC, mode: str) -> dict:
    return ask(pc, f"switch {mode}")


def drift(pc: PC) -> list[str]:
    return status(pc)["drift"]


def test_there_and_back(pc: PC) -> None:
    """Had first, given back last, shown before; and what was there before stays there."""
    configure(pc, "hugepages-2M = 200")
    pc.ok("sysctl -qw vm.nr_hugepages=6")
    steps = ask(pc, "switch passthrough --dry-run")["steps"]
    assert steps[0] == {"step": "hugepages", "object": "hugepages-2M",
                        "text": "hugepages of 2M: raise the pool from 6 to 200"}
    assert pool(pc) == 6
    assert switch(pc, "passthrough")["changed"]
    assert (look(pc), pool(pc), drift(pc)) == (PASSTHROUGH, 200, [])
    assert not switch(pc, "passthrough")["changed"]

    pc.ok("sysctl -qw vm.nr_hugepages=50")
    assert drift(pc) == ["there are 50 hugepages of 2M, mode 'passthrough' has 200"]
    pc.ok("systemctl reload vfio-mode@passthrough")
    assert (pool(pc), drift(pc)) == (200, [])

    steps = ask(pc, "switch host --dry-run")["steps"]
    assert steps[-1]["text"] == "hugepages of 2M: lower the pool from 200 to 6"
    pc.ok("systemctl start vfio-mode@host")
    assert (look(pc), pool(pc), drift(pc)) == (HOST, 6, [])


def test_keep(pc: PC) -> None:
    configure(pc, "hugepages-2M = 30", "hugepages-keep = yes")
    for _ in range(2):
        pc.ok("systemctl start vfio-mode@passthrough && systemctl start vfio-mode@host")
        assert (look(pc), pool(pc)) == (HOST, 30)


def test_more_than_there_is(pc: PC) -> None:
    """Refused before anything is asked for, with what the machine has."""
    configure(pc, "hugepages-1G = 1", "hugepages-2M = 1")
    check_tool_refused(pc, "passthrough", "no-memory", 10, "needs 1026 MiB", "of memory")
    configure(pc, "hugepages-2M = 440")
    check_tool_refused(pc, "passthrough", "no-memory", 10, "880 MiB", "can be spared")
    assert (look(pc).gpu, pool(pc)) == (HOST.gpu, 0)


@pytest.mark.long
def test_memory_in_pieces(pc: PC) -> None:
    """What can be spared is not always what can be had: what was got is given back, or is enough."""
    holder = hold(pc, PIECES)
    pc.ok("sysctl -qw vm.compact_unevictable_allowed=0")
    configure(pc, "hugepages-2M = 250")
    check_refused(pc, "passthrough", "no-memory", 10, "250 are wanted, at least 250 are needed",
                  "boot into the mode")
    assert (look(pc).gpu, pool(pc)) == (HOST.gpu, 0)
    configure(pc, "hugepages-2M = 250", "hugepages-min = 1")
    pc.ok("systemctl start vfio-mode@passthrough")
    there = pool(pc)
    assert 1 <= there < 250
    assert (look(pc), drift(pc)) == (PASSTHROUGH, [])
    assert not switch(pc, "passthrough")["changed"]
    assert f"There are {there} hugepages of 2M; 250 are wanted." in pc.ok(
        "journalctl --sync; journalctl -b --no-pager -o cat -u vfio-mode@passthrough")
    pc.ok(f"kill {holder}; systemctl start vfio-mode@host")
    assert (look(pc), pool(pc)) == (HOST, 0)


def test_pages_in_use(pc: PC) -> None:
    """The screen comes back whoever has them, and they go with the last who has."""
    configure(pc, "hugepages-2M = 64")
    pc.ok("systemctl start vfio-mode@passthrough")
    user = hold(pc, USER)
    pc.ok("systemctl start vfio-mode@host")
    assert (look(pc), pool(pc), pool(pc, "surplus_hugepages")) == (HOST, 20, 20)
    assert drift(pc) == []
    pc.ok(f"kill {user}; while kill -0 {user} 2> /dev/null; do :; done")
    assert pool(pc) == 0


@pytest.mark.drawn("switches")
@pytest.mark.parametrize("then, there, pages", [
    ("host", HOST, 0), pytest.param("passthrough", PASSTHROUGH, 200, marks=pytest.mark.long)])
def test_killed(pc: PC, tmp_path: Path, then: str, there: object, pages: int) -> None:
    """Killed when it asks for the last of them: the next switch mends it, wherever it goes."""
    configure(pc, "hugepages-2M = 200")
    prepare(pc, tmp_path)
    leave_alone(pc)
    pc.run("""kill-sweep disturb /nr_hugepages '
        kill -KILL $(systemctl show --value -p MainPID vfio-mode@passthrough) $(pgrep -x vfio-mode-write)'""")
    assert pool(pc) == 192
    pc.ok("rm -r /run/systemd/system/vfio-mode@.service.d; systemctl daemon-reload")
    pc.ok(f"systemctl start vfio-mode@{then}")
    assert (look(pc), pool(pc)) == (there, pages)
    pc.ok("systemctl start vfio-mode@host")
    assert (look(pc), pool(pc)) == (HOST, 0)
