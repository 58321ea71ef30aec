# SPDX-License-Identifier: Apache-2.0
"""What a script begins with that is to run as in a container that forbids system-call filters."""

FORBID_FILTERS = """
import ctypes, platform, struct, sys
from cad.media import seccomp
number = {"x86_64": 317, "aarch64": 277}[platform.machine()]
code = b"".join(struct.pack("=HBBI", *one) for one in [
    (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, seccomp.RET_EPERM), (0x06, 0, 0, seccomp.RET_ALLOW)])
libc, program = ctypes.CDLL(None), seccomp._Program(len(code) // 8, code)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.syscall(number, 1, 0, ctypes.byref(program)) == 0
"""
