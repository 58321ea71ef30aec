# SPDX-License-Identifier: Apache-2.0
"""The adapter of any set laid out as folders (``real/...``, ``fake/<method>/...``).

It serves DF40's videos, AVLips (``0_real/``, ``1_fake/``, sound in ``wav/`` beside), DeepSpeak, PolyGlotFake, MAVOS-DD
and private sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.tree import SOUND_SUFFIXES, VIDEO_SUFFIXES, Tree
from cad.data.manifest import LABEL_WORDS, Problem, Row

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
#: A folder that is called 0 or 1 alone is as likely a person or a part.
CLASS_WORDS = {word: label for word, label in LABEL_WORDS.items() if not word.isdigit()} | {
    "reals": 0, "originals": 0, "pristine": 0, "authentic": 0,
    "fakes": 1, "forged": 1, "deepfake": 1, "deepfakes": 1, "synthetic": 1, "synthesized": 1, "synthesis": 1,
    "generated": 1,
}  # fmt: skip
SOUND_FOLDERS = frozenset({"wav", "wavs", "audio", "audios", "sound"})
#: Folders that hold the files of all and are neither a method nor a person.
CONTAINERS = SOUND_FOLDERS | {"video", "videos", "clip", "clips", "data", "file", "files", "mp4", "raw", "c23", "c40"}


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every media file with a folder named like a class above it.

    Folders above or below may name the split; the folder below the class names the method (of a fake) or the person
    (of a genuine clip), where there is one.
    """
    videos = tree.under("", VIDEO_SUFFIXES)
    clips = {_spot(path) for path in videos}
    folders = {spot.rpartition("/")[0] for spot in clips}
    for path in tree.under(""):
        spot = _spot(path)
        apart = not SOUND_FOLDERS.isdisjoint(path.lower().split("/")[:-1])
        if path.lower().endswith(SOUND_SUFFIXES) and (spot in clips or (apart and spot.rpartition("/")[0] in folders)):
            yield Problem("sound_of_clip", path, "sound of the videos beside it, of which each has a row")
        else:
            yield _row(path)


def _row(path: str) -> Row | Problem:
    folders = path.split("/")[:-1]
    said = {place: found for place, name in enumerate(folders) if (found := _class(name))}
    # ``fake/real_esrgan/`` and ``original_dataset/fake/`` are forgeries: a name that is nothing but a class decides.
    deciding = {place: label for place, (label, alone) in said.items() if alone} or {
        place: label for place, (label, _) in said.items()
    }
    if not deciding:
        return Problem("no_class", path, "no folder above it is called real, fake or the like")
    if len(set(deciding.values())) > 1:
        names = " and ".join(folders[place] for place in deciding)
        return Problem("two_classes", path, f"folders above it name both classes: {names}")
    splits = {SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS}
    if len(splits) > 1:
        return Problem("two_splits", path, f"folders above it name {' and '.join(sorted(splits))}")
    place, label = max(deciding), next(iter(deciding.values()))
    below = [name for name in folders[place + 1 :] if name.lower() not in CONTAINERS.union(SPLIT_FOLDERS)]
    sound_only = path.lower().endswith(SOUND_SUFFIXES)
    return Row(
        path=path,
        label=label,
        video_fake=-1 if sound_only or label else 0,
        audio_fake=label if sound_only else (-1 if label else 0),
        method=(below[0] if below else "fake") if label else "real",
        identity=below[-1] if below and (not label or len(below) > 1) else "",
        source="/".join(folders[:place]),
        split=next(iter(splits), ""),
    )


def _class(folder: str) -> tuple[int, bool] | None:
    """Return the class that a folder's name says and whether it says nothing else; None where it says none, or both.

    Example:
        >>> _class("1_fake"), _class("real_videos"), _class("ann"), _class("RealVideo-FakeAudio")
        ((1, True), (0, False), None, None)
    """
    words = [word for word in re.split(r"[^a-z]+", folder.lower()) if word]
    labels = {CLASS_WORDS[word] for word in words if word in CLASS_WORDS}
    if folder.lower() in CLASS_WORDS:
        return CLASS_WORDS[folder.lower()], True
    return (labels.pop(), len(words) == 1) if len(labels) == 1 else None


def _spot(path: str) -> str:
    """Return what a clip and its sound have in common: the folders without those for sound, and the name."""
    *folders, name = path.lower().split("/")
    return "/".join([*(part for part in folders if part not in SOUND_FOLDERS), name.rsplit(".", 1)[0]])


ADAPTER = Adapter("folders", "a set of folders by class", tuple(f"*{word}*" for word in CLASS_WORDS), rows)
