# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of libvirt on the graphics card: its start takes the card, its end gives it back, and so does whatever goes
wrong in between. libvirt, its hook and QEMU are real."""

import re

import pytest

import desktop
import libvirt
from machines import ini
from modectl import status
from modes import AUDIO, GPU, HOST, INI, NIC, PASSTHROUGH, active, look
from nextboot import refused
from pc import PC
from test_bus import LISTEN, signals
from test_guard import (FELL_BACK, IS_AWAKE, KNOWS, UNTIL_HOST, check_sleeps, check_told_alike, entries, events, hold,
                        knows, until_phase, until_settled, watch)
from test_rom import rows, vga_bios

pytestmark = pytest.mark.machine("gpu")

START = f"virsh --quiet start {libvirt.NAME}"
DESTROY = f"virsh --quiet destroy {libvirt.NAME}"
SHUTDOWN = f"virsh --quiet shutdown {libvirt.NAME}"
QEMU = "qemu-system-x86_64"  # as much of the name as the kernel keeps is enough for pkill(1)
SECONDS = 20
SWITCH_SECONDS = 30  # at most, in the emulated PC
# Time enough on a busy machine; a scenario that is about it has less.
KEYS = "switch-for-vm = yes\non-vm-exit = fallback\nvm-exit-grace = 2s\nexpect-vm = 5min\n"
GRACE = 10
ENDED = "the last VM that had opened gpu has ended, and none has come for 2 s"
HAS_FAILED = f"VM '{libvirt.NAME}' has failed"
HAS_FAILED_LATE = f"{HAS_FAILED}, and none has come for {GRACE} s"  # when it had stayed for a while
ENDED_AT_ONCE = f"VM '{libvirt.NAME}' that had opened gpu has ended within 10 s"
NOT_OPENED = f"VM '{libvirt.NAME}' has not opened gpu within {SECONDS} s"
NOBODY = f"no VM has opened gpu within {SECONDS} s"


def check_is_on(pc: PC) -> None:
    """The guest has the card, in a mode that nobody but it has chosen."""
    assert look(pc) == PASSTHROUGH
    until_phase(pc, "there")
    there = status(pc)
    assert (there["source"], there["held"]) == ("vm", None)
    assert there["reason"] == f"for the start of virtual machine '{libvirt.NAME}'"


def uptime(pc: PC, path: str = "/proc/uptime") -> float:
    return float(pc.read(path).split()[0])


def note_times(pc: PC, operation: str) -> None:
    """Of our hook alone: libvirt runs them by the order of their names."""
    for name in ("000", "zzz"):
        pc.write(f"/etc/libvirt/hooks/qemu.d/{name}",
                 f'#!/bin/sh\n[ "$2" != {operation} ] || cp /proc/uptime /run/{name}\n', 0o755)


def end_by(pc: PC, command: str) -> None:
    """A guest that may not have stayed for long. The guard, which gives its hook five seconds to say how it has ended,
    looks when the command, and with it the hook, is through."""
    pc.ok(f"pkill -STOP -x vfio-mode-guard; {command}; status=$?; pkill -CONT -x vfio-mode-guard; exit $status",
          timeout=120)


def set_up(pc: PC, keys: str = KEYS) -> None:
    pc.write(INI, ini() + keys)
    libvirt.install(pc)
    libvirt.define(pc)
    watch(pc)


@pytest.mark.parametrize("managed", ["no", pytest.param("yes", marks=pytest.mark.drawn("vms"))])
def test_the_card_follows_the_guest(pc: PC, managed: str, request: pytest.FixtureRequest) -> None:
    """From host mode, and back, as often as it is started; libvirt's own idea of a device does not matter."""
    set_up(pc, "")
    assert pc.driver(GPU) == HOST.gpu
    said = refused(pc, START, "set switch-for-vm = yes in [mode passthrough].", "(not-for-vm)")
    assert said.count("vfio-modectl: ") == 1
    assert look(pc) == HOST
    pc.write(INI, ini() + KEYS)
    libvirt.define_obeying(pc, managed=managed)
    rounds = 10 if request.config.option.long else 3
    for number in range(rounds):
        pc.ok(START, timeout=120)
        check_is_on(pc)
        if number % 2:
            libvirt.until_it_obeys(pc)
            until_settled(pc)
            pc.ok(SHUTDOWN)
        else:
            end_by(pc, DESTROY)
        pc.ok(UNTIL_HOST)
        assert look(pc) == HOST
        there = status(pc)
        assert (there["source"], there["held"], there["reason"]) == ("vm-exit", None, ENDED)
    assert not [event for event in events(pc, "mode-changed") if event["event"] == "fell-back"]
    assert "blocked for more than" not in pc.ok("dmesg")


@pytest.mark.drawn("vms")
def test_a_person_takes_the_card_back(pc: PC) -> None:
    """The guest is shut down in order first, by virsh; the hooks that follow find nothing to do."""
    set_up(pc, "switch-for-vm = yes\n")
    libvirt.define_obeying(pc)
    pc.ok(START, timeout=120)
    check_is_on(pc)
    libvirt.until_it_obeys(pc)
    pc.ok("vfio-modectl switch host", timeout=120)
    assert look(pc) == HOST
    assert "shutting down, reason=shutdown" in pc.ok(f"tail -n 1 {libvirt.LOG}")
    there = status(pc)
    assert there["held"] and there["source"] != "vm-exit", there
    assert "blocked for more than" not in pc.ok("dmesg")
    # One that libvirtd starts by itself does not take it again.
    pc.ok(f"""
        virsh --quiet autostart {libvirt.NAME}
        rm -f /run/libvirt/qemu/autostarted
        systemctl restart libvirtd.service
        until journalctl -b -o cat -u libvirtd.service | grep -q "Mode 'host' is held since "; do :; done
    """, timeout=120)
    assert look(pc) == HOST


def fail(pc: PC, name: str) -> None:
    """Starts the guest, and lets that fail."""
    if name == "a missing disk image":
        libvirt.define(pc, libvirt.domain(
            devices="<disk type='file'><source file='/nowhere'/><target dev='vda' bus='virtio'/></disk>"))
    elif name == "a bad ROM file":
        libvirt.define(pc, libvirt.domain(hostdev="<rom file='/nowhere'/>"))
    elif name == "a QEMU that exits at once":
        libvirt.define(pc, libvirt.domain(arguments="-no-such-option"))
    elif name == "libvirtd is killed":
        pc.write("/etc/libvirt/hooks/qemu.d/zzz", '#!/bin/sh\n[ "$2" != start ] || pkill -KILL -x libvirtd\n', 0o755)
    elif name == "a start that never happens":
        pc.ok(f"vfio-modectl hook -- libvirt {libvirt.NAME} prepare begin - < /root/guest.xml")
        return
    elif name == "vfio-moded is killed":
        pc.write("/etc/libvirt/hooks/qemu.d/000", """#!/bin/sh
[ "$2" != prepare ] || (until [ -e /run/vfio-mode/undo ]; do :; done; pkill -KILL -x vfio-moded) > /dev/null 2>&1 &
""", 0o755)
    started = pc.run(START, timeout=120)
    if name in ("a QEMU that is killed", "the guard is killed"):
        assert started.rc == 0, started
        until_phase(pc, "there")
        pc.ok("sleep 1")
        kill = f"pkill -KILL -f ^/usr/bin/{QEMU}"
        if name == "the guard is killed":
            pc.ok(f"pkill -KILL -x vfio-mode-guard; {kill}")
        else:
            end_by(pc, f"{kill} && until grep -q failed /run/vfio-moded/vm/list; do :; done")
    else:
        assert started.rc != 0, started


# The reason that is told of each.
FAILURES = {
    "a missing disk image": {HAS_FAILED}, "a bad ROM file": {HAS_FAILED},
    "a QEMU that exits at once": {HAS_FAILED}, "a QEMU that is killed": {HAS_FAILED, HAS_FAILED_LATE},
    "a start that never happens": {NOT_OPENED}, "libvirtd is killed": {NOT_OPENED},
    "vfio-moded is killed": {NOBODY, NOT_OPENED},
    "the guard is killed": {HAS_FAILED, ENDED_AT_ONCE, HAS_FAILED_LATE},
}


@pytest.mark.drawn("vms")
@pytest.mark.parametrize("name", FAILURES)
def test_a_start_that_fails(pc: PC, name: str) -> None:
    """The screen is back by itself, with the display manager; and stays back, until somebody says so."""
    desktop.install(pc)
    pc.ok(f"sed -i '/initial_session/,$d' /etc/greetd/config.toml; systemctl start {desktop.DISPLAY_MANAGER}")
    keys = f"{KEYS}end-sessions = yes\n".replace("2s", f"{GRACE}s")
    set_up(pc, keys.replace("5min", f"{SECONDS}s") if FAILURES[name] & {NOT_OPENED, NOBODY} else keys)
    pc.ok(LISTEN)
    fail(pc, name)
    failed = uptime(pc)
    pc.ok(UNTIL_HOST, timeout=90)
    took = uptime(pc) - failed
    pc.ok(f"until systemctl is-active --quiet {desktop.DISPLAY_MANAGER}; do :; done", timeout=90)
    there = status(pc)
    reason = there["reason"]
    assert reason in FAILURES[name]
    assert (reason == HAS_FAILED_LATE) == (knows(pc)["settled"] == "yes"), reason
    # What is seen to fail leads back at once, what does not come when its time is over; and a switch takes its time.
    assert took < SWITCH_SECONDS + (SECONDS if reason in (NOT_OPENED, NOBODY) else 10), took
    assert (there["mode"], there["source"], there["held"]["reason"]) == ("host", "fallback", reason)
    assert active(pc) == ["host"] and pc.driver(GPU) == HOST.gpu and pc.driver(AUDIO) == HOST.audio
    (entry,) = entries(pc, FELL_BACK)
    assert entry["VFIO_MODE_REASON"] == reason
    check_told_alike(pc, there)
    pc.ok("rm -f /etc/libvirt/hooks/qemu.d/zzz /etc/libvirt/hooks/qemu.d/000; systemctl start libvirtd.service")
    pc.write(INI, ini() + keys)
    libvirt.define(pc)
    refused(pc, START, "Mode 'host' is held since ", f"({reason})", "(held)")
    assert active(pc) == ["host"] and pc.driver(GPU) == HOST.gpu
    pc.ok(f"vfio-modectl release; {START}", timeout=120)
    assert look(pc).gpu == PASSTHROUGH.gpu
    # Once, for all that time.
    assert signals(pc, "FellBack") == [["passthrough", "host", reason]]


@pytest.mark.drawn("vms")
@pytest.mark.parametrize(("end", "reason", "source"), [("crashed", HAS_FAILED, "fallback"),
                                                       ("shutdown", ENDED, "vm-exit")])
def test_an_older_libvirt(pc: PC, end: str, reason: str, source: str) -> None:
    """One that does not tell how a guest has ended (before 10.5.0): that is read from the guest's log."""
    set_up(pc)
    hook = f"/etc/libvirt/hooks/qemu.d/libvirt {libvirt.NAME}"
    pc.ok(f"strace -f -qq -e trace=execve,connect -o /root/calls {hook} prepare begin - < /root/guest.xml", timeout=60)
    # libvirtd waits for the hook: one that asked it would wait for ever.
    calls = pc.read("/root/calls")
    assert re.findall(r'execve\("([^"]+)"', calls) == [hook.split()[0], "/usr/bin/vfio-modectl"], calls
    assert "connect(" in calls and "/run/libvirt" not in calls, calls
    pc.write(libvirt.LOG, f"2026-01-01 00:00:00.000+0000: starting up\n"
             f"2026-01-01 00:00:05.000+0000: shutting down, reason={end}\n")
    pid = hold(pc)
    until_phase(pc, "there")
    end_by(pc, f"kill {pid}; {hook} release end - < /root/guest.xml")
    pc.ok(UNTIL_HOST)
    there = status(pc)
    assert (there["reason"], there["source"]) == (reason, source)
    check_told_alike(pc, there)


@pytest.mark.drawn("vms")
def test_other_guests_are_left_alone(pc: PC) -> None:
    """One that names nothing of ours does not wait for a service that hangs, and is not ended by libvirtd's restart."""
    set_up(pc)
    other = libvirt.domain().replace(libvirt.NAME, "other").replace("926dc612", "12345678")
    begin, rest = other.split("<hostdev", 1)
    pc.write("/root/other.xml", begin + rest[rest.rindex("</hostdev>") + len("</hostdev>"):])
    pc.ok("virsh --quiet define /root/other.xml")
    pc.ok("vfio-modectl status; pkill -STOP -x vfio-moded")
    pc.ok("virsh --quiet start other; pkill -CONT -x vfio-moded", timeout=60)
    pc.ok(START, timeout=120)
    check_is_on(pc)
    pid = pc.ok(f"pgrep -f 'guest={libvirt.NAME}'").strip()
    pc.ok("systemctl restart libvirtd.service; virsh --quiet list > /run/list; grep other /run/list")
    assert pc.run(f"test -e /proc/{pid}").rc == 0
    assert look(pc) == PASSTHROUGH
    for operation in ("reconnect", "migrate", "restore", "something-new"):
        said = pc.run(f"/etc/libvirt/hooks/qemu.d/libvirt {libvirt.NAME} {operation} begin - < /root/guest.xml")
        assert (said.rc, said.out) == (0, ""), said
    assert "phase=there" in pc.read(KNOWS)


@pytest.mark.drawn("vms")
def test_a_service_that_hangs(pc: PC) -> None:
    """The start of a guest that names the card is refused after the stated time, and libvirtd goes on."""
    set_up(pc)
    note_times(pc, "prepare")
    pc.ok("vfio-modectl status; pkill -STOP -x vfio-moded")
    said = pc.run(f"{START}; status=$?; cp /proc/uptime /run/ended; exit $status", timeout=120)
    took = uptime(pc, "/run/ended") - uptime(pc, "/run/000")
    assert said.rc != 0 and "The service of vfio-mode does not answer. (timed-out)" in said.out, said
    assert 45 <= took < 60, took
    assert pc.driver(GPU) == HOST.gpu and pc.driver(NIC) != "vfio-pci"
    pc.ok("pkill -KILL -x vfio-moded; virsh --quiet list")


@pytest.mark.drawn("vms")
def test_a_service_that_hangs_at_the_end(pc: PC) -> None:
    """libvirtd waits for the stated time; the guard has seen the guest's end, and the screen comes back by it."""
    set_up(pc)
    pc.ok(START, timeout=120)
    check_is_on(pc)
    note_times(pc, "release")
    pc.ok("vfio-modectl status; pkill -STOP -x vfio-moded")
    pc.ok(DESTROY, timeout=120)
    took = uptime(pc, "/run/zzz") - uptime(pc, "/run/000")
    assert 10 <= took < 20, took
    pc.ok("virsh --quiet list; pkill -KILL -x vfio-moded; " + UNTIL_HOST, timeout=90)
    assert look(pc) == HOST


@pytest.mark.drawn("vms")
@pytest.mark.machine("apparmor")
def test_under_apparmor(pc: PC) -> None:
    """As Debian has it: which hook runs and which ROM file is read is what `check` said; and the card follows."""
    pc.write(INI, ini() + KEYS)
    libvirt.install(pc, confined=True)
    assert pc.ok("cat /proc/$(pidof libvirtd)/attr/current") == "libvirtd (enforce)"
    rom = "/srv/gpu.rom"
    pc.write(rom, vga_bios())
    libvirt.define(pc, libvirt.domain(hostdev=f"<rom file='{rom}'/>"))

    # libvirt's profile lets hooks be run by the place where they lie, which is not the link's.
    pc.ok(f"ln --symbolic --force {libvirt.HOOK_SOURCE} {libvirt.HOOK}")
    [hook] = rows(pc, "libvirt-hook")
    assert hook[0] == "fail" and "is a link, and AppArmor" in hook[1], hook
    refused(pc, START, f"cannot execute binary {libvirt.HOOK}: Permission denied")
    assert look(pc) == HOST
    pc.ok(f"install {libvirt.HOOK_SOURCE} {libvirt.HOOK} && systemctl reload libvirtd")
    assert [result for result, _ in rows(pc, "libvirt-hook")] == ["pass"]

    [valid, unread] = rows(pc, "guest-rom-gpu")
    assert (valid[0], unread[0]) == ("pass", "warn") and f"lets it read the ROM file {rom}" in unread[1], (valid, unread)
    refused(pc, START, f'failed to find romfile "{rom}"')  # as QEMU takes what it may not read
    pc.ok(UNTIL_HOST, timeout=90)
    pc.ok(f"vfio-modectl release; mkdir -p /etc/apparmor.d/local/abstractions; "
          f"echo '{rom} r,' >> /etc/apparmor.d/local/abstractions/libvirt-qemu")
    assert [result for result, _ in rows(pc, "guest-rom-gpu")] == ["pass"]
    pc.ok(START, timeout=120)
    check_is_on(pc)
    assert re.fullmatch(r"libvirt-[0-9a-f-]{36} \(enforce\)", pc.ok(f"cat /proc/$(pgrep -f ^/usr/bin/{QEMU})/attr/current"))
    end_by(pc, DESTROY)
    pc.ok(UNTIL_HOST)
    assert look(pc) == HOST


@pytest.mark.drawn("vms")
def test_no_hook(pc: PC) -> None:
    """A guest that nobody tells of and nobody awaits keeps the machine awake: machined has it."""
    libvirt.run(pc)
    libvirt.define(pc)
    pc.ok("vfio-modectl switch passthrough")
    until_phase(pc, "over")
    check_sleeps(pc)
    pc.ok(f"{START}; until {IS_AWAKE}; do :; done", timeout=120)
    check_sleeps(pc)
    pc.ok(f"{DESTROY}; while {IS_AWAKE}; do :; done", timeout=120)
    assert look(pc) == PASSTHROUGH
