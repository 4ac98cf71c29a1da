#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds up a JUnit file: prints "PASSED FAILED SKIPPED" on the first line, then a line for each test that
failed or was skipped, with the reason.

usage: count-junit.py FILE
"""

import sys
import xml.etree.ElementTree


def reason(case, element):
    """One line out of what a runner says: a message, a text, or only what the test printed."""
    text = element.get("message") or element.text or case.findtext("system-out") or ""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[0].strip()[:200] if lines else "no reason given"


def main(path):
    passed, lines = 0, {"failed": [], "skipped": []}
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        failure = case.find("failure")
        if failure is None:
            failure = case.find("error")
        skip = case.find("skipped")
        if failure is not None:
            lines["failed"].append(f"failed: {name}: {reason(case, failure)}")
        elif skip is not None:
            lines["skipped"].append(f"skipped: {name}: {reason(case, skip)}")
        else:
            passed += 1
    print(passed, len(lines["failed"]), len(lines["skipped"]))
    for line in lines["failed"] + lines["skipped"]:
        print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
