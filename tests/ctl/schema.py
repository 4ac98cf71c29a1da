# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers of vfio-modectl in JSON, held against the schema that is installed with it. Whoever runs vfio-modectl in a test
gives what it said to check(): so that no answer is forgotten, and no key is new without being in the schema.
"""

import functools
import json
from pathlib import Path

import jsonschema

PATH = Path(__file__).resolve().parents[2] / "daemon/ctl/vfio-modectl.schema.json"
SCHEMA = json.loads(PATH.read_text(encoding="utf-8"))
ALIASES = {"list": "list-devices"}

seen: set[str] = set()  # verbs whose answers this process has checked


def verbs() -> set[str]:
    """Those that are defined: an answer has `schema`."""
    def is_answer(definition: dict) -> bool:
        if "$ref" in definition:
            return is_answer(SCHEMA["$defs"][definition["$ref"].rpartition("/")[2]])
        return all(map(is_answer, definition["anyOf"])) if "anyOf" in definition \
            else "schema" in definition.get("properties", {})
    return {name for name, definition in SCHEMA["$defs"].items() if is_answer(definition)}


def strict(schema: object) -> object:
    """Readers have to bear new keys; tests are to see them."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: strict(part) for key, part in schema.items()}
    if "properties" in schema and "required" in schema:
        parts.setdefault("additionalProperties", False)
    return parts


@functools.cache
def validator(verb: str) -> jsonschema.Draft202012Validator:
    definitions = {name: strict(definition) for name, definition in SCHEMA["$defs"].items()}
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{verb}", "$defs": definitions})


def verb_of(arguments: tuple[str, ...]) -> str | None:
    """The verb of a command line that asks for JSON; None where it does not."""
    if not any(word in ("-j", "--json=short", "--json=pretty") for word in arguments):
        return None
    known = verbs()
    return next((name for word in arguments if (name := ALIASES.get(word, word)) in known), None)


def check_answer(verb: str, answer: object) -> None:
    problems = sorted(validator(verb).iter_errors(answer), key=lambda problem: len(problem.absolute_path))
    found = jsonschema.exceptions.best_match(problems)
    assert not problems, f"{verb} --json: {found.message[:2000]}\nat {list(found.absolute_path)}; see {PATH}"
    seen.add(verb)


def check(arguments: tuple[str, ...], stdout: str) -> None:
    """Checks what a run has said, if it was asked for JSON and has answered: one value, or one for each line."""
    verb = verb_of(arguments)
    if not verb or not stdout.strip():
        return
    for text in stdout.splitlines() if "--json=short" in arguments else [stdout]:
        check_answer(verb, json.loads(text))
