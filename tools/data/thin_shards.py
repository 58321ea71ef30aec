# SPDX-License-Identifier: Apache-2.0
"""Make of shards smaller ones with a few faces of each clip, for tools/training/fit_picture.py on another machine.

    python tools/data/thin_shards.py shards shards_stills --slots 10 --most 60 -o thin

A hundredth of the bytes: crops stay coded as they are, sound is left out, and so are rows of which it is not known
whether the picture is genuine. Clips of 10 faces and more can still get the mouth of another moment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.data.manifest import manifest_of_clips
from cad.data.shards import ClipStore, ShardWriter
from cad.errors import DataError
from cad.training.labels import with_known_flags
from cad.training.picture_faces import FaceRow, face_rows
from cad.training.thin_clips import at_most, shuffled, thinned


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("shards", nargs="+", help="folders, files or glob patterns")
    add("--slots", type=int, default=10, help="faces of a clip to learn from")
    add("--val-slots", type=int, default=4, help="faces of a clip to be judged by")
    add("--most", type=int, default=0, help="talking faces of one source and class to learn from (0 = all)")
    add("--shard-megabytes", type=float, default=50.0, help="at which a shard is closed")
    add("-o", "--out", type=Path, required=True, help="folder of the new shards")
    return run_command(lambda: thin(parser.parse_args(words)), "thin_shards")


def thin(options: argparse.Namespace) -> int:
    """Write the shards and say what is in them."""
    if options.out.is_dir() and any(options.out.glob("*.tar")):
        raise DataError(f"{options.out} has shards already; name another --out")
    store = ClipStore(options.shards)
    given = manifest_of_clips(store, ", ".join(options.shards))
    rows = [with_known_flags(row, store.entry(row.path)) for row in given.records()]
    found = shuffled(face_rows(store, rows))
    kept = [row for row in found if row.is_still or row.row.split != "train"]
    kept += at_most([row for row in found if not row.is_still and row.row.split == "train"], options.most)
    faces = 0
    with ShardWriter(options.out, "thin", int(options.shard_megabytes * 1e6)) as writer:
        for row in shuffled(kept, 1):
            clip, text = thinned(store, row, options.slots if row.row.split == "train" else options.val_slots)
            writer.write(clip, text)
            faces += clip.slots
    print(f"{len(kept)} of {len(found)} rows, {faces} faces in {options.out}: {_said(kept)}", file=sys.stderr)
    return 0


def _said(rows: Sequence[FaceRow]) -> str:
    parts = []
    for split in sorted({row.row.split for row in rows}):
        own = [row for row in rows if row.row.split == split]
        forged = sum(row.is_fake for row in own)
        parts.append(f"{split} {len(own)} ({forged} forged, {sum(row.is_still for row in own)} stills)")
    return ", ".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
