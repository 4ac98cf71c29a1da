# SPDX-License-Identifier: GPL-2.0-or-later
"""What vfio-modectl answers in JSON. It is held against the schema that is installed with it, as in tests/ctl: so
scenarios ask here, and nowhere else (tests/lint/json-answers.py).

    assert status(pc)["mode"] == "host"
    steps = ask(pc, "switch passthrough --dry-run")["steps"]
    code, answer = run(pc, "check passthrough")
"""

import json
import shlex

import schema
from pc import PC

COMMAND = "vfio-modectl --json=short"
PRETTY = "--json=pretty"


def check(arguments: str, stdout: str) -> None:
    """Of a command that said this, with whatever --json= it has."""
    schema.check(tuple(shlex.split(arguments)), stdout)


def parse(verb: str, text: str) -> dict:
    """An answer, or an event of `watch`, that a script has kept."""
    answer = json.loads(text)
    schema.check_answer(verb, answer)
    return answer


def run(pc: PC, arguments: str, *, before: str = "") -> tuple[int, dict]:
    """Exit status and answer, which is there where a mode is refused or a check fails, too; with something `before` the
    command in its line."""
    result = pc.run(f"{before}{COMMAND} {arguments}")
    assert result.stdout, f"exit status {result.rc} and no answer of: {arguments}\n{result.out}"
    check(f"{COMMAND} {arguments}", result.stdout)
    return result.rc, json.loads(result.stdout)


def ask(pc: PC, arguments: str, *, before: str = "") -> dict:
    """The answer of a command that has to succeed."""
    code, answer = run(pc, arguments, before=before)
    assert code == 0, f"exit status {code} of: {arguments}\n{answer}"
    return answer


def status(pc: PC) -> dict:
    return ask(pc, "status")


def checks(pc: PC, mode: str = "passthrough") -> list[dict]:
    """The rows of `check`, whatever they come to."""
    return run(pc, f"check {mode}")[1]["checks"]
