#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is there to read, and what is told of changes, whoever makes them."""

import contextlib
import fcntl
import json
import os
import re
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import wire
from rig import DEVICES, ERROR, MANAGER, NAME, ONE_SHOT, PATH, PROPERTIES, SOURCE, boot_record, send, until

GPU = DEVICES + "/_30000_3a01_3a00_2e0"
STANDARD = "org.freedesktop.DBus."
DEVICE = NAME + ".Device"
EDITED = "the configuration was changed since it was accepted"
LOG_CONTROL = "org.freedesktop.LogControl1"


def interfaces(text):
    return {node.get("name"): node for node in ET.fromstring(text).iter("interface")
            if not node.get("name").startswith(STANDARD)}


def shape(interface):
    """An interface without its comments, in an order of its own."""
    def inside(node):
        return (node.tag, sorted(node.items()), [inside(child) for child in node])

    return sorted(inside(member) for member in interface)


def introspect(rig, path):
    return interfaces(rig.client().call(NAME, path, STANDARD + "Introspectable", "Introspect")[0])


def test_the_interface_file_is_what_introspection_says(rig):
    shipped = interfaces((SOURCE / "conf/dbus/org.vfiomode1.xml").read_text())
    served = {**introspect(rig, PATH), **introspect(rig, GPU),
              **introspect(rig, "/org/freedesktop/LogControl1")}
    assert served.keys() == shipped.keys()
    for name, interface in shipped.items():
        assert shape(served[name]) == shape(interface)


def test_each_member_is_documented():
    text = (SOURCE / "conf/dbus/org.vfiomode1.xml").read_text()
    for match in re.finditer(r"\n *<(method|property|signal) name=\"(\w+)\"", text):
        assert text[:match.start()].rstrip().endswith(("-->", "</property>"))
        before = text[:match.start()].rsplit("<!--", 1)[1]
        assert "<property" not in before and "<method" not in before, match[2]


def test_properties(rig):
    values = rig.get_all()
    assert values.pop("LastBoot") == {}
    assert values == {
        "CurrentMode": "host", "ModeReason": "default-mode names it", "State": "idle", "HeldBy": "", "VMs": [],
        "DefaultMode": "host", "FallbackMode": "host", "Drift": [],
        "Modes": values["Modes"], "NextBootMode": "host", "NextBootKind": "config",
        "NextBootCommandLine": "", "NextBootTriesLeft": 0,
        "NextBootProtection": values["NextBootProtection"]}
    assert sorted(values["Modes"]) == ["host", "passthrough", "plain"]


def record(boot, mode, kind, confirmed, result="none", wanted="plain"):
    return boot_record(boot_id=f"00000000-0000-4000-8000-{boot:012}", source="command-line",
                       marker=f"{kind}.5.0", wanted=wanted, mode=mode, result=result,
                       reason="GRUB named it", confirmed=confirmed)


def test_last_boot(rig):
    rig.machine.write("var/lib/vfio-mode/boot", record(1, "host", "expired", "no"))
    rig.machine.write("var/lib/vfio-mode/boot.previous", record(0, "plain", "trial", "yes"))
    boot = rig.get("LastBoot")
    assert {key: boot[key] for key in ("mode", "wanted", "source", "kind", "result", "reason",
                                       "time", "confirmed", "unconfirmed")} == {
        "mode": "host", "wanted": "plain", "source": "command-line", "kind": "expired",
        "result": "none", "reason": "GRUB named it", "time": 1767225600, "confirmed": False,
        "unconfirmed": 0}
    assert boot["not-run"] == ""
    (rig.root / "boot/grub/vfio-mode/vfio-mode.env").write_text(rig.block(6, "plain", keep=1))
    until(lambda: rig.get("LastBoot")["not-run"] == "plain")
    assert (boot["previous-mode"], boot["previous-kind"], boot["previous-confirmed"]) == (
        "plain", "trial", True)


def test_describe_is_json_with_a_schema(rig):
    description = json.loads(rig.call("Describe")[0])
    assert description["schema"] == 1
    assert description["mode"] == "host"


def test_devices(rig):
    objects = rig.client().call(NAME, DEVICES, STANDARD + "ObjectManager", "GetManagedObjects")[0]
    device = objects[GPU]["org.vfiomode1.Device"]
    assert len(objects) == 2
    assert device.pop("Name")
    assert device == {"Address": "0000:01:00.0", "PciId": "10de:2484", "Class": "030000",
                      "Driver": "nvidia", "DriverOverride": "", "WantedDriver": "",
                      "IommuGroup": 1, "BootVga": True}


def test_devices_come_and_go(rig):
    listener = rig.listen()
    rig.machine.accepted("[device nic]\naddress = 0000:05:00.0\n[mode x]\nvfio-devices = nic\n")
    removed = {listener.next_signal("InterfacesRemoved").body[0] for _ in range(2)}
    assert removed == {GPU, GPU[:-1] + "1"}
    assert listener.next_signal("InterfacesAdded").body[0].endswith("_30000_3a05_3a00_2e0")


def test_nothing_reads_config_space(rig):
    config = rig.root / "sys/bus/pci/devices/0000:01:00.0/config"
    os.mkfifo(config)  # whoever opens it hangs
    assert rig.get("Driver", GPU, "org.vfiomode1.Device") == "nvidia"
    rig.call("Describe")


# --- signals ---

def changed(signal):
    return signal.body[1]


def wait_for(listener, name, value):
    """Until a property has been told to have the value."""
    while True:
        signal = listener.next_signal("PropertiesChanged")
        assert signal, f"{name} was not told to be {value}"
        if changed(signal).get(name) == value:
            return


def test_a_mode_of_the_longest_name_is_told_once(rig):
    mode = "m" * 32
    rig.machine.state(mode, "host")
    until(lambda: rig.get("CurrentMode") == mode)
    listener = rig.listen()
    rig.machine.result()
    rig.get("State")
    assert listener.next_signal("ModeChanged", 0.3) is None
    rig.machine.state("host", mode)
    assert listener.next_signal("ModeChanged").body[:2] == (mode, "host")


def test_a_switch_made_by_the_unit_is_told(rig):
    listener = rig.listen()
    rig.machine.state("passthrough", "host", reason="its unit was started")
    wait_for(listener, "CurrentMode", "passthrough")
    assert listener.next_signal("ModeChanged").body == (
        "host", "passthrough", "its unit was started")
    rig.machine.state("host", "passthrough", "fallback", "the fallback mode was asked for")
    told = ("passthrough", "host", "the fallback mode was asked for")
    assert listener.next_signal("ModeChanged").body == told
    assert listener.next_signal("FellBack").body == told


def test_a_way_in_that_was_cut_short_is_told_once(rig):
    """It led back to the mode before; in between the machine was in none, which was not seen."""
    listener = rig.listen()
    why = "vfio-mode@plain.service was cut short (signal)"
    rig.machine.state("host", "", "fallback", why)
    assert listener.next_signal("FellBack").body == ("none", "host", why)
    until((rig.root / "run/vfio-moded/announced-fall").exists)
    rig.kill()
    rig.machine.result()
    rig.start()
    rig.get("State")
    assert listener.next_signal("FellBack", 0.3) is None


def test_half_way_is_no_mode(rig):
    listener = rig.listen()
    rig.machine.state("passthrough", "host", name="undo")
    wait_for(listener, "CurrentMode", "none")
    assert listener.next_signal("ModeChanged").body[:2] == ("host", "none")
    (rig.root / "run/vfio-mode/undo").unlink()
    assert listener.next_signal("ModeChanged").body[:2] == ("none", "host")


def test_while_a_switch_holds_the_lock_no_mode_is_told(rig):
    lock = (rig.root / "run/vfio-mode/lock").open("w")
    fcntl.lockf(lock, fcntl.LOCK_EX)
    listener = rig.listen()
    rig.machine.state("passthrough", "host", name="undo")
    wait_for(listener, "State", "switching")
    rig.machine.state("passthrough", "host")
    (rig.root / "run/vfio-mode/undo").unlink()
    lock.close()
    wait_for(listener, "State", "idle")
    assert listener.next_signal("ModeChanged").body[:2] == ("host", "passthrough")


def test_a_switch_that_ends_before_it_is_watched(bare, tmp_path):
    """The service begins beside one, has looked, and does not hear of its end: it looks once more."""
    seen = tmp_path / "seen"
    listener = bare.listen()
    with (bare.root / "run/vfio-mode/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        bare.run(by=("strace", "--daemonize", f"--output={seen}", "--trace=inotify_init1,inotify_add_watch",
                     "--inject=inotify_add_watch:delay_enter=2s:when=1"))
        until(lambda: seen.exists() and "inotify_init1" in seen.read_text())
        bare.machine.state("passthrough", "host")
    assert listener.next_signal("ModeChanged").body[:2] == ("host", "passthrough")


def test_wedged_until_the_writer_has_ended(rig):
    """Nothing is written when it comes back; that it has ended is seen all the same."""
    listener = rig.listen()
    with subprocess.Popen(["sleep", "infinity"]) as writer:
        stat = Path(f"/proc/{writer.pid}/stat").read_text()
        start = stat.rpartition(")")[2].split()[19]
        rig.machine.write(f"proc/{writer.pid}/stat", stat)
        rig.machine.state("passthrough", "host", name="undo.new")
        with (rig.root / "run/vfio-mode/undo.new").open("a") as undo:
            undo.write(f"writer={writer.pid} {start}\nwrite=unbind 0000:01:00.0 nvidia\nwedged=1\n")
        override = rig.get("DriverOverride", GPU, DEVICE)
        (rig.root / "run/vfio-mode/undo.new").rename(rig.root / "run/vfio-mode/undo")
        wait_for(listener, "State", "wedged")
        assert rig.get("DriverOverride", GPU, DEVICE) == override
        assert "0000:01:00.0" in rig.get("ModeReason")
        (rig.root / f"proc/{writer.pid}/stat").unlink()
        writer.kill()
        wait_for(listener, "State", "idle")
    assert rig.get("CurrentMode") == "none"


def test_a_changed_configuration_is_told(rig):
    listener = rig.listen()
    config = (rig.root / "etc/vfio-mode.ini").read_text()
    rig.machine.config(config.replace("default-mode = host", "default-mode = passthrough"))
    wait_for(listener, "DefaultMode", "passthrough")
    rig.machine.write("etc/vfio-mode.ini.d/50-new.ini", "[mode third]\n")
    while "third" not in changed(listener.next_signal("PropertiesChanged")).get("Modes", []):
        pass


def test_drift_is_told(rig):
    """Between what is armed and the configuration, with the command to run."""
    rig.call("SetNextBoot", "sa{sv}", "passthrough", {})
    assert rig.get("Drift") == []
    listener = rig.listen()
    config = (rig.root / "etc/vfio-mode.ini").read_text()
    rig.machine.config(config.replace("cmdline = nosmt=force", "cmdline = nosmt"))
    edited = [EDITED, "The cmdline of 'passthrough' was changed after it was armed: run "
                      "\"vfio-modectl next passthrough\"."]
    wait_for(listener, "Drift", edited)
    assert rig.get("Drift") == edited
    rig.call("SetNextBoot", "sa{sv}", "passthrough", {})
    wait_for(listener, "Drift", [EDITED])


def test_drift_stays_the_same_beside_a_switch(rig):
    rig.call("SetNextBoot", "sa{sv}", "passthrough", {})
    config = (rig.root / "etc/vfio-mode.ini").read_text()
    rig.machine.config(config.replace("cmdline = nosmt=force", "cmdline = nosmt"))
    drift = rig.get("Drift")
    assert len(drift) == 2
    with (rig.root / "run/vfio-mode/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert [rig.get("Drift") for _ in range(3)] == [drift] * 3


def test_drift_of_the_variable_is_told(rig):
    rig.boots_by_efi()
    rig.machine.write(ONE_SHOT, "\7\0\0\0plain")
    assert rig.get("NextBootKind") == "efi"
    assert rig.get("Drift") == []
    listener = rig.listen()
    config = (rig.root / "etc/vfio-mode.ini").read_text()
    rig.machine.config(config.replace("[mode plain]", "[mode plain]\ncmdline = nosmt"))
    wait_for(listener, "Drift", [
        EDITED, "The cmdline of 'plain' was added after it was armed, and a boot by the EFI variable has "
                "none of it: run \"vfio-modectl next --cancel\"."])


def test_an_armed_block_is_told(rig):
    listener = rig.listen()
    rig.machine.write("boot/grub/vfio-mode/vfio-mode.env",
                      rig.block(6, "passthrough", arguments="nosmt=force panic=10"))
    wait_for(listener, "NextBootMode", "passthrough")
    assert rig.get("NextBootKind") == "once"
    assert rig.get("NextBootCommandLine") == "nosmt=force panic=10"
    assert rig.get("NextBootTriesLeft") == 1


def test_a_boot_menu_that_is_made_anew_is_told(rig):
    """By grub-mkconfig, of which nothing else of ours tells."""
    entry = " vfio_mode={} vfio_mode.boot=menu.0.0\n"
    args = {"passthrough": "passthrough nosmt=force panic=10", "plain": "plain panic=10"}
    menu = "".join(entry.format(words) for words in args.values())
    rig.call("SetNextBoot", "sa{sv}", "passthrough", {})
    listener = rig.listen()
    cfg = rig.root / "boot/grub/grub.cfg"
    made = "### vfio-mode environment ###\n"
    old = ["The boot menu's entries are older than the configuration: run \"update-grub\"."]
    for text, drift in ((menu + entry.format("gone"), old), (menu, [])):
        (cfg.parent / "grub.cfg.new").write_text(made + text)
        with cfg.open("w") as file:  # as grub-mkconfig does it
            file.write((cfg.parent / "grub.cfg.new").read_text())
        wait_for(listener, "Drift", drift)
    cfg.unlink()
    wait_for(listener, "NextBootProtection", "none")
    (cfg.parent / "grub.cfg.new").rename(cfg)
    wait_for(listener, "NextBootProtection", "grub")


def test_a_variable_that_others_set_is_told(rig):
    """By the unit that root has started, or by a switch that closes all ways into a mode."""
    rig.boots_by_efi()
    assert rig.get("NextBootKind") == "config"
    listener = rig.listen()
    rig.machine.write(ONE_SHOT, "\7\0\0\0plain")
    wait_for(listener, "NextBootMode", "plain")
    (rig.root / ONE_SHOT).unlink()
    wait_for(listener, "NextBootMode", "host")


def test_what_happened_meanwhile_is_told_at_the_start(bare):
    listener = bare.listen()
    bare.start()
    assert bare.get("CurrentMode") == "host"
    bare.kill()
    bare.machine.state("passthrough", "host", reason="its unit was started")
    bare.start()
    wait_for(listener, "CurrentMode", "passthrough")
    assert listener.next_signal("ModeChanged").body == (
        "host", "passthrough", "its unit was started")
    bare.stop()
    bare.start()
    assert listener.next_signal("ModeChanged", 0.3) is None, "told twice"


def test_every_property_may_have_changed_meanwhile(bare):
    """Of what was told before the service remembers only the mode: so it tells all."""
    bare.start()
    bare.stop()
    bare.machine.write("boot/grub/vfio-mode/vfio-mode.env", bare.block(6, "passthrough"))
    bare.machine.write("var/lib/vfio-mode/boot", record(1, "host", "idle", "yes"))
    bare.machine.state("passthrough", "host", name="undo")
    listener = bare.listen()
    bare.start()
    told = {}
    while len(told) < 3:
        signal = listener.next_signal("PropertiesChanged")
        assert signal, told.keys()
        told[signal.path] = changed(signal)
    assert told[PATH] == bare.get_all()
    assert (told[PATH]["CurrentMode"], told[PATH]["NextBootMode"]) == ("none", "passthrough")
    assert told[PATH]["LastBoot"]["mode"] == "host"
    assert told[GPU] | {"Address": "0000:01:00.0"} == bare.get_all(GPU, DEVICE)


EXPIRED = record(1, "host", "expired", "no", wanted="host")
BOOTS = {  # this one, the one before, and the mode that FellBack names
    "refused": (record(1, "host", "trial", "no", "busy"), "", "plain"),
    "expired": (EXPIRED, record(0, "plain", "trial", "no"), "plain"),
    "expired long ago": (EXPIRED, record(0, "host", "expired", "no", wanted="host"), ""),
    "skipped": (record(1, "host", "skipped", "no", wanted="host"), "", ""),
    "as wanted": (record(1, "plain", "trial", "no"), "", ""),
    "count": (record(1, "host", "idle", "no").replace("command-line", "default"), "", "plain"),
    "damaged": (record(1, "host", "damaged", "no", wanted="host"), "", "none"),
    "menu between": (EXPIRED, record(0, "plain", "menu", "no").replace("menu.5", "menu.0"), ""),
}


@pytest.mark.parametrize("name", BOOTS)
def test_a_boot_that_fell_back_is_told_once(bare, name):
    boot, before, wanted = BOOTS[name]
    if before:
        bare.machine.write("var/lib/vfio-mode/boot.previous", before)
    bare.machine.write("var/lib/vfio-mode/boot", boot)
    listener = bare.listen()
    for told in (bool(wanted), False):
        bare.start()
        signal = listener.next_signal("FellBack", wire.LONG if told else 0.3)
        assert (signal.body if signal else None) == ((wanted, "host", "GRUB named it") if told else None)
        bare.stop()


def test_the_mode_of_the_boot_is_no_news(bare):
    listener = bare.listen()
    bare.start()
    assert listener.next_signal("ModeChanged", 0.3) is None


def test_the_first_start_tells_of_a_switch_since_boot(bare):
    bare.machine.state("passthrough", "host")
    listener = bare.listen()
    bare.start()
    assert listener.next_signal("ModeChanged").body[:2] == ("host", "passthrough")


def test_damaged_files_are_an_answer(rig):
    for name in ("status", "undo", "result", "config"):
        rig.machine.write(f"run/vfio-mode/{name}", "=\n\n\0")
    rig.machine.config("[nonsense\n").write("boot/grub/vfio-mode/vfio-mode.env", "torn")
    for path in ("run/vfio-moded/announced", "run/vfio-moded/job", "run/vfio-moded/trial"):
        rig.machine.write(path, "?\n")
    assert rig.get("CurrentMode") == "none"
    rig.kill()
    rig.start()
    assert rig.get("NextBootKind") == "damaged"
    rig.call("Describe")


def test_names_from_the_kernel_may_be_anything(rig):
    driver = rig.root / "sys/bus/pci/devices/0000:01:00.0/driver"
    driver.unlink()
    os.symlink(b"../../../../bus/pci/drivers/ev\xffil\x1b", os.fsencode(driver))
    assert "\x1b" not in rig.get("Driver", GPU, "org.vfiomode1.Device")
    rig.call("Describe")


# --- LogControl1 ---

def test_log_control(rig):
    def call(member, signature, *body, client=None):
        return (client or rig.client()).call(NAME, "/org/freedesktop/LogControl1", PROPERTIES,
                                             member, signature, *body)

    assert call("GetAll", "s", LOG_CONTROL)[0] == {
        "LogLevel": "info", "LogTarget": "console", "SyslogIdentifier": "vfio-moded"}
    call("Set", "ssv", LOG_CONTROL, "LogLevel", wire.Variant("s", "debug"))
    assert call("Get", "ss", LOG_CONTROL, "LogLevel")[0] == "debug"
    with pytest.raises(wire.Failed):
        call("Set", "ssv", LOG_CONTROL, "LogLevel", wire.Variant("s", "loud"))
    with pytest.raises(wire.Failed):
        call("Set", "ssv", LOG_CONTROL, "LogLevel", wire.Variant("s", "err"), client=rig.nobody())
    assert call("Get", "ss", LOG_CONTROL, "LogLevel")[0] == "debug"
    call("Set", "ssv", LOG_CONTROL, "LogTarget", wire.Variant("s", "console"))
    with pytest.raises(wire.Failed) as refused:
        call("Set", "ssv", LOG_CONTROL, "LogTarget", wire.Variant("s", "kmsg"))
    assert refused.value.name == "org.freedesktop.DBus.Error.InvalidArgs"


# --- going away ---


def stays(rig, seconds):
    with pytest.raises(subprocess.TimeoutExpired):
        rig.process.wait(seconds)


def test_it_exits_when_idle(bare):
    began = time.monotonic()
    bare.run(idle=1000)
    assert bare.process.wait(wire.LONG) == 0
    assert time.monotonic() - began >= 1
    bare.process = None


def test_a_call_keeps_it(bare):
    """Its time counts from the last call. One that comes too late, on a busy machine, says nothing of that."""
    for idle in (1, 4, 16, 64):
        bare.run(idle=1000 * idle)
        until(lambda: bare.process.poll() is not None or bare.is_there())
        with contextlib.suppress(subprocess.TimeoutExpired):
            bare.process.wait(idle / 2)
        called, client = time.monotonic(), bare.connect()
        with contextlib.suppress(wire.Failed):
            bare.get("CurrentMode", client=client)
            break
    assert bare.process.wait(idle + wire.LONG) == 0
    assert time.monotonic() - called >= idle
    bare.process = None


def check_stays(bare, pid):
    """Its time to leave comes many times: each of them wakes it, and hardly anything else does."""
    def woken():
        return int(re.search(r"^voluntary_ctxt_switches:\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.M)[1])

    many = woken() + 30
    until(lambda: woken() >= many, what="its time to leave")
    assert bare.pid() == pid


def test_nothing_under_way_is_left_behind(bare):
    unit = "vfio-mode-inspect@plain.service"
    bare.systemd.held.add(unit)
    bare.run(idle=50)
    until(bare.is_there)
    client = bare.connect()
    serial = send(client, "PlanSwitch", "s", "plain")
    until(lambda: unit in bare.systemd.jobs)
    check_stays(bare, bare.process.pid)
    bare.systemd.finish(unit)
    assert len(client.wait(serial)[0]) == 1
    assert bare.process.wait(wire.LONG) == 0
    bare.process = None


def test_the_end_of_a_switch_is_waited_for(bare):
    """Also of one that nobody has asked the service for: it may be a fall, which is to be told."""
    listener = bare.listen()
    bare.machine.state("passthrough", "host")
    with (bare.root / "run/vfio-mode/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        bare.run(idle=50)
        until(bare.is_there)
        check_stays(bare, bare.process.pid)
        bare.machine.state("host", "passthrough", "fallback", "no VM came")
    assert listener.next_signal("FellBack").body == ("passthrough", "host", "no VM came")
    assert bare.process.wait(wire.LONG) == 0
    bare.process = None


def test_what_takes_long_is_answered_by_who_leaves(bare):
    """A call that comes in the moment of leaving has nobody else."""
    unit = "vfio-mode-inspect@plain.service"
    bare.systemd.held.add(unit)
    bare.start()
    client = bare.connect()
    serial = send(client, "PlanSwitch", "s", "plain")
    until(lambda: unit in bare.systemd.jobs)
    bare.process.terminate()
    stays(bare, 11)
    bare.systemd.finish(unit)
    assert len(client.wait(serial)[0]) == 1
    assert bare.process.wait(wire.LONG) == 0
    bare.process = None


def forget_at_try(systemd, number):
    """The timers that are there, when one is started for that many times: of 41 that there are, 50 ms apart."""
    tries = []

    def start(call):
        tries.append(call)
        if len(tries) == number:
            systemd.timers.clear()
        systemd.order(call)

    systemd.StartTransientUnit = start


def test_a_switch_between_two_tries_is_answered_by_who_leaves(bare):
    """Its clock is of a name that systemd has not forgotten yet: for a while no job is followed."""
    timer = "vfio-mode-revert-next.timer"
    bare.systemd.timers[timer] = {}
    bare.systemd.held.add(timer)
    bare.start()
    client = bare.connect()
    serial = client.send(wire.Message(wire.CALL, 0, "sa{sv}",
                                      ("plain", {"confirm-within": wire.Variant("t", 60 * 1000000)}),
                                      destination=NAME, path=PATH, interface=MANAGER, member="SwitchMode"))
    until(lambda: timer in bare.systemd.jobs)
    bare.systemd.timers[timer] = {}
    bare.systemd.held.clear()
    forget_at_try(bare.systemd, 36)
    bare.process.terminate()
    stays(bare, 9)
    bare.systemd.finish(timer)
    assert client.wait(serial)[0].startswith(PATH + "/job/")
    assert bare.process.wait(wire.LONG) == 0
    bare.process = None


MIXED = {  # each method, as somebody who may would call it, and with what it may be refused meanwhile
    "SwitchMode": ("sa{sv}", [("plain", {}), ("host", {})], {"AlreadySwitching"}),
    "SetNextBoot": ("sa{sv}", [("passthrough", {}), ("plain", {})], {"OtherDefault"}),
    "SetDefault": ("sa{sv}", [("passthrough", {}), ("host", {})], set()),
    "CancelNextBoot": ("", [()], set()), "Confirm": ("", [()], set()), "Release": ("", [()], {"AlreadySwitching"}),
    "PlanSwitch": ("s", [("plain",)], set()), "CheckMode": ("s", [("passthrough",)], set()),
    "BeginVM": ("sas", [("win", ["0000:05:00.0"])], set()), "EndVM": ("ss", [("win", "stopped")], set()),
    "Describe": ("", [()], set())}


def test_twenty_clients_across_idle_exits(bare):
    """Rounds of calls of all kinds, each about when it goes after the one before."""
    shipped = interfaces((SOURCE / "conf/dbus/org.vfiomode1.xml").read_text())[MANAGER]
    assert MIXED.keys() == {method.get("name") for method in shipped.iter("method")}
    bare.activate(100)
    pids, errors, answered, together = set(), [], [], threading.Barrier(20, timeout=60)

    def mixed(connection, turn):
        member = list(MIXED)[turn % len(MIXED)]
        signature, bodies, refusals = MIXED[member]
        try:
            answered.append((member, bare.call(member, signature, *bodies[turn // len(MIXED) % len(bodies)],
                                               client=connection)))
        except wire.Failed as failed:
            if failed.name not in {ERROR + refusal for refusal in refusals}:
                raise AssertionError(f"{member}: {failed}") from failed

    def client(number):
        connection = bare.bus.connect()
        try:
            for i in range(8):
                together.wait()
                time.sleep(0.08 + i * 0.03 + number * 0.002)
                mixed(connection, 3 * i + number)
                assert bare.get("CurrentMode", client=connection) in ("host", "plain")
                with contextlib.suppress(wire.Failed):  # gone already
                    pids.add(connection.bus("GetConnectionUnixProcessID", "s", NAME)[0])
        except Exception as error:  # noqa: BLE001
            errors.append(error)
            together.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert {member for member, _ in answered} == MIXED.keys()
    for member, answer in answered:
        assert len(answer) == len(shipped.findall(f"method[@name='{member}']/arg[@direction='out']")), member
    assert len(pids) > 1, "it did not go away in between"
    bare.armed()
    until(lambda: not bare.client().bus("NameHasOwner", "s", NAME)[0], what="the end")


def test_a_call_in_the_moment_of_leaving(bare):
    """SIGTERM and a call at once, many times: an answer each time."""
    bare.activate(0)
    client = bare.connect()

    def next_pid(last):
        """Of one that is not leaving already: what a call is answered by may be."""
        while True:
            assert bare.get("CurrentMode", client=client) == "host"
            with contextlib.suppress(wire.Failed):  # the bus' word: gone since that answer
                pid = bare.pid()
                if pid != last:
                    return pid

    pid = 0
    for i in range(25):
        pid = next_pid(pid)
        os.kill(pid, 15)
        time.sleep(i / 5000)
        assert bare.get("State", client=client) == "idle"
    os.kill(next_pid(pid), 15)
    until(lambda: not bare.client().bus("NameHasOwner", "s", NAME)[0], what="the end")
