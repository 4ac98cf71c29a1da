# SPDX-License-Identifier: GPL-2.0-or-later
"""BeginVM and EndVM: what hooks of hypervisors are told, and what is kept of what they tell."""

import re

import pytest
import wire
from captured import AUDIO, GPU, NIC  # found by rig
from rig import CONFIG, ERROR, send, until
from test_jobs import refused

FOR_VM = CONFIG.replace("[mode plain]\n", "[mode plain]\nswitch-for-vm = yes\n")
PLAIN = "vfio-mode@plain.service"


def put(rig, driver, *addresses):
    """Where the functions are."""
    for address in addresses:
        link = rig.root / "sys/bus/pci/devices" / address / "driver"
        link.unlink()
        link.symlink_to(f"../../../../bus/pci/drivers/{driver}")


def switch(rig, kind="none", text=""):
    """From now on a switch moves the functions, too."""
    def run(unit):
        if kind == "none":
            put(rig, "vfio-pci", GPU, AUDIO)
        return rig.switch(unit, kind, text)
    rig.systemd.runs["vfio-mode@"] = run


def begin(rig, *addresses, vm="win 11", **more):
    return rig.call("BeginVM", "sas", vm, list(addresses), **more)[0]


def told(rig):
    """What is kept of it: words by names."""
    text = (rig.root / "run/vfio-moded/vm/list").read_text()
    return {name: (word, addresses) for word, addresses, name in
            re.findall(r"^vm=(\w+) \d+ (\S+) (.+)$", text, re.M)}


def vms(rig):
    return rig.get("VMs")


def wanted(rig):
    return [unit for verb, unit in rig.systemd.calls if verb == "ReloadOrRestartUnit"]


@pytest.fixture(name="rig")
def rig_for_vms(rig):
    rig.machine.config(FOR_VM)
    rig.machine.accepted(FOR_VM)
    switch(rig)
    return rig


@pytest.mark.parametrize("addresses", [(), (NIC,), ("0000:7f:00.0",), ("10000:e0:00.0",)])
def test_who_names_nothing_of_ours_is_left_alone(rig, addresses):
    assert begin(rig, *addresses) == "none"
    assert vms(rig) == [] and not wanted(rig)
    assert not (rig.root / "run/vfio-moded/vm/list").exists()


def test_a_switch_for_a_vm(rig):
    assert begin(rig, GPU, AUDIO) == "switched"
    assert wanted(rig) == [PLAIN]
    assert told(rig) == {"win 11": ("begun", f"{GPU},{AUDIO}")}
    assert vms(rig) == [{"vm": "win 11", "state": "begun", "addresses": [GPU, AUDIO]}]
    # As it is on vfio-pci now, there is nothing to do for the next one.
    assert begin(rig, GPU, vm="other") == "ready"
    assert wanted(rig) == [PLAIN]
    rig.call("EndVM", "ss", "win 11", "restarting")
    assert [vm["state"] for vm in vms(rig)] == ["restarting", "begun"]
    rig.call("EndVM", "ss", "win 11", "stopped")
    rig.call("EndVM", "ss", "other", "failed")
    assert vms(rig) == []
    assert {word for word, _ in told(rig).values()} == {"stopped", "failed"}


def test_the_unit_is_told_for_whom(rig):
    def run(unit):
        origin.append((rig.root / "run/vfio-moded/request").read_text())
        return rig.switch(unit)

    origin = []
    rig.systemd.runs["vfio-mode@"] = run
    begin(rig, GPU)
    assert "source=vm\n" in origin[0]
    assert "reason=for the start of virtual machine 'win 11'\n" in origin[0]


def test_a_mode_that_may_not_be_switched_to(rig):
    rig.machine.config(CONFIG)
    error = refused(lambda: begin(rig, GPU))
    assert error.name == ERROR + "NotForVm"
    assert error.text == ("'win 11' wants gpu, which mode 'passthrough' has, and not 'host': switch by "
                          "`vfio-modectl switch passthrough`, or set switch-for-vm = yes in [mode passthrough].")
    assert not wanted(rig) and vms(rig) == []


def test_a_mode_that_is_held(rig):
    rig.machine.state("host", "plain", "fallback", "the VM has failed", held="the VM has failed")
    error = refused(lambda: begin(rig, GPU))
    assert error.name == ERROR + "Held"
    assert "vfio-modectl release" in error.text and "(the VM has failed)" in error.text
    assert not wanted(rig)
    # It stands against nobody who wants nothing else.
    assert begin(rig, NIC) == "none"
    rig.call("Release")
    assert begin(rig, GPU) == "switched"


def test_a_switch_that_is_refused(rig):
    switch(rig, "busy", "A process is using 0000:01:00.0.")
    error = refused(lambda: begin(rig, GPU))
    assert (error.name, error.text) == (ERROR + "Busy", "A process is using 0000:01:00.0.")
    assert vms(rig) == []


def test_it_waits_for_another_switch(rig):
    rig.systemd.held.add(PLAIN)
    rig.switch_mode("plain")
    client = rig.connect()
    serial = client.send(wire.Message(wire.CALL, 0, "sas", ("win 11", [GPU]), destination="org.vfiomode1",
                                      path="/org/vfiomode1", interface="org.vfiomode1.Manager",
                                      member="BeginVM"))
    assert rig.get("State") == "switching"
    rig.systemd.finish(PLAIN)
    assert client.wait(serial) == ("ready",)
    assert wanted(rig) == [PLAIN]


def test_who_does_not_wait_any_more_gets_no_switch(rig):
    rig.systemd.held.add("vfio-mode@passthrough.service")
    rig.switch_mode("passthrough")
    client = rig.connect()
    send(client, "BeginVM", "sas", "win 11", [GPU])
    assert rig.get("State", client=client) == "switching"  # it has been heard before that
    rig.leave(client)
    rig.systemd.finish("vfio-mode@passthrough.service", "failed")
    until(lambda: rig.get("State") == "idle")
    assert wanted(rig) == ["vfio-mode@passthrough.service"]
    assert vms(rig) == []
    assert begin(rig, GPU) == "switched"


def drifts_on_trial(rig):
    """A mode on trial, of which a function has drifted; what is kept of the trial."""
    trial = rig.root / "run/vfio-moded/trial"
    rig.systemd.runs["vfio-mode@"] = rig.switch
    rig.switch_mode("plain", confirm_within=60_000_000)
    until(trial.exists)
    until(lambda: rig.get("State") == "idle")
    switch(rig)
    return trial


def test_a_way_back_outlives_what_is_mended_for_a_vm(rig):
    trial = drifts_on_trial(rig)
    assert begin(rig, GPU) == "switched"
    assert wanted(rig) == [PLAIN, PLAIN]
    assert trial.exists() and "vfio-mode-revert.timer" in rig.systemd.timers
    rig.switch_mode("plain")
    until(lambda: not trial.exists())


def test_a_way_back_outlives_that_and_the_service(rig):
    trial = drifts_on_trial(rig)
    rig.systemd.held.add(PLAIN)
    send(rig.client(), "BeginVM", "sas", "win 11", [GPU])
    until(lambda: wanted(rig) == [PLAIN, PLAIN])
    listener = rig.listen()
    rig.kill()
    rig.start()
    until(lambda: (PLAIN, "Job") in rig.systemd.asked)
    rig.systemd.finish(PLAIN)
    assert listener.next_signal("JobFinished").body[1] == "done"
    assert trial.exists() and "vfio-mode-revert.timer" in rig.systemd.timers


def test_two_at_once_switch_once(rig):
    rig.systemd.held.add(PLAIN)
    clients = [rig.connect() for _ in range(2)]
    serials = [client.send(wire.Message(wire.CALL, 0, "sas", (f"vm{i}", [GPU]), destination="org.vfiomode1",
                                        path="/org/vfiomode1", interface="org.vfiomode1.Manager",
                                        member="BeginVM")) for i, client in enumerate(clients)]
    until(lambda: PLAIN in rig.systemd.jobs)
    assert rig.get("State") == "switching"
    rig.systemd.finish(PLAIN)
    answers = [client.wait(serial)[0] for client, serial in zip(clients, serials)]
    assert sorted(answers) == ["ready", "switched"]
    assert wanted(rig) == [PLAIN]


def test_without_a_configuration_nobody_is_kept(rig):
    rig.machine.config("[mode\n").accepted("[mode\n")
    assert begin(rig, GPU) == "none"


def test_what_was_told_outlives_the_service(rig):
    begin(rig, GPU)
    rig.kill()
    rig.start()
    assert [vm["vm"] for vm in vms(rig)] == ["win 11"]
    rig.call("EndVM", "ss", "nobody knows it", "failed")
    assert told(rig).keys() == {"win 11"}


@pytest.mark.parametrize(("member", "signature", "body"), [
    ("BeginVM", "sas", ("", [])), ("BeginVM", "sas", ("a\nb", [])), ("BeginVM", "sas", ("x" * 128, [])),
    ("BeginVM", "sas", ("a", ["01:00.0"])), ("BeginVM", "sas", ("a", [GPU + " "])),
    ("BeginVM", "sas", ("a", [GPU] * 65)),
    ("EndVM", "ss", ("a", "begun")), ("EndVM", "ss", ("a", "")), ("EndVM", "ss", ("", "stopped"))])
def test_bad_arguments(rig, member, signature, body):
    before = rig.state()
    assert refused(lambda: rig.call(member, signature, *body)).name.endswith(".InvalidArgs")
    assert rig.state() == before


def test_many_are_kept_and_no_more(rig):
    for i in range(32):
        assert begin(rig, GPU, vm=f"vm{i}") == ("switched" if i == 0 else "ready")
    rig.call("EndVM", "ss", "vm5", "stopped")
    begin(rig, GPU, vm="another")
    assert len(vms(rig)) == 32
    assert "vm5" not in told(rig) and "another" in told(rig)
