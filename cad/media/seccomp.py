# SPDX-License-Identifier: Apache-2.0
"""refuse_system_calls leaves the decoding process those system calls that decoding needs (Linux).

FFmpeg gets one descriptor to read and nothing else; the filter holds even for a decoder that hostile bytes have taken
over. Refused calls fail with EPERM, as if the user had no right to them. ``cad.media.allowed_calls`` has the list.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

from cad.media.allowed_calls import Call, Rule, allowed_calls

_SET_MODE_FILTER, _ALL_THREADS = 1, 1
RET_ALLOW, RET_TRAP = 0x7FFF0000, 0x00030000
RET_EPERM, RET_ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
LOAD_WORD, JUMP_EQUAL, JUMP_ANY_BIT, JUMP_GREATER_EQUAL, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
# Offsets in struct seccomp_data: nr, arch, instruction_pointer, args[6]; low words, both machines being little-endian.
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_X32_BIT = 0x40000000
#: Its flags are in memory, which a filter cannot read; without it the C library falls back on clone().
_CLONE3 = 435
#: By machine its audit number, and the number of the call seccomp().
_MACHINES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def refuse_system_calls(lifeline_fd: int, trapped: bool = False) -> bool:
    """Install the filter for this process and all its threads; return whether it is in force.

    The caller must have given up gaining rights (PR_SET_NO_NEW_PRIVS). Where the machine or the system knows no such
    filter, or does not permit one, nothing is changed.

    Args:
        lifeline_fd: A descriptor that can no longer be closed.
        trapped: Refuse by SIGSYS instead of EPERM, for a handler that tells of it.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    instructions = build_filter(platform.machine(), os.getpid(), lifeline_fd, RET_TRAP if trapped else RET_EPERM)
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(instructions) // 8, instructions)
    _, seccomp = _MACHINES[platform.machine()]
    return bool(libc.syscall(seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)) == 0)


def build_filter(machine: str, pid: int, lifeline_fd: int, refusal: int = RET_EPERM) -> bytes:
    """Return the filter as classic BPF instructions of 8 bytes.

    Args:
        machine: ``x86_64`` or ``aarch64``.
        pid: Of the process that it is for.
        lifeline_fd: The descriptor that it may not close.
        refusal: What becomes of calls that are not allowed.
    """
    audit_number, _ = _MACHINES[machine]
    code = [
        _instruction(LOAD_WORD, _MACHINE),
        _instruction(JUMP_EQUAL, audit_number, 1, 0),
        _instruction(RETURN, RET_EPERM),  # another calling convention, whose numbers mean other calls
        _instruction(LOAD_WORD, _NUMBER),
        _instruction(JUMP_GREATER_EQUAL, _X32_BIT, 0, 1),
        _instruction(RETURN, RET_EPERM),  # likewise
    ]
    for call in allowed_calls(pid, lifeline_fd):
        number = call.x86_64 if machine == "x86_64" else call.aarch64
        if number is not None:
            block = _rule(call, refusal)
            code += [_instruction(JUMP_EQUAL, number, 0, len(block)), *block]
    code += [_instruction(JUMP_EQUAL, _CLONE3, 0, 1), _instruction(RETURN, RET_ENOSYS)]
    return b"".join([*code, _instruction(RETURN, refusal)])


def _rule(call: Call, refusal: int) -> list[bytes]:
    """Return instructions that allow or refuse a call by its argument."""
    allow, refuse = _instruction(RETURN, RET_ALLOW), _instruction(RETURN, refusal)
    if call.rule is Rule.ANY:
        return [allow]
    code = [_instruction(LOAD_WORD, _ARGUMENTS + 8 * call.argument)]
    if call.rule is Rule.EQUAL:
        for value in call.values:
            code += [_instruction(JUMP_EQUAL, value, 0, 1), allow]
        return [*code, refuse]
    jump = JUMP_ANY_BIT if call.rule is Rule.WITHOUT else JUMP_EQUAL
    return [*code, _instruction(jump, call.values[0], 0, 1), refuse, allow]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
