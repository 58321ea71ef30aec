# SPDX-License-Identifier: Apache-2.0
"""DeepfakeTIMIT (arXiv 1812.08685): face swaps of VidTIMIT speakers in two qualities, genuine sound as .wav beside."""

from __future__ import annotations

from collections.abc import Iterator

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import Row

QUALITIES = ("lower_quality", "higher_quality")


def rows(tree: Tree) -> Iterator[Row]:
    """Yield every face swap (``<quality>/<speaker>/<sentence>-video-<speaker>.avi``) and, if VidTIMIT is beside it in
    ``vidtimit/``, the genuine videos. The forgeries alone have one class only.
    """
    for quality in QUALITIES:
        yield from map(_fake, tree.under(quality, VIDEO_SUFFIXES))
    yield from map(_real, tree.under("vidtimit", VIDEO_SUFFIXES))


def _fake(path: str) -> Row:
    quality, speaker, name = path.split("/")[0], path.split("/")[1], path.split("/")[-1]
    sentence, _, donor = name.rsplit(".", 1)[0].partition("-video-")
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


def _real(path: str) -> Row:
    parts = path.split("/")
    sentence = parts[-1].rsplit(".", 1)[0].partition("-video-")[0]
    return Row(path, 0, 0, 0, "real", "real", parts[1], "", f"{parts[1]}/{sentence}", "vidtimit", language="en")


ADAPTER = Adapter("deepfaketimit", "DeepfakeTIMIT", QUALITIES, rows, VIDEO_SUFFIXES)
