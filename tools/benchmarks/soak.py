# SPDX-License-Identifier: Apache-2.0
"""Judge good and bad files for half an hour with one Detector, and see that nothing grows (`tools/bench.py soak`).

Descriptors, child processes, threads, resident memory, shared memory and temporary files are counted every few files;
a line through the counts (Theil and Sen: the median of all slopes between two of them) must be flat after the warm-up.
Then 8 processes at the same time, and 4 threads of one Detector, must say of every file to the last bit what one
Detector said of it alone. The result is written to docs/reliability/soak.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from benchmarks.fuzz_media import leftovers, make_seeds, mutate
from benchmarks.judging_process import held_mib

from cad.detector import Detector
from cad.errors import CadError
from cad.media.limits import MediaLimits

ROOT = Path(__file__).resolve().parents[2]
LIMITS = MediaLimits(wall_seconds=60.0)
DAMAGED_COPIES = 4
STEP_FILES = 25
#: Share of the files before which nothing is asked: pools fill up, the allocator settles.
WARM_UP = 0.2
#: A line may rise by so much in 1,000 files; what is counted may not rise at all.
MOST_MIB_PER_1000 = 5.0
PROCESSES, THREADS = 8, 4


@dataclass(frozen=True)
class Sample:
    """What the process holds between two files.

    Attributes:
        files: How many files came before.
        children: Its child processes.
        descriptors: Its open descriptors.
        temporary_files: Files in the folder for temporary files.
        threads: Its threads, those of libraries included.
        memory_files: Its descriptors of anonymous shared memory.
        shared_files: Files in /dev/shm, of whomever.
        resident_mib: Its resident memory.
    """

    files: int
    children: int
    descriptors: int
    temporary_files: int
    threads: int
    memory_files: int
    shared_files: int
    resident_mib: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=30.0, help="how long, at most")
    parser.add_argument("--count", type=int, default=5000, help="how many files, at most")
    parser.add_argument("--seed", type=int, default=20260101)


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Soak and return the figures; ``ok`` is false if something grows or a verdict differs."""
    with tempfile.TemporaryDirectory(prefix="cad-soak-") as name:
        folder = Path(name)
        files = make_files(folder, arguments.seed)
        scratch = folder / "tmp"
        scratch.mkdir()
        # Whatever is left lying about lies there.
        with mock.patch.object(tempfile, "tempdir", str(scratch)), mock.patch.dict(os.environ, TMPDIR=str(scratch)):
            figures = soak(files, scratch, arguments.minutes * 60, arguments.count, arguments.seed)
            different = compare(files)
    return {
        **figures,
        "kinds_of_files": len(files),
        "processes": PROCESSES,
        "threads": THREADS,
        "different": different,
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "ok": not figures["growing"] and not different,
    }


def make_files(folder: Path, seed: int) -> list[Path]:
    """Write good and bad files of all kinds, none of which takes long."""
    rng = np.random.default_rng(seed)
    tests = ROOT / "tests"
    files = [tests / "data" / "astronaut.jpg", tests / "data" / "astronaut_fake.mp4"]
    files += sorted((tests / "golden" / "clips").iterdir())
    for name, content in make_seeds(folder).items():
        copies = [content, *(mutate(content, rng) for _ in range(DAMAGED_COPIES))]
        for index, copy in enumerate(copies):
            files.append(folder / f"{index}-{name}")
            files[-1].write_bytes(copy)
    letter, empty = folder / "letter.mp4", folder / "empty.wav"
    letter.write_text("Dear Sir or Madam,\n" * 100, encoding="ascii")
    empty.write_bytes(b"")
    return [*files, letter, empty, folder / "missing.mp4"]


def soak(files: Sequence[Path], scratch: Path, seconds: float, count: int, seed: int) -> dict[str, object]:
    """Judge files at random until the time or the count is over, and return what was seen."""
    rng = np.random.default_rng(seed)
    samples: list[Sample] = []
    outcomes: Counter[str] = Counter()
    began = time.monotonic()
    with Detector(limits=LIMITS) as detector:
        for done in range(count):
            if done % STEP_FILES == 0:
                samples.append(sample(done, scratch))
                if time.monotonic() - began > seconds:
                    break
            outcomes[str(said(detector, files[int(rng.integers(len(files)))])["outcome"])] += 1
        samples.append(sample(outcomes.total(), scratch))
    after = sample(outcomes.total(), scratch)
    settled = [one for one in samples if one.files >= WARM_UP * outcomes.total()]
    slopes = {name: slope_per_1000(settled, name) for name in Sample.__dataclass_fields__ if name != "files"}
    growing = [name for name, slope in slopes.items() if slope > (MOST_MIB_PER_1000 if name == "resident_mib" else 0.0)]
    return {
        "files": outcomes.total(),
        "seconds": round(time.monotonic() - began, 1),
        "outcomes": dict(sorted(outcomes.items())),
        "rise_per_1000_files": {name: round(slope, 3) for name, slope in slopes.items()},
        "bound_mib_per_1000_files": MOST_MIB_PER_1000,
        "growing": growing + (["children after the end"] if after.children else []),
        "settled": asdict(settled[0]),
        "last": asdict(samples[-1]),
        "closed": asdict(after),
        "samples": len(samples),
    }


def sample(files: int, scratch: Path) -> Sample:
    """Return what this process holds now."""
    links = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor of this listing
            links.append(str(path.readlink()))
    children, descriptors, temporary = leftovers(scratch)
    return Sample(
        files=files,
        children=children,
        descriptors=descriptors,
        temporary_files=temporary,
        threads=len(list(Path("/proc/self/task").iterdir())),
        memory_files=sum(link.startswith("/memfd:") for link in links),
        shared_files=len(list(Path("/dev/shm").iterdir())),
        resident_mib=held_mib(os.getpid()),
    )


def slope_per_1000(samples: Sequence[Sample], name: str) -> float:
    """Return the median slope between any two samples, for 1,000 files."""
    if len(samples) < 2:
        return 0.0
    at = np.array([one.files for one in samples], float)
    value = np.array([getattr(one, name) for one in samples], float)
    first, second = np.triu_indices(len(samples), 1)
    apart = at[second] - at[first]
    slopes = (value[second] - value[first])[apart > 0] / apart[apart > 0]
    return 1000 * float(np.median(slopes))


def said(detector: Detector, path: Path) -> dict[str, object]:
    """Return all that is said of a file but the time it took; any exception that is no CadError passes through."""
    try:
        verdict = detector.detect(path)
    except CadError as error:
        return {"outcome": f"refused: {error.code}", "text": str(error)}
    document = verdict.to_dict()
    del document["seconds"]
    exact = [verdict.probability_fake, *(face.probability_fake for face in verdict.faces)]
    return {"outcome": verdict.label.value, "exact": [None if p is None else float(p).hex() for p in exact], **document}


def compare(files: Sequence[Path]) -> list[str]:
    """Return the files of which several processes or threads said anything else than one."""
    with Detector(limits=LIMITS) as detector:
        alone = [said(detector, path) for path in files]
        with ThreadPoolExecutor(THREADS) as pool:  # every thread judges every file
            answers = list(pool.map(lambda _: [said(detector, path) for path in files], range(THREADS)))
    command = [sys.executable, "-m", "benchmarks.soak", *map(str, files)]
    processes = [subprocess.Popen(command, cwd=ROOT / "tools", stdout=subprocess.PIPE) for _ in range(PROCESSES)]
    answers += [json.loads(process.communicate()[0]) for process in processes]
    expected = json.loads(json.dumps(alone))
    return sorted(
        {
            str(path.name)
            for answer in json.loads(json.dumps(answers))
            for path, one, other in zip(files, expected, answer, strict=True)
            if one != other
        }
    )


if __name__ == "__main__":
    with Detector(limits=LIMITS) as detector:
        print(json.dumps([said(detector, Path(name)) for name in sys.argv[1:]]))
