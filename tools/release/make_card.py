# SPDX-License-Identifier: Apache-2.0
"""Write the model card of a detector from measured files: nothing in its tables is typed by hand.

    python tools/release/make_card.py cad/weights/NAME --manifest MANIFEST --report "val=FOLDER" [--report ...]

The data table is counted from the manifest's train rows, the figures are those of tools/evaluate.py, and size, hash,
calibration and commit are read from the file itself. Writes NAME/CARD.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cad.command import run_command
from cad.data.manifest import read_manifest
from cad.evaluation.tables import markdown_table
from cad.runtime.scorer import Scorer
from cad.weights.registry import read_entry

INTRODUCTION = """# {name}

{role}: {megabytes:.1f} MB, sha256 `{sha256}`.

- **Use**: judging whether a face or a voice in a short clip is forged, as one piece of evidence beside others.
  Research and other non-commercial use only, because of the licences of its training data.
- **Not for**: proof, automatic removal or accusation without a person's look; faces under 40 px; anything but faces
  and speech.
- **What it was trained on**: {trained_on}. Revision `{commit}`.
- **Starting points**: the first two encoder layers of Whisper base (OpenAI, MIT), unchanged; EfficientNet-Lite0 on
  ImageNet (Apache-2.0); {clip}lips taught by MediaPipe's face mesh (Apache-2.0).
- **Probabilities** are calibrated as if half of all files were fake, on what the table of thresholds names; the
  threshold for *fake* was chosen there, too. Figures on other people's clips will be lower: generators, pages and
  codecs that it has not seen are where detectors of this kind lose most. docs/experiments.md has figures on sources
  left out of training.
"""

#: Added to the starting points of a net with a large face encoder, whose tensors have this in their names.
CLIP = "the first eight blocks of CLIP ViT-B/16's image encoder (OpenAI, MIT), whose\n  layer norms learnt; "
CLIP_MARK = b"large_face_encoder."

LIMITS = """## Where it fails

- Face swaps and talking heads by generators unlike those in training: the figures by method below have the lowest ones.
- Whole faces by a generator next to photographs like those that it was taught on (StyleGAN2 and FFHQ).
- Dubbing, singing and off-screen voices are out of sync by nature; sync alone never makes a file *fake*.
- A voice that was cloned well and re-recorded, or sent through a narrow channel.
- The picture stream learnt from {people} people and their pages; an unusual page (studio light, heavy filters) moves
  its score as a whole.
"""


def data_table(manifest: Path) -> tuple[str, int]:
    """Return a Markdown table of the train rows by data set and licence, and the number of people with a face."""
    rows = read_manifest(manifest).select("train").rows
    dataset = rows["dataset"].where(rows["dataset"] != "", rows["source"])
    groups = rows.groupby([dataset, rows["licence"].replace("", "not stated")], sort=False)
    lines = []
    for (name, terms), members in sorted(groups, key=lambda item: -len(item[1])):
        fakes = members[members["label"] == 1]
        people = members.loc[members["identity"] != "", "identity"].nunique()
        real, methods = len(members) - len(fakes), fakes["method"].nunique()
        lines.append([name, terms, *map(str, (real, len(fakes), people, methods))])
    faces = rows.loc[(rows["video_fake"] == 0) & (rows["identity"] != ""), "identity"].nunique()
    return markdown_table(["data", "licence", "real", "fake", "identities", "methods"], lines), int(faces)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="folder with model.onnx and manifest.json")
    parser.add_argument("--manifest", type=Path, required=True, help="what it was trained on")
    parser.add_argument("--report", action="append", default=[], metavar="TITLE=FOLDER", help="of tools/evaluate.py")
    options = parser.parse_args(words)
    return run_command(lambda: write_card(options), "make_card")


def write_card(options: argparse.Namespace) -> int:
    """Write the card beside the weights."""
    entry = read_entry(options.weights)
    spec = Scorer(str(options.weights)).spec
    table, people = data_table(options.manifest)
    thresholds = [
        [head, f"{point.fake_threshold:.3f}", f"{point.real_threshold:.3f}", point.chosen_on]
        for head, point in spec.operating_points.items()
    ]
    parts = [
        INTRODUCTION.format(
            name=entry.name,
            role="The detector that `cad-detect` runs" if entry.manifest.get("default") else "A detector",
            megabytes=entry.path.stat().st_size / 1e6,
            sha256=entry.sha256,
            trained_on=spec.trained_on or "see below",
            commit=spec.commit or "not recorded",
            clip=CLIP if CLIP_MARK in entry.path.read_bytes() else "",
        ),
        f"## Thresholds\n\n{markdown_table(['head', 'fake at or above', 'real below', 'chosen for'], thresholds)}",
        LIMITS.format(people=people),
        f"## Training data\n\n{table}",
    ]
    for report in options.report:
        title, _, folder = report.partition("=")
        text = (Path(folder) / "report.md").read_text(encoding="utf-8")
        body = "\n".join(f"#{line}" if line.startswith("#") else line for line in text.splitlines())
        parts.append(f"## Figures: {title}\n\n{body}")
    entry.card.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    print(entry.card, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
