# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver that fails: its remove() or probe() stalls, or its probe() refuses.

The driver is faulty/vfio_mode_faulty.c, built for the guest's kernel and bound to the three functions of a
slot that is plugged in. A write is given up after 2 s here. Nothing that is read of a stuck function takes
its device lock, neither by the product nor by the tests: on 6.1 that would be a process that never ends.
"""

import shutil
from pathlib import Path

import pytest

import cache
import image
from modectl import COMMAND, status
from modes import active, check_tool_refused, keep_journal, overrides, snapshot
from pc import PC
from test_guard import entries

HERE = Path(__file__).resolve().parent
SLOT = [f"0000:03:00.{function}" for function in range(3)]
DRIVER = "faulty-testdev"  # not vfio-SOMETHING, which is no host driver
PARAMETERS = "/sys/module/vfio_mode_faulty/parameters"
DEADLINE = 2
WEDGED = "59c7384a1c4f436094ad48d71e50bcd2"
STRANDED = "a12549ee3a494db59e9db4c58c33c3b1"

# With a mode for something else, so that functions go home on the way from one mode to another.
CONFIG = f"""\
[general]
default-mode = faulty
fallback-mode = host

[device faulty]
address = {SLOT[0]}
host-driver = {DRIVER}

[device nic]
address = 0000:02:00.0

[mode host]

[mode faulty]
vfio-devices = faulty

[mode nic]
vfio-devices = nic
"""

_BUILD = """
cp /mnt/source/* /mnt/output
make -s -C /usr/src/linux-headers-*-amd64 M=/mnt/output modules
strip --strip-debug /mnt/output/*.ko
"""


def module(suite: str, name: str = "vfio_mode_faulty") -> Path:
    """A driver of faulty/ for a suite's kernel."""
    source = HERE / "faulty"
    key = cache.key(image.tree(image.SUITES[suite]).parent.name,
                    cache.key_of_files(source.iterdir(), source), _BUILD)

    def build(partial: Path) -> None:
        (partial / "build").mkdir()
        image.in_guest_tree(suite, _BUILD, source, partial / "build")
        for built in (partial / "build").glob("*.ko"):
            shutil.copy(built, partial)
        cache.remove(partial / "build")

    directory = cache.once(cache.root() / suite / f"faulty-{key}", build)
    cache.prune(directory.parent, "faulty-*", keep=2)
    return directory / f"{name}.ko"


def plug_in(pc: PC, config: str = CONFIG) -> None:
    """The three functions, on the driver, in host mode; and the short deadline."""
    pc.push(module(pc.machine.suite), "/root/vfio_mode_faulty.ko")
    pc.write("/etc/vfio-mode.ini", config)
    pc.ok(f"""
        mkdir -p /run/systemd/system/vfio-mode@.service.d
        printf '[Service]\\nEnvironment=VFIO_MODE_WRITE_DEADLINE={DEADLINE}s\\n' \\
            > /run/systemd/system/vfio-mode@.service.d/deadline.conf
        systemctl daemon-reload
        insmod /root/vfio_mode_faulty.ko
        modprobe vfio-pci
    """)
    for function in (2, 1, 0):  # the slot is seen when its function 0 is there
        assert pc.monitor(f"device_add pci-testdev,id=faulty{function},bus=spare,addr=0.{function},"
                          "multifunction=on") == ""
    for address in SLOT:
        pc.ok(f"udevadm wait --timeout=60 /sys/bus/pci/drivers/{DRIVER}/{address}")
    assert places(pc) == [DRIVER] * 3


def places(pc: PC) -> list[str]:
    """The drivers of the three functions, and nothing else of them."""
    return pc.ok(f"for function in {' '.join(SLOT)}; do "
                 "driver=$(readlink /sys/bus/pci/devices/$function/driver); echo \"${driver##*/}\"; "
                 "done; true").split("\n")


def tell(pc: PC, **parameters: object) -> None:
    """What the driver is to do wrong."""
    pc.ok("; ".join(f"echo {value} > {PARAMETERS}/{name}" for name, value in parameters.items()))


def wait_for_late_return(pc: PC) -> None:
    """Until the machine is in host mode by itself; no command of ours is a switch, and nobody has the
    service running."""
    pc.ok("systemctl stop vfio-moded.service; until systemctl is-active --quiet vfio-mode@host; do :; done\n"
          "while systemctl is-active --quiet vfio-mode-late-return; do :; done")
    assert pc.ok("vfio-modectl status --mode") == "host"
    said = status(pc)
    assert (said["wedged"], said["half_way"], said["drift"]) == (None, False, [])
    assert active(pc) == ["host"]


# How long each of ten answers takes, in milliseconds; and of those after them, until the machine is so old. Without
# what the emulated machine as a whole stood still for, of which no answer is the reason: who sleeps wakes late then.
_ANSWERS = """
import subprocess, sys, threading, time

gaps = []

def notice():
    last = time.monotonic()
    while True:
        time.sleep(0.05)
        now = time.monotonic()
        if now - last > 0.5:
            gaps.append((last, now))
        last = now

def stood_still(start, end):
    return sum(max(0, min(end, until) - max(start, since)) for since, until in gaps)

threading.Thread(target=notice, daemon=True).start()
n = 0
while n < 10 or time.monotonic() < float(sys.argv[1]):
    start = time.monotonic()
    subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, check=True)
    end = time.monotonic()
    time.sleep(0.1)  # until that is noticed
    print(int(1000 * (end - start - stood_still(start, end))))
    n += 1
"""


def uptime(pc: PC) -> int:
    return int(pc.ok("cut -d . -f 1 /proc/uptime"))


def answers(pc: PC, until: int = 0) -> list[int]:
    pc.write("/root/answers.py", _ANSWERS)
    return sorted(int(line) for line in pc.ok(f"python3 /root/answers.py {until} {COMMAND} status").split())


def check_answers(pc: PC, before: list[int], until: int = 0) -> None:
    """Every one within a second; or, where the emulated machine itself is slower than that when it is
    well, in no more than twice what it takes then."""
    during = answers(pc, until)
    print(f"status, in ms: {before} before, {during} while a write is stuck")
    assert during[-1] < max(1000, 2 * before[-1])


def check_wedged(pc: PC, *words: str) -> None:
    """What is said of it, wherever it is asked."""
    said = status(pc)
    assert (said["mode"], said["half_way"]) == ("none", True)
    assert said["wedged"] is not None
    assert all(word in said["reason"] for word in words), said["reason"]
    assert (said["last_switch"]["result"], said["drift"]) == ("wedged", [])
    assert "sysrq" in said["last_switch"]["text"]
    assert "wedged" in pc.ok("busctl get-property org.vfiomode1 /org/vfiomode1 "
                             "org.vfiomode1.Manager State")
    assert said["next_boot"]["mode"] == "host", said["next_boot"]
    assert active(pc) == []


def check_refused_at_once(pc: PC) -> None:
    """Whatever is asked, in no time, and nothing moves."""
    before = places(pc)
    for mode in ("host", "faulty", "nic"):
        pc.ok(f"start=${{EPOCHREALTIME/./}}; ! systemctl start vfio-mode@{mode} || exit 1; "
              f"took=$((${{EPOCHREALTIME/./}} - start)); echo {mode}: $((took / 1000)) ms; "
              f"[ $(systemctl show --value -p ExecMainStatus vfio-mode@{mode}) = 27 ]; "
              f"systemctl show --value -p StatusText vfio-mode@{mode} | grep -q 'Still stuck'")
    check_tool_refused(pc, "host", "wedged", 7, "Still stuck in the kernel")
    assert pc.run("vfio-modectl switch nic --dry-run").rc == 7
    assert pc.run("systemctl start vfio-mode-fallback.service").rc == 1
    assert places(pc) == before


def check_remove_stalls(pc: PC, seconds: int, journal_hangs: bool) -> None:
    """For so long."""
    plug_in(pc)
    assert status(pc)["next_boot"]["mode"] == "faulty"
    # For as long as it is asked below: the longest of more answers is a longer one.
    before = answers(pc, until=uptime(pc) + seconds + 1)
    tell(pc, remove_at=SLOT[1], remove_stalls=1)
    begun = uptime(pc)
    words = (SLOT[1], DRIVER, "unbinding")
    check_tool_refused(pc, "faulty", "wedged", 7, *words, f"within {DEADLINE} s")
    # Function 0 had gone before; function 2 was not touched after.
    assert places(pc) == ["vfio-pci", "", DRIVER]
    if journal_hangs:
        pc.ok("until grep -q '^State:.D' /proc/$(pidof systemd-journald)/status; do :; done")
    check_wedged(pc, *words)
    check_answers(pc, before)
    check_refused_at_once(pc)
    check_answers(pc, before, until=begun + seconds + 1)
    tell(pc, remove_stalls=0)
    wait_for_late_return(pc)
    assert places(pc) == [DRIVER] * 3
    assert overrides(pc) == {}
    pc.ok("vfio-modectl switch faulty")
    assert places(pc) == ["vfio-pci"] * 3
    assert active(pc) == ["faulty"]
    pc.ok("vfio-modectl switch host")
    assert places(pc) == [DRIVER] * 3
    assert (overrides(pc), active(pc)) == ({}, ["host"])
    pc.ok("systemctl --no-block poweroff")
    pc.wait_poweroff(120)


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_remove_stalls_and_returns(pc: PC) -> None:
    """Given up at the deadline, refused at once from then on; half a minute later it returns, the machine
    is in host mode by itself, and the next switch works; so does switching off."""
    check_remove_stalls(pc, 30, journal_hangs=False)


@pytest.mark.machine("gpu-bookworm")
def test_remove_stalls_and_returns_on_6_1(pc: PC) -> None:
    """The same where the kernel has journald hang meanwhile, and whoever reads driver_override."""
    check_remove_stalls(pc, 0, journal_hangs=True)


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_remove_stalls_for_ever(pc: PC) -> None:
    """With on-wedged = reboot the machine comes back in host mode by itself; what was written is there."""
    plug_in(pc, CONFIG.replace("vfio-devices = faulty", "vfio-devices = faulty\non-wedged = reboot"))
    tell(pc, remove_stalls=1)
    pc.ok("echo saved > /root/file")
    pc.hold_resets()
    pc.run("vfio-modectl switch faulty >/dev/null 2>&1 &")
    pc.after_reset()
    pc.wait_agent()
    pc.wait_up()
    assert active(pc) == ["host"]
    assert pc.read("/root/file") == "saved\n"
    assert pc.ok("vfio-modectl status --mode") == "host"


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_the_return_fails(pc: PC) -> None:
    """The next boot is one of the host's, and everybody is told. With on-wedged = reboot it comes at once, as soon as
    the fallback's unit has tried all; here with a lock of somebody's against it."""
    plug_in(pc, CONFIG.replace("vfio-devices = faulty", "vfio-devices = faulty\non-wedged = reboot"))
    keep_journal(pc)
    pc.ok("vfio-modectl switch faulty")
    tell(pc, probe_at=SLOT[1], probe_errno=19)
    check_tool_refused(pc, "host", "half-way", 1, SLOT[1], DRIVER)
    assert places(pc) == [DRIVER, "", DRIVER]
    assert status(pc)["next_boot"]["mode"] == "host"
    (entry,) = entries(pc, STRANDED)
    assert (entry["PRIORITY"], entry["VFIO_MODE_FROM"], entry["VFIO_MODE_RESULT"]) == ("0", "faulty", "half-way")
    issue = pc.read("/run/issue.d/vfio-mode.issue")
    assert "the card cannot be had back while the machine runs" in issue and SLOT[1] in issue, issue
    pc.ok("systemd-inhibit --mode=block --what=shutdown sleep infinity > /dev/null 2>&1 &")
    pc.hold_resets()
    pc.ok("systemctl start --no-block vfio-mode-fallback.service")
    pc.after_reset()
    pc.wait_agent()
    pc.wait_up()
    assert active(pc) == ["host"]
    said = pc.ok("journalctl -b -1 --no-pager -o cat -p emerg")
    assert "The machine is rebooted now: the card cannot be had back" in said, said
    pc.ok("journalctl -b -1 --no-pager -o cat _PID=1 | grep 'Reached target reboot.target'")


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_probe_stalls(pc: PC) -> None:
    """On the way back. Here the function that is stuck has its driver's link already."""
    plug_in(pc)
    pc.ok("vfio-modectl switch faulty")
    tell(pc, probe_at=SLOT[2], probe_stalls=1)
    check_tool_refused(pc, "host", "wedged", 7, SLOT[2], f"binding {SLOT[2]} to {DRIVER}")
    check_wedged(pc, SLOT[2], DRIVER)
    check_tool_refused(pc, "faulty", "wedged", 7, "Still stuck", SLOT[2])
    tell(pc, probe_stalls=0)
    wait_for_late_return(pc)
    assert places(pc) == [DRIVER] * 3
    assert (overrides(pc), active(pc)) == ({}, ["host"])
    entry = entries(pc, WEDGED)[0]
    assert (entry["VFIO_MODE_FROM"], entry["VFIO_MODE_RESULT"]) == ("faulty", "wedged") and SLOT[2] in entry["MESSAGE"]


@pytest.mark.drawn("switches")
@pytest.mark.machine("gpu")
def test_remove_stalls_of_what_came_back(pc: PC) -> None:
    """The host's driver was faster than udev, and does not let go: that is told, and seen to, as of a switch."""
    plug_in(pc)
    pc.ok(f"""
        mkdir -p /run/systemd/system/vfio-mode-replug@.service.d
        cp /run/systemd/system/vfio-mode@.service.d/deadline.conf /run/systemd/system/vfio-mode-replug@.service.d
        systemctl daemon-reload
        vfio-modectl switch faulty
        echo 1 > {PARAMETERS}/remove_stalls
        echo 1 > /sys/bus/pci/devices/{SLOT[2]}/remove
        echo 1 > /sys/bus/pci/rescan
        until systemctl is-failed --quiet vfio-mode-replug@{SLOT[2]}; do :; done
        test -e /run/issue.d/vfio-mode.issue
    """)
    assert status(pc)["next_boot"]["mode"] == "host"
    assert (status(pc)["mode"], status(pc)["last_switch"]["result"]) == ("none", "wedged")
    assert entries(pc, STRANDED)
    tell(pc, remove_stalls=0)
    wait_for_late_return(pc)
    assert places(pc) == [DRIVER] * 3


def boot_with_two_kept(pc: PC) -> None:
    """The boot unit, as where the initramfs has kept two functions that the boot does not want, and the mode's unit is
    not active yet."""
    pc.ok(f"""
        for function in {SLOT[0]} {SLOT[2]}; do
            echo $function > /sys/bus/pci/drivers/{DRIVER}/unbind
            echo vfio-mode > /sys/bus/pci/devices/$function/driver_override
        done
        mkdir /run/systemd/system/vfio-mode@host.service.d /run/systemd/system/vfio-mode-boot.service.d
        printf '[Service]\\nEnvironment=VFIO_MODE_WRITE_DEADLINE={DEADLINE}s\\n' \\
            > /run/systemd/system/vfio-mode-boot.service.d/short.conf
        printf '[Service]\\nExecStop=\\n' > /run/systemd/system/vfio-mode@host.service.d/stop.conf
        systemctl daemon-reload
        systemctl stop vfio-mode@host
        rm -r /run/systemd/system/vfio-mode@host.service.d
        systemctl daemon-reload
    """)
    assert active(pc) == []
    pc.ok("timeout 30 systemctl restart vfio-mode-boot.service")


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
@pytest.mark.parametrize("is_stuck", [False, True], ids=["slow", "stuck"])
def test_probe_at_boot_takes_long(pc: PC, *, is_stuck: bool) -> None:
    """Longer than the boot may be held up, which says nothing of the driver. The mode's unit waits for it, and finds
    out."""
    plug_in(pc, CONFIG.replace("default-mode = faulty", "default-mode = host"))
    if not is_stuck:
        pc.ok("rm /run/systemd/system/vfio-mode@.service.d/deadline.conf")
    tell(pc, probe_at=SLOT[2], probe_stalls=1)
    boot_with_two_kept(pc)
    said = pc.ok("journalctl --sync; journalctl -b -o cat -u vfio-mode-boot.service")
    assert f"The driver of {SLOT[2]} takes its time; the unit of the mode waits for it." in said, said
    assert status(pc)["last_boot"]["refusal"] == "none"
    if is_stuck:
        pc.ok("until systemctl is-failed --quiet vfio-mode@host; do :; done")
        check_wedged(pc, SLOT[2])
    else:
        pc.ok("until [ $(systemctl is-active vfio-mode@host) = activating ]; do :; done")
    tell(pc, probe_stalls=0)
    wait_for_late_return(pc)
    assert places(pc) == [DRIVER] * 3
    assert overrides(pc) == {}
    assert pc.run("test -e /run/vfio-mode/undo").rc == 1


@pytest.mark.machine("gpu")
@pytest.mark.drawn("switches")
def test_probe_fails(pc: PC) -> None:
    """The second of three functions cannot go home: all are as before. On the way to the fallback mode
    the other two are at home."""
    plug_in(pc)
    pc.ok("vfio-modectl switch faulty")
    before = snapshot(pc)
    for number, words in ((16, "busy"), (19, "No such device"), (12, "memory")):
        tell(pc, probe_at=SLOT[1], probe_errno=number)
        check_tool_refused(pc, "nic", "failed", 1, SLOT[1], DRIVER, words)
        assert snapshot(pc) == before
        undone = f"Undone: {SLOT[1]} is on vfio-pci again, {SLOT[0]} is on vfio-pci again."
        assert undone in status(pc)["last_switch"]["text"]
    check_tool_refused(pc, "host", "half-way", 1, SLOT[1], DRIVER)
    assert places(pc) == [DRIVER, "", DRIVER]
    assert (overrides(pc), active(pc)) == ({}, [])
    tell(pc, probe_errno=0)
    pc.ok("vfio-modectl switch host")
    assert places(pc) == [DRIVER] * 3
    assert active(pc) == ["host"]
