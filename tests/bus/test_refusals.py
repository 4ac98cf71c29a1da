#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The published table of refusals, row by row through the real programs: its D-Bus error, and the exit
status of vfio-modectl for that. tests/docs holds it to the source.
"""

import re

import pytest
import wire
from captured import run  # found by rig
from rig import ERROR, SOURCE

TABLE = re.findall(r"^\.It Sy ([\w-]+) , Li (\w+) , (\d+) , \d+$",
                   (SOURCE / "units/vfio-mode@.service.8").read_text(), re.M)


def test_each_refusal(rig):
    assert len(TABLE) > 20
    for name, error, status in TABLE:
        rig.systemd.runs["vfio-mode-inspect@"] = lambda unit, kind=name: rig.inspect(
            unit, kind, f"It is {kind}.")
        with pytest.raises(wire.Failed) as refused:
            rig.call("PlanSwitch", "s", "plain")
        assert (refused.value.name, refused.value.text) == (ERROR + error, f"It is {name}.")
        answer = run("switch", "plain", "--dry-run", DBUS_SYSTEM_BUS_ADDRESS=rig.bus.address)
        assert (answer.returncode, answer.stdout) == (int(status), ""), answer
        assert answer.stderr.endswith(f"vfio-modectl: It is {name}. ({name})\n"), answer
