# SPDX-License-Identifier: Apache-2.0
"""allowed_calls lists what the decoding process may ask of the kernel once it has started, and with what arguments.

The list was traced over the media tests; beside each call stands what other versions of the C library (glibc, musl) use
in its place. Whatever is not here is refused. Over all those files two calls are: openat(), for a table of characters
with which FFmpeg would read the service's name in a transport stream, and mbind(), by which OpenBLAS would say where
its memory should lie. Both go on without.

Source: the kernel's tables, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (ARM64).
"""

from __future__ import annotations

import fcntl
import mmap
from dataclasses import dataclass
from enum import Enum

# What libraries pass to clone() for a thread: glibc's flags, and musl's with the obsolete CLONE_DETACHED.
_THREAD_FLAGS = (0x3D0F00, 0x7D0F00)
_AT_EMPTY_PATH = 0x1000
_PR_SET_NAME, _PR_SET_VMA = 15, 0x53564D41
_F_DUPFD_CLOEXEC = 1030


class Rule(Enum):
    """When a call is allowed, by one of its arguments."""

    ANY = "whatever its arguments"
    EQUAL = "the argument is one of the values"
    WITHOUT = "the argument has no bit of the value"
    UNEQUAL = "the argument is not the value"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is allowed.

    Attributes:
        name: As the kernel has it.
        x86_64: Its number there, None where there is no such call.
        aarch64: Likewise.
        rule: When it is allowed.
        argument: Which argument is tested, from 0.
        values: What it is compared with, 32 bits each: all of these arguments are ints to the kernel, or bits below 32.
    """

    name: str
    x86_64: int | None
    aarch64: int | None
    rule: Rule = Rule.ANY
    argument: int = 0
    values: tuple[int, ...] = ()


def allowed_calls(pid: int, lifeline_fd: int) -> tuple[Call, ...]:
    """Return what the process may do, the frequent calls first.

    Args:
        pid: Of the process itself, the only one to which it may send a signal.
        lifeline_fd: The descriptor by which it ends with its reader; it must stay open.
    """
    own = (pid,)
    return (
        # Threads: waiting for each other, and beginning and ending.
        Call("futex", 202, 98),
        Call("clone", 56, 220, Rule.EQUAL, 0, _THREAD_FLAGS),
        Call("set_robust_list", 273, 99),
        Call("rseq", 334, 293),
        Call("exit", 60, 93),
        Call("sched_yield", 24, 124),
        Call("sched_getaffinity", 204, 123),
        Call("prctl", 157, 167, Rule.EQUAL, 0, (_PR_SET_NAME, _PR_SET_VMA)),
        # The file, which is open, and the channel.
        Call("pread64", 17, 67),
        Call("read", 0, 63),
        Call("write", 1, 64),
        Call("writev", 20, 66),
        Call("lseek", 8, 62),
        Call("fstat", 5, 80),
        Call("newfstatat", 262, 79, Rule.EQUAL, 3, (_AT_EMPTY_PATH,)),  # which is fstat in glibc 2.33 to 2.38
        Call("dup", 32, 23),
        Call("fcntl", 72, 25, Rule.EQUAL, 1, (fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, _F_DUPFD_CLOEXEC)),
        Call("close", 3, 57, Rule.UNEQUAL, 0, (lifeline_fd,)),
        Call("poll", 7, None),
        Call("ppoll", 271, 73),
        Call("recvmsg", 47, 212),
        # Memory, but none that can be executed.
        Call("mmap", 9, 222, Rule.WITHOUT, 2, (mmap.PROT_EXEC,)),
        Call("mprotect", 10, 226, Rule.WITHOUT, 2, (mmap.PROT_EXEC,)),
        Call("munmap", 11, 215),
        Call("mremap", 25, 216),
        Call("madvise", 28, 233),
        Call("brk", 12, 214),
        Call("sysinfo", 99, 179),  # glibc's qsort() asks how much memory there is
        # Time and chance.
        Call("clock_gettime", 228, 113),
        Call("clock_getres", 229, 114),
        Call("clock_nanosleep", 230, 115),
        Call("nanosleep", 35, 101),
        Call("gettimeofday", 96, 169),
        Call("time", 201, None),
        Call("alarm", 37, None),
        Call("setitimer", 38, 103),  # which is alarm() on ARM64
        Call("getrandom", 318, 278),
        # Signals, to itself alone: abort() is one.
        Call("rt_sigprocmask", 14, 135),
        Call("rt_sigaction", 13, 134),
        Call("rt_sigreturn", 15, 139),
        Call("sigaltstack", 131, 132),
        Call("restart_syscall", 219, 128),
        Call("getpid", 39, 172),
        Call("gettid", 186, 178),
        Call("tgkill", 234, 131, Rule.EQUAL, 0, own),
        Call("tkill", 200, 130, Rule.EQUAL, 0, own),
        Call("kill", 62, 129, Rule.EQUAL, 0, own),
        Call("exit_group", 231, 94),
    )
