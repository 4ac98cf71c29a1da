#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-modectl -H: the service of another machine by ssh. Ours says no word to a network: it runs the
command that it is given, as the other side would, on the bus of the test.
"""

import json
import os
import shutil

import pytest
from rig import Rig
from captured import run  # found by rig

SSH = """#!/bin/sh
for word; do echo "$word"; done >"$0.log"
while [ "$1" != -- ]; do shift; done
shift 2 # the host
[ "$*" = systemd-stdio-bridge ] || exit 127
exec "$@" -p "$BUS"
"""
DENIED = "#!/bin/sh\necho 'ssh: connect to host pc port 22: Connection refused' >&2\nexit 255\n"
VERBS = [["status"], ["status", "-j"], ["list-modes"], ["next", "passthrough"], ["next", "--cancel"], ["confirm"],
         ["set-default", "plain"], ["switch", "plain"], ["switch", "plain", "--dry-run"],
         ["check", "plain"], ["watch"]]


@pytest.fixture
def there(rig: Rig, tmp_path):
    """Asks that machine, by an ssh that is `text`. Here is no bus at all."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def ask(*arguments, text=SSH, host="me@pc"):
        if text:
            (folder / "ssh").write_text(text)
            (folder / "ssh").chmod(0o755)
        path = f"{folder}:{os.environ['PATH']}" if text else str(folder)
        return run("-H", host, *arguments, PATH=path, BUS=rig.bus.address,
                   DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")

    ask.log = folder / "ssh.log"
    return ask


def needs_bridge():
    if not shutil.which("systemd-stdio-bridge"):
        pytest.skip("no systemd-stdio-bridge")


def test_everything_is_asked_of_the_other_machine(rig, there):
    needs_bridge()
    answer = there("status", "-j")
    assert answer.returncode == 0, answer
    assert json.loads(answer.stdout) == json.loads(rig.call("Describe")[0])
    # Options first, and nothing that the other side's shell could read otherwise.
    words = there.log.read_text().splitlines()
    assert words[-3:] == ["--", "me@pc", "systemd-stdio-bridge"]
    assert all(word.startswith("-") for word in words[:-3]), words

    assert there("next", "passthrough").returncode == 0
    assert rig.armed()["vfio_mode"] == "passthrough"
    assert "one boot into 'passthrough' is armed" in there("status").stdout
    assert there("next", "--cancel", "--quiet").returncode == 0
    assert rig.armed()["vfio_mode"] == ""
    assert there("set-default", "passthrough").returncode == 0
    assert rig.armed()["vfio_keep"] == "1"
    assert "0000:01:00.0: unbind for plain" in there("switch", "plain", "--dry-run").stdout
    assert "passthrough" in there("list-modes").stdout
    assert there("check", "plain").returncode == 0
    answer = there("switch", "plain", "--quiet")
    assert answer.returncode == 0, answer
    assert rig.systemd.calls[-1] == ("ReloadOrRestartUnit", "vfio-mode@plain.service")
    assert there("status", "--mode", host="pc").stdout == "plain\n"


def test_a_refusal_of_the_other_machine(rig, there):
    needs_bridge()
    rig.systemd.runs["vfio-mode@"] = lambda unit: rig.switch(unit, "busy", "Xorg has it.")
    answer = there("switch", "plain")
    assert (answer.returncode, answer.stdout) == (4, "")
    assert answer.stderr.endswith("vfio-modectl: Xorg has it. (busy)\n")
    assert there("next", "no-such").returncode == 3


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("ssh", ["", DENIED], ids=["no ssh", "denied"])
def test_a_machine_that_cannot_be_reached(rig, there, verb, ssh):
    """An error, never this machine in its place."""
    before = rig.state()
    answer = there(*verb, text=ssh)
    assert (answer.returncode, answer.stdout) == (1, ""), answer
    assert "vfio-modectl: Cannot reach the service of vfio-mode on me@pc: " in answer.stderr
    if ssh:
        assert "port 22: Connection refused" in answer.stderr
    assert rig.state() == before and rig.systemd.calls == []


@pytest.mark.parametrize("verb", [["list-devices"], ["list", "--tree"], ["check", "--config=x"], ["init"]],
                         ids=" ".join)
def test_what_reads_files_is_refused(there, verb):
    answer = there(*verb)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert not there.log.exists(), "ssh was started"


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "-p22", "--", ""])
def test_a_host_that_ssh_would_take_for_an_option(there, host):
    answer = there("status", host=host)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"-H takes a host, not '{host}'" in answer.stderr
    assert not there.log.exists(), "ssh was started"
