# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian tree of a suite, and running commands inside it.

The tree itself is never written after mmdebstrap made it: each use puts an overlay on top, in a mount
namespace of its own. A command that is killed leaves no mount behind, and the host never sees one.
"""

import os
import shlex
import subprocess
from pathlib import Path

import cache
from suites import EXCLUDED_PATHS, Suite


# A command's mounts are its own, and whatever it started dies with it, and it with us.
_CONTAINED = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--fork",
              "--kill-child", "--mount-proc"]


def _mirror() -> list[str]:
    """The Debian mirror this host's apt is set up with; nothing, for mmdebstrap's default."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)",
               "Created-By: Packages", "Origin: Debian", "Label: Debian"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return []
    return output.split()[:1]


def tree(suite: Suite) -> Path:
    """The unpacked packages of `suite`, to be used read-only."""
    name = f"tree-{cache.key(suite.packages, EXCLUDED_PATHS)}"
    directory = cache.root() / suite.name / name

    def build(partial: Path) -> None:
        options = [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED_PATHS]
        # The caller's environment reaches maintainer scripts: with INITRD=No the kernel's do not
        # make the big default initrd, which image.py would only throw away.
        subprocess.run(
            [*_CONTAINED, "mmdebstrap", "--variant=minbase", "--mode=root",
             "--format=directory", "--include=" + ",".join(suite.packages),
             "--dpkgopt=force-unsafe-io", *options,
             '--aptopt=APT::Install-Recommends "false"',
             suite.name, str(partial / "root"), *_mirror()],
            check=True,
            stdout=2,
            env=os.environ | {"INITRD": "No", "DEBIAN_FRONTEND": "noninteractive"},
        )

    cache.once(directory, build)
    cache.prune(directory.parent, "tree-*", keep=2)
    return directory / "root"


def run_in(lowers: list[Path], upper: Path, script: str, *, outside: str = "",
           binds: dict[Path, str] | None = None) -> None:
    """Run a shell script in a chroot of `lowers` (topmost first); what it writes is kept in `upper`.

    `outside` runs first, outside the chroot, with the merged tree's directory in $TREE. `binds` are
    directories of the host to be seen below a path of the tree.
    """
    work = upper.with_name(upper.name + ".work")
    merged = upper.with_name(upper.name + ".merged")
    for directory in (upper, work, merged):
        directory.mkdir(parents=True, exist_ok=True)
    layers = ":".join(str(layer) for layer in lowers)
    lines = [
        "mount -t overlay overlay "
        f"-o lowerdir={shlex.quote(layers)},upperdir={shlex.quote(str(upper))}"
        f",workdir={shlex.quote(str(work))} \"$TREE\"",
        outside,
    ]
    if script:
        for source, target in (binds or {}).items():
            lines.append(f"mkdir -p \"$TREE\"{shlex.quote(target)}")
            lines.append(f"mount --bind {shlex.quote(str(source))} \"$TREE\"{shlex.quote(target)}")
        lines += [
            "mount -t proc proc \"$TREE/proc\"",
            f"exec chroot \"$TREE\" /bin/sh -euc {shlex.quote(script)}",
        ]
    try:
        subprocess.run(
            [*_CONTAINED, "sh", "-euc", "\n".join(lines)],
            check=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
                 "TREE": str(merged)},
            stdin=subprocess.DEVNULL,
            stdout=2,  # our standard output is for results
        )
    finally:
        cache.remove(work)
        merged.rmdir()
