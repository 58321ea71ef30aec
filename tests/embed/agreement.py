# SPDX-License-Identifier: Apache-2.0
"""The programs of the embedding kit, and how far what they say may be from what cad-detect says.

A program is one entry of PROGRAMS: how it is made ready on this machine, and what stands before ``KIT FILE``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EMBED = ROOT / "export" / "embed"
CLIPS = tuple(sorted((ROOT / "tests" / "golden" / "clips").glob("*.*[!d]")))
FILES = (*CLIPS, ROOT / "tests" / "data" / "astronaut.jpg", ROOT / "tests" / "data" / "astronaut_fake.mp4")
#: A file of which a program says something within seconds.
SHORT = ROOT / "tests" / "golden" / "clips" / "still.jpg"
PROBABILITY_TOLERANCE = 0.02
#: Reasons that programs may leave out; they do nothing to a label (docs/embedding.md).
LEFT_OUT = frozenset({"short_stretches", "constant_offset", "faces_left_out"})

Document = dict[str, Any]
#: Words of a command, to which the kit and the file are added.
Command = list[str]


@dataclass(frozen=True, slots=True)
class Program:
    """One program.

    Attributes:
        name: Of its folder in export/embed.
        needs: Requirements of tests/requirements.py without which it is skipped.
        build: Takes an empty folder, makes the program ready there and returns its command.
        self_tests: Whether it has ``--self-test KIT``.
    """

    name: str
    needs: tuple[str, ...]
    build: Callable[[Path], Command]
    self_tests: bool = True


def python_program(folder: Path) -> Command:
    """Return the command of the Python program; it needs no building."""
    return [sys.executable, str(EMBED / "python" / "detect.py")]


def node_program(folder: Path) -> Command:
    """Return the command of the program in Node.js, whose packages npm has put beside it."""
    return ["node", str(EMBED / "node" / "detect.mjs")]


#: The C++ program, once it has been built.
_CPP: list[Path] = []


def cpp_program(folder: Path) -> Command:
    """Return the command of the C++ program; only the first call builds it."""
    if not _CPP:
        options = [f"-DONNXRUNTIME_DIR={os.environ['ONNXRUNTIME_DIR']}", "-DCMAKE_BUILD_TYPE=Release"]
        for words in (["-S", str(EMBED / "cpp"), "-B", str(folder), *options], ["--build", str(folder), "-j2"]):
            done = subprocess.run(["cmake", *words], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        _CPP.append(folder / "cad_detect_cpp")
    return [str(_CPP[0])]


PROGRAMS = (
    Program("python", (), python_program),
    Program("node", ("node", "node_packages", "ffmpeg"), node_program),
    Program("cpp", ("cpp",), cpp_program, self_tests=False),
)


def run(command: Command, *arguments: str | Path, timeout_seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a program outside of the repository, so that nothing of it is found by chance."""
    words = [*command, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout_seconds, cwd="/")


def said_by_program(command: Command, kit: Path, file: Path) -> Document:
    """Return what a program says of a file."""
    done = run(command, kit, file)
    assert done.returncode == 0, f"{file.name}: {done.stderr[-2000:]}"
    document: Document = json.loads(done.stdout)
    return document


def said_by_product(files: tuple[Path, ...] = FILES) -> dict[str, Document]:
    """Return by file name what cad-detect says."""
    command = [sys.executable, "-m", "cad.cli", "--jsonl", "--device", "cpu", "--threads", "1"]
    done = run(command, *files, timeout_seconds=600)
    assert done.returncode == 0, done.stderr[-2000:]
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(document["path"]).name: document for document in documents}


def differences(embedded: Document, product: Document) -> list[str]:
    """Return in words in what a program's document departs from that of cad-detect; nothing if they agree."""
    pairs = {
        "probability_fake": (embedded["probability_fake"], product["probability_fake"]),
        **{
            stream: (embedded["streams"][stream], product["streams"][stream]["probability_fake"])
            for stream in ("video", "audio", "sync")
        },
    }
    found = [] if embedded["label"] == product["label"] else [f"label {embedded['label']}, not {product['label']}"]
    found += [
        f"{name} {ours}, not {theirs}"
        for name, (ours, theirs) in pairs.items()
        if (ours is None) != (theirs is None)
        or (ours is not None and theirs is not None and abs(ours - theirs) > PROBABILITY_TOLERANCE)
    ]
    wanted = [reason["code"] for reason in product["reasons"] if reason["code"] not in LEFT_OUT]
    said = [code for code in embedded["reasons"] if code not in LEFT_OUT]
    if sorted(said) != sorted(wanted):
        found.append(f"reasons {said}, not {wanted}")
    return found
