# SPDX-License-Identifier: Apache-2.0
"""tell_refused_calls writes what the system-call filter refuses to standard error, for developers.

Where ``CAD_TELL_REFUSED_CALLS`` is set, the filter refuses by a signal; its handler writes the number of the call and
lets it fail with EPERM, as it would otherwise.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal

VARIABLE = "CAD_TELL_REFUSED_CALLS"
_SIGINFO_FLAG = 4
#: Offsets of si_syscall in siginfo_t, and by machine of the register with a call's result in ucontext_t.
_CALL_NUMBER, _RESULT = 24, {"x86_64": 144, "aarch64": 184}
#: What the kernel may call must not be collected.
_in_use: list[ctypes.Structure] = []
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Action(ctypes.Structure):
    """struct sigaction of the C library (glibc and musl) on 64-bit machines."""

    _fields_ = [
        ("handler", _Handler),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    ]


def _tell(_: int, info: int, context: int) -> None:
    number = ctypes.c_int.from_address(info + _CALL_NUMBER).value
    ctypes.c_longlong.from_address(context + _RESULT[platform.machine()]).value = -errno.EPERM
    os.write(2, f"cad: refused system call {number} ({platform.machine()})\n".encode())


def tell_refused_calls() -> bool:
    """Prepare for a filter that traps, if that is wanted; return whether it is."""
    if VARIABLE not in os.environ or platform.machine() not in _RESULT:
        return False
    action = _Action(handler=_Handler(_tell), flags=_SIGINFO_FLAG)
    _in_use.append(action)
    return bool(ctypes.CDLL(None).sigaction(int(signal.SIGSYS), ctypes.byref(action), None) == 0)
