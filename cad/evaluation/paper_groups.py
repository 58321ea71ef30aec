# SPDX-License-Identifier: Apache-2.0
"""Names the forgeries of a data set as papers do, so that tables can be held against theirs.

FakeAVCeleb states what is forged (``category``) and with which tool (``method``); papers report pairs of the two, each
against all genuine clips. Source of the names and of what stands under each: AVAD (arXiv 2301.01767) and AVFF (arXiv
2406.02951), which report RVFA, FVRA-WL, FVFA-FS, FVFA-GAN, FVFA-WL and their mean AVG-FV over those with a fake
picture; read out of the loader of AuViRe (github.com/mever-team/auvire, src/datasets.py), where a face swap in
FakeVideo-FakeAudio is always followed by Wav2Lip: FVFA-FS is ``faceswap-wav2lip``, FVFA-GAN ``fsgan-wav2lip``. The
plain swaps with genuine sound, which these papers leave out, are FVRA-FS and FVRA-GAN by the same rule. SpeechForensics
(arXiv 2508.09913) reports by method alone, which is the table *by method*.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from cad.data.manifest import Manifest

#: Column that ``with_paper_groups`` adds to a manifest's rows.
COLUMN = "group"
GENUINE, OTHER = "RVRA", "other"


@dataclass(frozen=True, slots=True)
class PaperGroup:
    """One group of forged clips: its category, and the methods that count as it."""

    category: str
    methods: tuple[str, ...]


_RVFA, _FVRA, _FVFA = "RealVideo-FakeAudio", "FakeVideo-RealAudio", "FakeVideo-FakeAudio"
#: Groups by data set and name, in the order in which papers print them.
PAPER_GROUPS: Mapping[str, Mapping[str, PaperGroup]] = {
    "fakeavceleb": {
        "RVFA": PaperGroup(_RVFA, ("rtvc",)),
        "FVRA-WL": PaperGroup(_FVRA, ("wav2lip",)),
        "FVRA-FS": PaperGroup(_FVRA, ("faceswap",)),
        "FVRA-GAN": PaperGroup(_FVRA, ("fsgan",)),
        "FVFA-FS": PaperGroup(_FVFA, ("faceswap-wav2lip", "faceswap")),
        "FVFA-GAN": PaperGroup(_FVFA, ("fsgan-wav2lip", "fsgan")),
        "FVFA-WL": PaperGroup(_FVFA, ("wav2lip",)),
    }
}
#: Means that papers print beneath the groups: over which of them.
PAPER_MEANS: Mapping[str, tuple[str, ...]] = {"AVG-FV": ("FVRA-WL", "FVFA-FS", "FVFA-GAN", "FVFA-WL")}


def with_paper_groups(manifest: Manifest) -> Manifest:
    """Return the manifest with the column ``group``, where it has rows of a set whose groups have names.

    Genuine rows are ``RVRA``, forged ones that no paper names ``other``; rows of other sets have none.
    """
    rows = manifest.rows
    names = rows["dataset"].map(lambda name: "" if name in PAPER_GROUPS else None)
    if COLUMN in rows or names.isna().all():
        return manifest
    for dataset, groups in PAPER_GROUPS.items():
        mine = rows["dataset"] == dataset
        names[mine] = OTHER
        names[mine & (rows["label"] == 0)] = GENUINE
        for name, group in groups.items():
            of_group = (rows["category"] == group.category) & rows["method"].isin(group.methods)
            names[mine & of_group & (rows["label"] == 1)] = name
    return dataclasses.replace(manifest, rows=rows.assign(**{COLUMN: names.fillna("")}))
