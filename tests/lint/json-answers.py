#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios of the emulated PC take vfio-modectl's answers in JSON from tests/vm/modectl.py, which holds each against
the schema: none asks for one itself, and none reads JSON but of the others that MAY names.

usage: json-answers.py SOURCE-ROOT
"""

import ast
import pathlib
import re
import sys

ONE_PLACE = "modectl.py"
MAY = {
    "qemu.py": "QMP, and the agent in the guest",
    "test_bus.py": "busctl monitor, and its own callers.py",
    "test_guard.py": "busctl and journalctl",
}
ASKS = re.compile(r"--json\b|vfio-modectl[^;|&\n]* -j\b")
OTHERS = re.compile(r"\bbusctl\b")


def text_of(node):
    """A string, or what of it is written there; None where it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def check(path):
    tree = ast.parse(path.read_text(), path)
    documentation = {id(node.body[0].value) for node in ast.walk(tree)
                     if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body
                     and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        text = text_of(node)
        if text and id(node) not in documentation and ASKS.search(text) and not OTHERS.search(text):
            yield f"{path}:{node.lineno}: asks for JSON; {ONE_PLACE} does"
        if isinstance(node, ast.Attribute) and node.attr in ("load", "loads") and path.name not in MAY \
                and isinstance(node.value, ast.Name) and node.value.id == "json":
            yield f"{path}:{node.lineno}: reads JSON; {ONE_PLACE} does"
        if isinstance(node, ast.ImportFrom) and node.module == "json":
            yield f"{path}:{node.lineno}: is to say json.loads, which is looked for here"


def main(root):
    files = sorted(pathlib.Path(root, "tests/vm").glob("*.py"))
    errors = [] if any(path.name == ONE_PLACE for path in files) else [f"no {ONE_PLACE} found"]
    errors += [error for path in files if path.name != ONE_PLACE for error in check(path)]
    print("\n".join(dict.fromkeys(errors)) or f"{len(files)} modules as they should be")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
