#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every function that a library hands out is declared in a header of daemon/ with a /** comment: right
above it, or above the block of declarations (no blank line between) that it stands in.

usage: header-docs.py NM SOURCE-ROOT LIBRARY...
"""

import pathlib
import re
import subprocess
import sys

DECLARATION = re.compile(r"\b([a-z_][a-z0-9_]*)\s*\((?!\()", re.IGNORECASE)


def documented(header):
    """Names declared in a header, each with whether a /** comment belongs to it."""
    names, doc, statement = {}, False, ""
    text = re.sub(r"/\*.*?\*/", lambda m: "/**/" if m[0].startswith("/**") else " ",
                  header.read_text(), flags=re.DOTALL)
    text = re.sub(r"^[ \t]*#(.*\\\n)*.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\b__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)", "", text)
    text = re.sub(r"^ +$", "", text, flags=re.MULTILINE)
    for line in text.splitlines():
        if "/**/" in line and not statement:
            doc = True
        elif not line.strip():
            doc = False if not statement else doc
            continue
        statement += " " + line.replace("/**/", "")
        if statement.count("{") > statement.count("}"):
            continue
        if statement.rstrip().endswith((";", "}")):
            match = DECLARATION.search(statement)
            if match and "{" not in statement and not statement.lstrip().startswith("typedef"):
                names[match[1]] = doc
            statement = ""
    return names


def exported(nm, library):
    output = subprocess.run([nm, "-P", "--extern-only", "--defined-only", library],
                            check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in output.splitlines() if line.split()[1:2] == ["T"]}


def main(nm, root, *libraries):
    names = {}
    for header in sorted((pathlib.Path(root) / "daemon").rglob("*.h")):
        names.update(documented(header))
    functions = set().union(*(exported(nm, library) for library in libraries))
    errors = [f"{name}: exported, but declared in no header" for name in functions - names.keys()]
    errors += [f"{name}: no /** comment above its declaration"
               for name, doc in names.items() if not doc]
    if not functions:
        errors.append("no exported function found")
    print("\n".join(sorted(errors)) or f"{len(functions)} exported functions, all documented")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
