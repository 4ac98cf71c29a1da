# SPDX-License-Identifier: GPL-2.0-or-later
"""What a system call can plausibly fail with, for the sweeps on the fake machine and in the emulated PC.

One of the two is drawn, --long takes both. A write to sysfs fails with what a driver says, and one to /run
is short of memory, which is what a tmpfs lives in.
"""

import errno

_ERRNOS = {
    "access": ("EACCES", "ENOMEM"),
    "execve": ("ENOENT", "ENOMEM"),
    "dup2": ("EMFILE", "EINTR"),
    "pipe2": ("EMFILE", "ENFILE"),
    "socket": ("EMFILE", "ENOBUFS"),
    "getsockopt": ("ENOBUFS", "ENOMEM"),
    "setsockopt": ("ENOBUFS", "ENOMEM"),
    "sendmsg": ("ENOBUFS", "ECONNREFUSED"),
    "connect": ("EACCES", "ECONNREFUSED"),
    "lseek": ("EIO", "EINVAL"),
    "readlink": ("EACCES", "ENOMEM"),
    "openat": ("EMFILE", "EACCES"),
    "openat-w": ("ENOSPC", "EACCES"),
    "read": ("EIO", "EINTR"),
    "write": ("EIO", "ENOSPC"),
    "write sys": ("EIO", "EBUSY"),
    "close": ("EIO", "EINTR"),  # which closes all the same
    "getdents64": ("EIO", "ENOMEM"),
    "newfstatat": ("ENOMEM", "EIO"),
    "fcntl": ("EACCES", "EINTR"),
    "fcntl lock": ("ENOLCK", "EINTR"),
    "faccessat2": ("EACCES", "ENOMEM"),
    "readlinkat": ("EACCES", "ENOMEM"),
    "mkdirat": ("ENOSPC", "EACCES"),
    "unlinkat": ("EACCES", "EIO"),
    "renameat": ("ENOSPC", "EIO"),
    "finit_module": ("ENOMEM", "EINVAL"),
    "socketpair": ("EMFILE", "ENOMEM"),
    "clone": ("EAGAIN", "ENOMEM"),
    "clone3": ("EAGAIN", "ENOMEM"),
    "sendto": ("ENOBUFS", "ECONNRESET"),
    "recvfrom": ("ECONNRESET", "EINTR"),
    "poll": ("ENOMEM", "EINTR"),
    "ppoll": ("ENOMEM", "EINTR"),
    "inotify_init1": ("EMFILE", "ENOMEM"),
    "inotify_add_watch": ("ENOSPC", "ENOMEM"),
    "wait4": ("EINTR", "ECHILD"),
    "faccessat": ("EACCES", "ENOMEM"),
    "fchmod": ("EPERM", "EIO"),
    "fdatasync": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC"),
    "fork": ("EAGAIN", "ENOMEM"),
    "vfork": ("EAGAIN", "ENOMEM"),
    "fstat": ("ENOMEM", "EIO"),
    "statx": ("ENOMEM", "EIO"),
    "ftruncate": ("EIO", "EPERM"),
    "pread64": ("EIO", "EINTR"),
    "pwrite64": ("EIO", "ENOSPC"),
    "renameat2": ("ENOSPC", "EIO"),
    "rename": ("ENOSPC", "EIO"),
    "writev": ("EIO", "ENOSPC"),
    "open": ("EMFILE", "EACCES"),
    "unlink": ("EACCES", "EIO"),
    "rmdir": ("EACCES", "EIO"),
    "mkdir": ("ENOSPC", "EACCES"),
    "symlink": ("ENOSPC", "EACCES"),
    "symlinkat": ("ENOSPC", "EACCES"),
    "link": ("ENOSPC", "EACCES"),
    "linkat": ("ENOSPC", "EACCES"),
    "truncate": ("EIO", "EPERM"),
    "chmod": ("EPERM", "EIO"),
    "fchmodat": ("EPERM", "EIO"),
    "init_module": ("ENOMEM", "EINVAL"),
    "delete_module": ("EWOULDBLOCK", "EBUSY"),
}


def errnos(call: str, path: str) -> tuple[str, str]:
    """Names of errors, for a call (an open to write is "openat-w") and a path without its first slash."""
    if call == "fcntl" and path.endswith("/lock"):
        call = "fcntl lock"
    elif call == "write" and path.startswith("sys/"):
        call = "write sys"
    return _ERRNOS[call]


def number(name: str) -> int:
    return getattr(errno, name)
