# SPDX-License-Identifier: Apache-2.0
"""refuse_names keeps the decoding process from opening anything by name (Linux, where the kernel has Landlock).

It is a second wall behind ``cad.media.seccomp``, of other kernel code. What is open stays open: the file, the channel
and the shared memory; the interpreter and its libraries are loaded by then.

Source: Linux, Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

# The same on every machine.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION_FLAG = 1
#: From which version on the kernel knows how many kinds of access to files, of network and of scope.
_FILE_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))
_NETWORK_VERSION, _NETWORK_RIGHTS = 4, 0b11  # binding and connecting TCP
_SCOPE_VERSION, _SCOPES = 6, 0b11  # abstract sockets of others, and signals to them


def refuse_names() -> bool:
    """Refuse this thread, and those that it starts, every access by name; return whether that is in force.

    The caller must have given up gaining rights (PR_SET_NO_NEW_PRIVS). Older kernels refuse what they know of.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    if version < 1:
        return False
    attributes = ruleset(version)
    ruleset_fd = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset_fd < 0:
        return False
    try:
        return bool(libc.syscall(_RESTRICT_SELF, ruleset_fd, 0) == 0)
    finally:
        os.close(ruleset_fd)


def ruleset(version: int) -> bytes:
    """Return struct landlock_ruleset_attr for a version of Landlock: everything it knows is refused."""
    rights = max(count for since, count in _FILE_RIGHTS if since <= version)
    words = [(1 << rights) - 1]
    if version >= _NETWORK_VERSION:
        words.append(_NETWORK_RIGHTS)
    if version >= _SCOPE_VERSION:
        words.append(_SCOPES)
    return struct.pack(f"={len(words)}Q", *words)
