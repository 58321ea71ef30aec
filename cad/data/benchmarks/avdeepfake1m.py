# SPDX-License-Identifier: Apache-2.0
"""AV-Deepfake1M (arXiv 2311.15308) and AV-Deepfake1M++ (arXiv 2507.20579): two indexes of one form.

``train_metadata.json`` and ``val_metadata.json`` list the clips; where a list is absent, the files with one clip each
(``train_metadata/`` or, of ++, beside the clips) are read. A clip's path is below ``train/`` or ``val/``, below
``train/train/`` (as the archives of ++ unpack), ``data/`` or the root. The test parts have no labels. In AV-Deepfake1M
the first folder is the person (VoxCeleb2); in ++ it is the corpus, and what names the person depends on it. A clip that
is forged in one stream may carry the other's last stretch as well (6,160 entries); it is not believed.

Source: ControlNet/AV-Deepfake1M ``python/avdeepfake1m/loader.py`` (fields, folders, files of one clip, ``is_plusplus``)
and its data sets on Hugging Face (parts); loaders of ++ derived from ControlNet/LAV-DF for ``train/train``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from cad.data.benchmarks.adapter import Adapter
from cad.data.benchmarks.index_files import Placed, json_entries, one_of, rows_of
from cad.data.benchmarks.tree import VIDEO_SUFFIXES, Tree
from cad.data.manifest import UNKNOWN, Problem, Row, segments_of

FORGED = {"real": (0, 0), "visual_modified": (1, 0), "audio_modified": (0, 1), "both_modified": (1, 1)}
FRAME_RATE_HZ = 25.0
SPLITS = ("train", "val")
#: Parts whose labels are not released.
UNLABELLED = ("test", "testA", "testB")
FOLDERS = ("{split}", "{split}/{split}", "{split}/{split}_mp4", "data", "raw_content", "")
#: Where the clips of ++ come from.
CORPORA = ("vox_celeb_2/", "lrs3/", "silent_videos/")
INDEXES = ("train_metadata.json", "val_metadata.json", "train_metadata/", "val_metadata/")


def rows(tree: Tree) -> Iterator[Row | Problem]:
    """Yield every labelled clip, and name the clips of the test parts."""
    for split in SPLITS:
        folders = [folder.format(split=split) for folder in FOLDERS]
        yield from rows_of(_entries(tree, split), partial(_row, tree=tree, split=split, folders=folders))
    for part in UNLABELLED:
        for path in tree.under(part, VIDEO_SUFFIXES):
            yield Problem("no_label", path, "is of a test part, whose labels are not released")


def _entries(tree: Tree, split: str) -> Placed[Mapping[str, Any]]:
    if index := tree.find(f"{split}_metadata.json"):
        yield from json_entries(tree.root / index)
        return
    files = tree.under(f"{split}_metadata", (".json",)) or tree.under(split, (".json",))
    if not files:
        yield Problem("missing_index", f"{split}_metadata.json", "the index of this split is not there")
    for path in files:
        yield from json_entries(tree.root / path, name=path)


def _row(entry: Mapping[str, Any], tree: Tree, split: str, folders: list[str]) -> Row:
    kind = str(entry["modify_type"]).replace("-", "_")
    video_fake, audio_fake = one_of(FORGED, kind, "modify_type")
    file = str(entry["file"]).replace("\\", "/")
    models = [entry.get(name) for name in ("video_model", "audio_model")]
    named = "+".join(str(model) for model in models if model and model != "-") or kind
    return Row(
        path=_path(file, tree, folders),
        label=int(kind != "real"),
        video_fake=video_fake,
        audio_fake=UNKNOWN if entry.get("audio_frames") == 0 else audio_fake,
        method=named if kind != "real" else "real",
        category=kind,
        identity=_person(file),
        # All variants of an utterance lie in its folder.
        pair_id=file.rpartition("/")[0],
        source=file.split("/")[0] if file.startswith(CORPORA) else "",
        fake_segments=segments_of(entry["fake_segments"]),
        video_fake_segments=segments_of(entry.get("visual_fake_segments")) if video_fake else (),
        audio_fake_segments=segments_of(entry.get("audio_fake_segments")) if audio_fake else (),
        split=split,
        duration_seconds=float(entry["video_frames"]) / FRAME_RATE_HZ,
        fps=FRAME_RATE_HZ,
        language="en",
    )


def _path(file: str, tree: Tree, folders: list[str]) -> str:
    """Return where a clip lies; the folder that held the last one is moved to the front of ``folders``."""
    for number, folder in enumerate(folders):
        if found := tree.find(f"{folder}/{file}".lstrip("/")):
            folders.insert(0, folders.pop(number))
            return found
    top = file.split("/")[0]
    folder = next((folder for folder in folders if tree.find(f"{folder}/{top}".lstrip("/"))), folders[0])
    return f"{folder}/{file}".lstrip("/")


def _person(file: str) -> str:
    """Return who is seen: ids of VoxCeleb2 are the same in both sets, all others carry their corpus.

    Example:
        >>> _person("id00012/21Uxsk56VDQ/00001/real.mp4"), _person("vox_celeb_2/id00012/21Uxsk56VDQ/00001/real.mp4")
        ('id00012', 'id00012')
        >>> _person("lrs3/ue2ZEmTJSXo/00013/real.mp4"), _person("silent_videos/subject_0_2msdh_vid_0_0/real.mp4")
        ('lrs3/ue2ZEmTJSXo', 'silent_videos/subject_0_2msdh')
    """
    corpus, _, rest = file.partition("/")
    if corpus == "vox_celeb_2":
        return rest.split("/")[0]
    if corpus in ("lrs3", "silent_videos"):
        return f"{corpus}/{rest.split('/')[0].partition('_vid_')[0]}"
    return corpus


ADAPTER = Adapter("avdeepfake1m", "AV-Deepfake1M", INDEXES, rows, VIDEO_SUFFIXES, splits_share_people=True)
ADAPTER_PLUS_PLUS = Adapter(
    "avdeepfake1m_plusplus",
    "AV-Deepfake1M++",
    (*INDEXES, "train/*.json", "val/*.json"),
    rows,
    VIDEO_SUFFIXES,
    splits_share_people=True,
)
