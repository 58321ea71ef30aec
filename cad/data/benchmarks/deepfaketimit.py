# SPDX-License-Identifier: Apache-2.0
"""DeepfakeTIMIT (arXiv 1812.08685): face swaps of VidTIMIT speakers in two qualities, genuine sound as .wav beside.

Layouts: the release (``{lower,higher}_quality/<speaker>/<sentence>-video-<donor>.avi``) with VidTIMIT's videos in
``vidtimit/`` beside it, or both in one folder (``DeepfakeTIMIT/``, ``VidTIMIT/``), as loaders keep them; VidTIMIT's
own pictures (``<speaker>/video/<sentence>/001``) must be made videos first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Problem, Row

QUALITIES = ("lower_quality", "higher_quality")
GENUINE = "vidtimit"

_SPEAKER = re.compile(r"[fm][a-z]{3}\d")
_SWAP = re.compile(r"(?P<sentence>[a-z0-9]+)-video-(?P<donor>[fm][a-z]{3}\d)")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every face swap and, where VidTIMIT is there, the genuine videos; forgeries alone are one class only."""
    for path in tree.under("", VIDEO_SUFFIXES):
        *folders, name = path.lower().split("/")
        speaker = next((part for part in reversed(folders) if _SPEAKER.fullmatch(part)), "")
        quality = next((part for part in folders if part in QUALITIES), "")
        stem = name.rsplit(".", 1)[0]
        swap = _SWAP.fullmatch(stem)
        if not quality and GENUINE not in folders:
            continue
        if not speaker or bool(swap) != bool(quality):
            form = "<speaker>/<sentence>-video-<donor>" if quality else "<speaker>/<sentence>"
            yield Problem("bad_name", path, f"videos here are called {form}")
        elif swap:
            yield _fake(path, quality, speaker, swap["sentence"], swap["donor"])
        else:
            yield _real(path, speaker, stem)
    for quality in QUALITIES:
        if tree.find(quality) is None and not tree.matching(f"*/{quality}"):
            yield Problem("missing_folder", f"{quality}/", "not there; is it not extracted?")
    for folder in sorted({path.rpartition("/")[0] for path in tree.matching(f"*{GENUINE}/*/video/*/001*")}):
        yield Problem("no_video", folder, "pictures of VidTIMIT: make a video of them (ffmpeg -framerate 25 -i %03d)")


def _fake(path: str, quality: str, speaker: str, sentence: str, donor: str) -> Row:
    return Row(
        path=path,
        label=1,
        video_fake=1,
        audio_fake=0,
        method="faceswap-gan",
        category=quality,
        identity=speaker,
        source_identity=donor,
        pair_id=f"{speaker}/{sentence}",
        source=quality,
        language="en",
    )


def _real(path: str, speaker: str, sentence: str) -> Row:
    return Row(path, 0, 0, 0, "real", "real", speaker, "", f"{speaker}/{sentence}", GENUINE, language="en")


ADAPTER = Adapter(
    "deepfaketimit", "DeepfakeTIMIT", (*QUALITIES, *(f"*/{name}" for name in QUALITIES)), rows, VIDEO_SUFFIXES
)
