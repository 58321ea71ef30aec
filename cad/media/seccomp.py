# SPDX-License-Identifier: Apache-2.0
"""refuse_system_calls denies the decoding process network, programs and the writing of files (Linux).

FFmpeg gets one descriptor to read and nothing else; the filter holds even for a decoder that hostile bytes have taken
over. Refused calls fail with EPERM, as if the user had no right to them.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst; call numbers from the kernel's own tables.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_RET_ALLOW = 0x7FFF0000
_RET_ERRNO = 0x00050000 | errno.EPERM
_LOAD_WORD, _JUMP_EQUAL, _JUMP_ANY_BIT, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
# Offsets in struct seccomp_data: nr, arch, instruction_pointer, args[6]; low words, both machines being little-endian.
_NUMBER, _MACHINE, _SECOND_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 24, 32
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

#: Audit number of the machine, then the numbers of what is refused, then those of open and openat.
_REFUSED_X86_64 = {
    "socket": 41, "connect": 42, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50, "fork": 57, "vfork": 58,
    "execve": 59, "truncate": 76, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87,
    "symlink": 88, "chmod": 90, "chown": 92, "ptrace": 101, "mknod": 133, "mount": 165, "unlinkat": 263,
    "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268, "process_vm_writev": 311, "renameat2": 316,
    "bpf": 321, "execveat": 322, "io_uring_setup": 425, "openat2": 437,
}  # fmt: skip
_REFUSED_AARCH64 = {
    "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "mount": 40, "truncate": 45, "fchmodat": 53,
    "ptrace": 117, "socket": 198, "bind": 200, "listen": 201, "connect": 203, "sendto": 206, "sendmsg": 211,
    "execve": 221, "process_vm_writev": 271, "renameat2": 276, "bpf": 280, "execveat": 281, "io_uring_setup": 425,
    "openat2": 437,
}  # fmt: skip
_MACHINES = {
    "x86_64": (0xC000003E, _REFUSED_X86_64, {"open": 2, "openat": 257}),
    "aarch64": (0xC00000B7, _REFUSED_AARCH64, {"openat": 56}),
}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def refuse_system_calls() -> bool:
    """Install the filter for this process and all its threads to come; return whether it is in force.

    Where the machine or the system knows no such filter, only the other limits hold.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    instructions = build_filter(platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(instructions) // 8, instructions)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def build_filter(machine: str) -> bytes:
    """Return the filter as classic BPF instructions of 8 bytes.

    Args:
        machine: ``x86_64`` or ``aarch64``.
    """
    audit_number, refused, opening = _MACHINES[machine]
    code = [
        _instruction(_LOAD_WORD, _MACHINE),
        _instruction(_JUMP_EQUAL, audit_number, 1, 0),
        _instruction(_RETURN, _RET_ERRNO),  # another calling convention, whose numbers mean other calls
        _instruction(_LOAD_WORD, _NUMBER),
        _instruction(_JUMP_GREATER_EQUAL, 0x40000000, 0, 1),  # the x32 convention
        _instruction(_RETURN, _RET_ERRNO),
    ]
    for number in refused.values():
        code += [_instruction(_JUMP_EQUAL, number, 0, 1), _instruction(_RETURN, _RET_ERRNO)]
    for name, number in opening.items():
        flags = _SECOND_ARGUMENT if name == "open" else _THIRD_ARGUMENT
        code += [
            _instruction(_JUMP_EQUAL, number, 0, 4),
            _instruction(_LOAD_WORD, flags),
            _instruction(_JUMP_ANY_BIT, _WRITE_FLAGS, 0, 1),
            _instruction(_RETURN, _RET_ERRNO),
            _instruction(_RETURN, _RET_ALLOW),
        ]
    return b"".join([*code, _instruction(_RETURN, _RET_ALLOW)])


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
