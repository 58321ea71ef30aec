# SPDX-License-Identifier: Apache-2.0
"""What the decoding process may ask of the kernel: by its filter's instructions on both machines, and tried."""

from __future__ import annotations

import errno
import json
import platform
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from requirements import landlock_version, needs

from cad.errors import MediaUnreadableError
from cad.media import process as process_module
from cad.media import seccomp
from cad.media.allowed_calls import allowed_calls
from cad.media.reader import open_media

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PID, LIFELINE = 4321, 9
HERE, EMPTY_PATH, EXECUTE, FOLDER_FLAG = -100, 0x1000, 4, 0o200000
#: Stand for an argument that is known only where the act is tried.
FILE, NEW, FOLDER, BUFFER, MEMORY = "FILE", "NEW", "FOLDER", "BUFFER", "MEMORY"
OTHER_PID, LIFELINE_FD = "OTHER_PID", "LIFELINE_FD"
THREAD = 0x3D0F00
NEW_NAMESPACE = 0x10000000


@dataclass(frozen=True)
class Act:
    """Something that decoding does not need.

    Attributes:
        name: What it is.
        x86_64: Number of the system call, None where the machine has none such.
        aarch64: Likewise.
        arguments: As the kernel takes them.
        harmless: Whether it may be tried where nothing refuses it.
    """

    name: str
    x86_64: int | None
    aarch64: int | None
    arguments: tuple[int | str, ...] = ()
    harmless: bool = True

    def number(self, machine: str) -> int | None:
        return self.x86_64 if machine == "x86_64" else self.aarch64


ACTS = [
    # Files by name.
    Act("openat to read", 257, 56, (HERE, FILE, 0)),
    Act("openat to write", 257, 56, (HERE, FILE, 1)),
    Act("openat to make", 257, 56, (HERE, NEW, 0o101, 0o600)),
    Act("openat a folder", 257, 56, (HERE, FOLDER, FOLDER_FLAG)),
    Act("open to read", 2, None, (FILE, 0)),
    Act("creat", 85, None, (NEW, 0o600)),
    Act("openat2", 437, 437, (HERE, FILE, BUFFER, 24)),
    Act("open_by_handle_at", 304, 265, (HERE, BUFFER, 0)),
    Act("getdents64", 217, 61, (0, BUFFER, 4096)),
    Act("newfstatat by name", 262, 79, (HERE, FILE, BUFFER, 0)),
    Act("statx", 332, 291, (HERE, FILE, 0, 0x7FF, BUFFER)),
    Act("stat", 4, None, (FILE, BUFFER)),
    Act("faccessat", 269, 48, (HERE, FILE, 4)),
    Act("readlinkat", 267, 78, (HERE, FILE, BUFFER, 4096)),
    Act("getcwd", 79, 17, (BUFFER, 4096)),
    Act("chdir", 80, 49, (FOLDER,)),
    Act("mkdirat", 258, 34, (HERE, NEW, 0o700)),
    Act("mkdir", 83, None, (NEW, 0o700)),
    Act("mkfifo", 259, 33, (HERE, NEW, 0o010600, 0)),
    Act("mknod", 133, None, (NEW, 0o010600, 0)),
    Act("unlinkat", 263, 35, (HERE, FILE, 0)),
    Act("unlink", 87, None, (FILE,)),
    Act("renameat2", 316, 276, (HERE, FILE, HERE, NEW, 0)),
    Act("rename", 82, None, (FILE, NEW)),
    Act("linkat", 265, 37, (HERE, FILE, HERE, NEW, 0)),
    Act("symlinkat", 266, 36, (FILE, HERE, NEW)),
    Act("fchmodat", 268, 53, (HERE, FILE, 0o777)),
    Act("fchmod", 91, 52, (0, 0o777)),
    Act("fchownat", 260, 54, (HERE, FILE, 0, 0, 0)),
    Act("fchown", 93, 55, (0, 0, 0)),
    Act("utime", 132, None, (FILE, 0)),
    Act("utimensat", 280, 88, (HERE, FILE, 0, 0)),
    Act("utimensat of a descriptor", 280, 88, (0, 0, 0, 0)),
    Act("setxattr", 188, 5, (FILE, BUFFER, BUFFER, 1, 0)),
    Act("fsetxattr", 190, 7, (0, BUFFER, BUFFER, 1, 0)),
    Act("truncate", 76, 45, (FILE, 0)),
    Act("ftruncate", 77, 46, (0, 0)),
    Act("fallocate", 285, 47, (0, 0, 0, 1)),
    Act("memfd_create", 319, 279, (BUFFER, 0)),
    Act("sendfile", 40, 71, (1, 0, 0, 1)),
    # Other processes.
    Act("fork", 57, None),
    Act("vfork", 58, None, harmless=False),
    Act("clone of a process", 56, 220, (17, 0, 0, 0, 0)),
    Act("clone into a namespace", 56, 220, (THREAD | NEW_NAMESPACE, 0, 0, 0, 0), harmless=False),
    Act("execve", 59, 221, (FILE, 0, 0)),
    Act("execveat", 322, 281, (HERE, FILE, 0, 0, 0)),
    Act("kill of another process", 62, 129, (OTHER_PID, 15)),
    Act("kill of all", 62, 129, (-1, 0)),
    Act("tgkill of another process", 234, 131, (OTHER_PID, OTHER_PID, 15)),
    Act("tkill of another process", 200, 130, (OTHER_PID, 15)),
    Act("rt_sigqueueinfo", 129, 138, (OTHER_PID, 15, BUFFER)),
    Act("pidfd_open", 434, 434, (OTHER_PID, 0)),
    Act("pidfd_getfd", 438, 438, (0, 0, 0)),
    Act("pidfd_send_signal", 424, 424, (0, 15, 0, 0)),
    Act("ptrace", 101, 117, (16, OTHER_PID, 0, 0)),
    Act("process_vm_readv", 310, 270, (OTHER_PID, BUFFER, 1, BUFFER, 1, 0)),
    Act("process_vm_writev", 311, 271, (OTHER_PID, BUFFER, 1, BUFFER, 1, 0)),
    Act("kcmp", 312, 272, (OTHER_PID, OTHER_PID, 0, 0, 0)),
    Act("setpriority", 141, 140, (0, 0, 0)),
    Act("shmget", 29, 194, (0, 4096, 0o1600)),
    # The network and other sockets.
    Act("socket", 41, 198, (2, 1, 0)),
    Act("socketpair", 53, 199, (1, 1, 0, BUFFER)),
    Act("connect", 42, 203, (0, BUFFER, 16)),
    Act("bind", 49, 200, (0, BUFFER, 16)),
    Act("listen", 50, 201, (0, 1)),
    Act("accept4", 288, 242, (0, 0, 0, 0)),
    Act("sendto", 44, 206, (0, BUFFER, 1, 0, 0, 0)),
    Act("sendmsg", 46, 211, (0, BUFFER, 0)),
    # Its own bounds.
    Act("setrlimit", 160, 164, (9, BUFFER)),
    Act("prlimit64", 302, 261, (0, 9, BUFFER, 0)),
    Act("prlimit64 of another process", 302, 261, (OTHER_PID, 9, BUFFER, 0)),
    Act("seccomp", 317, 277, (0, 0, 0)),
    Act("prctl of another kind", 157, 167, (4, 1, 0, 0, 0)),
    Act("close of the lifeline", 3, 57, (LIFELINE_FD,)),
    Act("fcntl that silences the lifeline", 72, 25, (LIFELINE_FD, 4, 0)),
    Act("fcntl that turns the lifeline elsewhere", 72, 25, (LIFELINE_FD, 8, OTHER_PID)),
    Act("dup2", 33, None, (1, LIFELINE_FD)),
    Act("dup3", 292, 24, (1, LIFELINE_FD, 0)),
    Act("close_range", 436, 436, (100, 200, 0)),
    Act("mprotect to execute", 10, 226, (MEMORY, 4096, 1 | EXECUTE)),
    Act("mmap to execute", 9, 222, (0, 4096, 1 | EXECUTE, 0x22, -1, 0)),
    Act("pkey_mprotect", 329, 288, (MEMORY, 4096, 1 | EXECUTE, 0)),
    Act("personality", 135, 92, (0,)),
    # The rest of the kernel.
    Act("ioctl", 16, 29, (0, 0x5401, BUFFER)),
    Act("userfaultfd", 323, 282, (0,)),
    Act("bpf", 321, 280, (0, BUFFER, 8)),
    Act("perf_event_open", 298, 241, (BUFFER, 0, -1, -1, 0)),
    Act("io_uring_setup", 425, 425, (1, BUFFER)),
    Act("mount", 165, 40, (FOLDER, FOLDER, 0, 0, 0)),
    Act("umount2", 166, 39, (FOLDER, 0)),
    Act("unshare", 272, 97, (0x00020000,)),
    Act("setns", 308, 268, (0, 0)),
    Act("chroot", 161, 51, (FOLDER,), harmless=False),
    Act("pivot_root", 155, 41, (FOLDER, FOLDER)),
    Act("keyctl", 250, 219, (0, -3, 0, 0, 0)),
    Act("add_key", 248, 217, (BUFFER, BUFFER, 0, 0, -3)),
    Act("inotify_init1", 294, 26, (0,)),
    Act("eventfd2", 290, 19, (0, 0)),
    Act("pipe2", 293, 59, (BUFFER, 0)),
    Act("epoll_create1", 291, 20, (0,)),
    Act("landlock_create_ruleset", 444, 444, (0, 0, 1)),
    Act("setuid", 105, 146, (0,)),
    Act("capset", 126, 91, (BUFFER, BUFFER), harmless=False),
    Act("syslog", 103, 116, (10, 0, 0)),
    Act("reboot", 169, 142, (0, 0, 0, 0), harmless=False),
    Act("init_module", 175, 105, (0, 0, 0), harmless=False),
    Act("kexec_load", 246, 104, (0, 0, 0, 0), harmless=False),
    Act("settimeofday", 164, 170, (0, 0), harmless=False),
    Act("sethostname", 170, 161, (BUFFER, 1), harmless=False),
]

BOOT = """
import sys; sys.path += sys.argv[4:]
import ctypes, json, os
import cad.media.worker as worker
import cad.media.sandbox as sandbox
sandbox.{without} = lambda *_, **__: False
acts, known = json.loads({acts!r}), json.loads({known!r})
memory = ctypes.create_string_buffer(4096)
room = ctypes.create_string_buffer(1 << 16)
libc = ctypes.CDLL(None, use_errno=True)
def value(argument):
    if argument == "BUFFER":
        return ctypes.byref(memory)
    if argument == "MEMORY":
        return ctypes.c_void_p((ctypes.addressof(room) + 8191) // 4096 * 4096)
    if argument == "LIFELINE_FD":
        return ctypes.c_long(int(sys.argv[3]))
    known_value = known.get(argument, argument)
    return known_value.encode() if isinstance(known_value, str) else ctypes.c_long(known_value)
def act(job):
    own, told = os.getpid(), {{}}
    for name, number, arguments in acts:
        memory.raw = bytes(4096)
        ctypes.set_errno(0)
        done = libc.syscall(ctypes.c_long(number), *[value(one) for one in arguments])
        if os.getpid() != own:
            os._exit(0)
        told[name] = ctypes.get_errno() if done == -1 else 0
    job._link.send({{"type": "error", "code": "undecodable", "text": json.dumps(told)}})
worker.FileJob.open = act
worker.main(sys.argv[1:4])
"""


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of the same user."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


Try = Callable[[list[Act], str], dict[str, int]]


@pytest.fixture
def tried(h264_mp4: Path, tmp_path: Path, bystander: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> Try:
    """Let a decoding process do acts, and return by name the error that each met, 0 where it went through."""
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "folder").mkdir()
    known = {FILE: str(tmp_path / "kept"), NEW: str(tmp_path / "new"), FOLDER: str(tmp_path / "folder")}
    known |= {OTHER_PID: bystander.pid}

    def try_all(acts: list[Act], without: str) -> dict[str, int]:
        rows = [(act.name, act.number(platform.machine()), act.arguments) for act in acts]
        boot = BOOT.format(acts=json.dumps(rows), known=json.dumps(known), without=without)
        monkeypatch.setattr(process_module, "_BOOT", boot)
        with pytest.raises(MediaUnreadableError) as caught:
            open_media(h264_mp4)
        told: dict[str, int] = json.loads(caught.value.text)
        return told

    return try_all


def decide(machine: str, number: int, *arguments: int, audit_number: int | None = None) -> int:
    """Return what the filter says of a call, by running its instructions."""
    words = [argument & 0xFFFFFFFFFFFFFFFF for argument in (*arguments, *[0] * 6)][:6]
    data = struct.pack("<iIQ6Q", number, audit_number or MACHINES[machine], 0, *words)
    code = list(struct.iter_unpack("<HBBI", seccomp.build_filter(machine, PID, LIFELINE)))
    at, word = 0, 0
    while True:
        kind, if_true, if_false, value = code[at]
        at += 1
        if kind == seccomp.LOAD_WORD:
            (word,) = struct.unpack_from("<I", data, value)
        elif kind == seccomp.RETURN:
            return int(value)
        else:
            holds = {
                seccomp.JUMP_EQUAL: word == value,
                seccomp.JUMP_GREATER_EQUAL: word >= value,
                seccomp.JUMP_ANY_BIT: bool(word & value),
            }[kind]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_by_its_instructions_the_filter_refuses_every_act(machine: str) -> None:
    known = {OTHER_PID: PID + 1, LIFELINE_FD: LIFELINE}
    numbered = [act for act in ACTS if act.number(machine) is not None]
    decisions = {
        act.name: decide(
            machine,
            act.number(machine) or 0,
            *(known.get(one, 0x7FFF0000) if isinstance(one, str) else one for one in act.arguments),
        )
        for act in numbered
    }
    assert len(decisions) == len(numbered) > 80
    assert {name for name, decision in decisions.items() if decision != seccomp.RET_EPERM} == set()


@pytest.mark.parametrize("machine", MACHINES)
def test_by_its_instructions_the_filter_allows_what_decoding_does(machine: str) -> None:
    of = {call.name: call.x86_64 if machine == "x86_64" else call.aarch64 for call in allowed_calls(PID, LIFELINE)}
    usual = {
        "read": (5,),
        "pread64": (5,),
        "recvmsg": (4,),
        "close": (5,),
        "mmap": (0, 4096, 3, 0x22, -1, 0),
        "mprotect": (0x7F0000000000, 4096, 3),
        "newfstatat": (5, 0x7F0000000000, 0x7F0000000000, EMPTY_PATH),
        "fcntl": (5, 1030, 0),
        "prctl": (15,),
        "tgkill": (PID, PID, 6),
        "kill": (PID, 6),
        "futex": (),
        "exit_group": (0,),
    }
    decisions = {name: decide(machine, of[name] or 0, *arguments) for name, arguments in usual.items()}
    assert {name for name, decision in decisions.items() if decision != seccomp.RET_ALLOW} == set()
    # A thread, as glibc and musl begin one; by clone3() glibc must be told that there is none such.
    assert [decide(machine, of["clone"] or 0, flags) for flags in (THREAD, 0x7D0F00)] == [seccomp.RET_ALLOW] * 2
    assert decide(machine, 435) == 0x00050000 | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_by_another_convention_are_refused(machine: str) -> None:
    assert decide(machine, 3, audit_number=0x40000003) == seccomp.RET_EPERM
    assert decide(machine, 0x40000000) == seccomp.RET_EPERM
    assert decide(machine, -1) == seccomp.RET_EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_the_kernel_takes_a_filter_of_this_length(machine: str) -> None:
    assert len(seccomp.build_filter(machine, PID, LIFELINE)) // 8 <= 4096


@needs("linux", "seccomp")
def test_every_act_is_refused_in_the_decoding_process(
    tried: Try, tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    acts = [act for act in ACTS if act.harmless and act.number(platform.machine()) is not None]
    told = tried(acts, "refuse_names")  # the filter alone
    assert len(told) == len(acts) > 60
    assert {name: errno.errorcode.get(code, "done") for name, code in told.items() if code != errno.EPERM} == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "kept"]
    assert (tmp_path / "kept").read_text() == "kept" and bystander.poll() is None


@needs("linux", "landlock")
def test_without_the_filter_landlock_refuses_files_by_name_and_signals_to_others(
    tried: Try, tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    names = ("openat to read", "openat to write", "openat to make", "openat a folder", "mkdirat", "mkfifo", "unlinkat")
    names += ("renameat2", "symlinkat")
    names += ("truncate",) if landlock_version() >= 3 else ()
    names += ("kill of another process",) if landlock_version() >= 6 else ()
    told = tried([act for act in ACTS if act.name in names], "refuse_system_calls")
    assert {name for name in names if told[name] not in (errno.EACCES, errno.EPERM)} == set()
    assert bystander.poll() is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "kept"]
    assert (tmp_path / "kept").read_text() == "kept"
