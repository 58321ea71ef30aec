# SPDX-License-Identifier: Apache-2.0
"""What hours of sound cost: peaks, time and what was heard (`tools/bench.py long_sounds`).

Each file is small for its length, or of copied coded packets: silence, noise of one sample a second, one leap in the
stamps, a voice throughout, three of them, two under a picture that never moves. Each is judged in a fresh process by
the product with its own weights; its peak and that of the decoding processes are the kernel's (VmHWM), in MiB. A file
that takes longer than ``--timeout`` is cut off by the product's own limit, and its peak is that of what was done until
then. With ``--out`` a file that is there keeps its figures of other kinds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from benchmarks.judging_process import LOOK_SECONDS, children_of, peak_mib
from benchmarks.media_clips import run_ffmpeg
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))

from made_media import RATE_HZ, talk, write_wav  # noqa: E402

BAR_MIB = 850
#: The longest files are a little shorter than what is read, for what encoders add.
SPARE_SECONDS = 10
#: Judges a file; windows are those of all its sounds, and so much of each sound is speech.
JUDGE = """
import json, sys, time
import cad
path, timeout, model = sys.argv[1:]
with cad.Detector(model=model or None, limits=cad.MediaLimits(wall_seconds=float(timeout))) as detector:
    try:
        analysis = detector.analyse(path)
        verdict = cad.judge(analysis, detector.spec)
        sounds, label, outcome = (analysis, *analysis.others), verdict.label.value, analysis.report.outcome.value
    except cad.MediaError as error:
        sounds, label, outcome = (), None, error.code
said = {
    "slots": max((one.slots for one in sounds), default=0),
    "sounds": len(sounds),
    "speech_share": [(one.speech_slots or 0) / one.slots for one in sounds],
    "windows": sum(len(one.scores) for one in sounds),
    "label": label,
    "outcome": outcome,
    "processor_seconds": round(time.process_time(), 1),
}
with open("/proc/self/status") as status:
    said["parent_mib"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024
print(json.dumps(said))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--timeout", type=float, default=4 * 3600.0, help="seconds that a file may take")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the measured figures by kind; ``ok`` says whether the judging process stays within the bar every time."""
    kinds: dict[str, Any] = {}
    if arguments.out is not None and arguments.out.is_file():
        kinds = json.loads(arguments.out.read_text(encoding="utf-8"))["kinds"]
    for kind in arguments.kinds:
        with TemporaryDirectory(prefix="cad-long-") as folder:
            path = write_long(Path(folder), kind, arguments.hours * 3600 - SPARE_SECONDS)
            kinds[kind] = {
                "hours": arguments.hours,
                "file_kib": path.stat().st_size // 1024,
                "timeout_seconds": arguments.timeout,
                **judged(path, arguments.timeout),
                "date": time.strftime("%Y-%m-%d"),
                "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            }
            print(f"{kind}: {kinds[kind]}", file=sys.stderr, flush=True)
    return {
        "bar_mib": BAR_MIB,
        "kinds": {kind: kinds[kind] for kind in KINDS if kind in kinds},
        "ok": all(one["parent_mib"] <= BAR_MIB for one in kinds.values()),
    }


def judged(path: Path, timeout_seconds: float = 4 * 3600.0, model: Path | None = None) -> dict[str, Any]:
    """Judge a file in a fresh process, with the product's own weights unless others are named; return its figures."""
    load, began = os.getloadavg()[0], time.monotonic()
    command = [sys.executable, "-c", JUDGE, str(path), str(timeout_seconds), str(model or "")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        child = 0.0
        while process.poll() is None:
            child = max([child, *map(peak_mib, children_of(process.pid))])
            time.sleep(LOOK_SECONDS)
        assert process.stdout is not None
        said = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"{path}: the process that judges ended with {process.returncode}")
    figures: dict[str, Any] = json.loads(said)
    shares = figures.pop("speech_share")
    return {
        **figures,
        "speech_share": round(sum(shares) / len(shares), 6) if shares else None,
        "child_mib": round(child),
        "wall_seconds": round(time.monotonic() - began, 1),
        "load_average": round(load, 1),
    }


def write_long(folder: Path, kind: str, seconds: float) -> Path:
    """Write a file of one of KINDS."""
    return KINDS[kind](folder, int(seconds))


def write_silence(folder: Path, seconds: int) -> Path:
    run_ffmpeg("-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", str(seconds), folder / "silence.flac")
    return folder / "silence.flac"


def write_noise(folder: Path, seconds: int) -> Path:
    return write_slow(folder / "noise.wav", np.random.default_rng(0).integers(-20_000, 20_000, seconds))


def write_slow(path: Path, samples: NDArray[Any]) -> Path:
    """Write PCM with one sample a second."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(1)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_leap(folder: Path, seconds: int) -> Path:
    """Write four seconds of talk with a leap in the middle of its stamps, and one picture that stands over it."""
    path = folder / "leap.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("libopus", rate=RATE_HZ, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        for packet in video.encode(picture) + video.encode(None):
            packet.duration = int(seconds / packet.time_base)
            container.mux(packet)
        frame = av.AudioFrame.from_ndarray(talk(4.0)[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        packets = audio.encode(frame) + audio.encode(None)
        for index, packet in enumerate(packets):
            if index >= len(packets) // 2:
                packet.pts += int((seconds - 4) / packet.time_base)
                packet.dts = packet.pts
            container.mux(packet)
    return path


def write_talk(folder: Path, seconds: int) -> Path:
    """Write a voice throughout, as copies of twenty seconds."""
    said = np.concatenate([talk(8.0, seed=1), np.zeros(RATE_HZ // 2, np.float32), talk(11.5, seed=2)])
    piece, path = folder / "piece.m4a", folder / "talk.m4a"
    run_ffmpeg("-i", write_wav(folder / "piece.wav", said), "-c:a", "aac", "-b:a", "32k", piece)
    run_ffmpeg("-stream_loop", "-1", "-i", piece, "-c", "copy", "-t", str(seconds), path)
    return path


def write_three_talks(folder: Path, seconds: int) -> Path:
    one, path = write_talk(folder, seconds), folder / "three.mkv"
    run_ffmpeg(*late(one, 3), *("-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-t", str(seconds)), path)
    return path


def write_under_picture(folder: Path, seconds: int, talks: int = 1) -> Path:
    """Write voices and five small pictures a second, all alike and without a face."""
    one, path, minute = write_talk(folder, seconds), folder / "picture.mkv", folder / "minute.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=128x96:r=5", "-vf", "loop=-1:1", "-c:v", "mpeg4", "-t", "60", minute)
    maps = [word for number in range(talks + 1) for word in ("-map", str(number))]
    copies = ("-stream_loop", "-1", "-i", minute, *late(one, talks))
    run_ffmpeg(*copies, *maps, "-c", "copy", "-t", str(seconds), path)
    return path


def late(path: Path, times: int) -> list[str]:
    """Return inputs of a file several times, each a second later, so that they are not the same sound."""
    return [word for second in range(times) for word in ("-itsoffset", str(second), "-i", str(path))]


KINDS: dict[str, Callable[[Path, int], Path]] = {
    "silence, FLAC": write_silence,
    "noise of one sample a second, WAV": write_noise,
    "four seconds of talk with a leap between, Matroska": write_leap,
    "talk": write_talk,
    "talk three times": write_three_talks,
    "talk under a picture": write_under_picture,
    "talk twice under a picture": lambda folder, seconds: write_under_picture(folder, seconds, talks=2),
}
