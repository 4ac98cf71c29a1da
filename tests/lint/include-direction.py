#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources include only what is below them: base <- model <- host <- boot <- { apply, guard, view },
view <- { bus, ctl }.
The programs' main files use what they like of ours.

usage: include-direction.py SOURCE-ROOT
"""

import pathlib
import re
import sys

MAY_INCLUDE = {
    "base": {"base"},
    "model": {"base", "model"},
    "host": {"base", "model", "host"},
    "boot": {"base", "model", "host", "boot"},
    "apply": {"base", "model", "host", "boot", "apply"},
    "guard": {"base", "model", "host", "boot", "guard"},
    "view": {"base", "model", "host", "boot", "view"},
    "bus": {"base", "model", "host", "boot", "view", "bus"},
    "ctl": {"base", "model", "host", "boot", "view", "ctl"},
}

# The files behind which each library is hidden, so that it can be changed or left out. What ends in
# a slash is a whole folder.
ONLY_IN = {
    "pci/": {"host/pci-names.c"},
    "libkmod.h": {"apply/module.c"},
    "systemd/": {"apply/notify.c", "bus/", "ctl/bus.c", "ctl/bus-internal.h", "ctl/bus-watch.c",
                 "guard/", "host/login.c"},
    "expat.h": {"model/libvirt-domain.c"},
    "ini.h": {"model/config-parse.c"},
}

# Headers through which a pure function could reach a file, a process or a clock.
IMPURE = re.compile(r"(dirent|fcntl|glob|ftw|poll|signal|spawn|syslog|time|unistd|dlfcn|sched|"
                    r"sys/(?!types\.h|param\.h|cdefs\.h).*|linux/.*|netinet/.*|pwd|grp)(\.h)?$")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def is_among(name, users):
    return any(name == user or user.endswith("/") and name.startswith(user) for user in users)


def check(path, name, errors):
    layer = name.split("/")[0] if "/" in name else None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        here, (quote, header) = f"daemon/{name}:{number}: ", match.groups()
        for prefix, users in ONLY_IN.items():
            if quote == "<" and header.startswith(prefix) and not is_among(name, users):
                errors.append(f"{here}<{header}> belongs to {', '.join(sorted(users))} alone")
        if layer == "model" and quote == "<" and IMPURE.match(header):
            errors.append(f"{here}<{header}> in the model, which is pure")
        if quote == '"' and layer:
            target = header.split("/")[0] if "/" in header else layer
            if header == "config.h" and not (path.parent / header).exists():
                continue  # the generated one
            if target not in MAY_INCLUDE[layer]:
                errors.append(f"{here}{layer} may not include \"{header}\"")


def main(root):
    daemon = pathlib.Path(root) / "daemon"
    files = sorted(p for p in daemon.rglob("*.[ch]"))
    errors = [] if files else ["daemon/: no source found"]
    for path in files:
        name = path.relative_to(daemon).as_posix()
        if "/" in name and name.split("/")[0] not in MAY_INCLUDE:
            errors.append(f"daemon/{name}: a folder without a place in the order")
            continue
        check(path, name, errors)
    print("\n".join(errors) or f"{len(files)} files include only what is below them")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
