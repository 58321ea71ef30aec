# SPDX-License-Identifier: Apache-2.0
"""Figures for the fit of the picture's judges: logits of rows, AUC by part, and the settling of both judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cad.data.augment import cropped
from cad.data.manifest import is_unnamed
from cad.data.shards import ClipStore
from cad.metrics.bootstrap import Estimate, estimate_rows
from cad.metrics.roc import auc_of
from cad.models import CadModel
from cad.training.labels import judged_span
from cad.training.loader import worker_options
from cad.training.picture_faces import FaceRow
from cad.training.picture_forging import one_crop
from cad.training.picture_judges import PictureJudge

#: Crops in one pass where nothing learns.
_CROPS_AT_ONCE = 32
#: Forged rows of a kind for which a figure of its own is given.
LEAST_OF_A_KIND = 3
_RESAMPLES = 200

Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BothJudges:
    """What the judges say of rows, by row.

    Attributes:
        small: Clip logits of the small judge.
        large: Clip logits of the large judge.
        seen: (rows, 2) 1 where the small and the large judge saw a face.
    """

    small: Logits
    large: Logits
    seen: Logits


class PlainCrops(Dataset[tuple[NDArray[np.uint8], NDArray[np.int64]]]):
    """Crops of rows, cut as the product cuts them and not treated, some dozens at a time.

    Args:
        store: Where the clips are.
        rows: Which.
        crops: At most so many of a row.
    """

    def __init__(self, store: ClipStore, rows: Sequence[FaceRow], crops: int) -> None:
        self._store, self._rows = store, rows
        self._shown = [(number, slot) for number, row in enumerate(rows) for slot in row.spread(crops).tolist()]

    def __len__(self) -> int:
        return -(-len(self._shown) // _CROPS_AT_ONCE)

    def __getitem__(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return uint8 (crops, 160, 160, 3) and the rows' numbers (crops,)."""
        part = self._shown[number * _CROPS_AT_ONCE : (number + 1) * _CROPS_AT_ONCE]
        pictures = np.stack([_plain(self._store, self._rows[row], slot) for row, slot in part])
        return pictures, np.array([row for row, _ in part], np.int64)


@torch.no_grad()
def row_logits(judge: PictureJudge, crops: PlainCrops, rows: int, workers: int = 0) -> Logits:
    """Return the mean logit of the crops of each of ``rows`` rows."""
    was_training = judge.encoder.training
    judge.encoder.eval()
    total, count = np.zeros(rows), np.zeros(rows)
    loader = DataLoader(crops, batch_size=None, **worker_options(workers))
    for pictures, of in loader:
        logits = judge.logits_of(torch.as_tensor(pictures).to(judge.device))
        np.add.at(total, np.asarray(of), logits.double().cpu().numpy())
        np.add.at(count, np.asarray(of), 1)
    judge.encoder.train(was_training)
    return np.asarray(total / count)


@torch.no_grad()
def both_judges(net: CadModel, store: ClipStore, rows: Sequence[FaceRow]) -> BothJudges:
    """Return what the judges of a net with a large encoder say of the window in the middle of each row."""
    net.eval()
    head, large_encoder = net.video_head, net.large_face_encoder
    assert large_encoder is not None
    said: list[tuple[float, ...]] = []
    for row in rows:
        frames, present = _window(store, row, net.config.window_frames)
        face, face_present = net.face_encoder(frames, present)
        lips = face if head.lips is None else _lips(net, frames, present)
        small = head.small_says(face, face_present, lips, present).clip_logit
        tokens, _ = large_encoder(frames, present)
        large = head.large_says(tokens, present).clip_logit
        # Of a still the large judge speaks alone.
        small_sees = float((face_present * present).amax()) if float(present.sum()) > 1 else 0.0
        said.append((float(small), float(large), small_sees, float(present.amax())))
    table = np.array(said, np.float64).reshape(-1, 4)
    return BothJudges(table[:, 0], table[:, 1], table[:, 2:])


@torch.no_grad()
def joined_logits(net: CadModel, said: BothJudges) -> Logits:
    """Return the picture's logits from what the judges say, by the net's mixture as it is."""
    assert net.video_head.mixture is not None
    logits = torch.from_numpy(np.stack([said.small, said.large], axis=1)).float()
    return np.asarray(net.video_head.mixture(logits, torch.from_numpy(said.seen).float()).double().numpy())


def settle_judges(net: CadModel, said: BothJudges, rows: Sequence[FaceRow]) -> dict[str, list[float]]:
    """Let the net's mixture know centre and spread of both judges on ``rows``, classes and domains weighing the same.

    Returns:
        Centre and spread, small and large.
    """
    assert net.video_head.mixture is not None
    groups = [(row.is_still, row.is_fake) for row in rows]
    sizes = Counter(groups)
    share = np.array([1.0 / sizes[group] for group in groups])
    share /= share.sum()
    logits = np.stack([said.small, said.large], axis=1)
    centre = (logits * share[:, None]).sum(0)
    spread = np.sqrt((np.square(logits - centre) * share[:, None]).sum(0))
    # A judge that says the same of everything has nothing to be divided by.
    spread = np.where(spread > 1e-6, spread, 1.0)
    net.video_head.mixture.settle(torch.from_numpy(centre).float(), torch.from_numpy(spread).float())
    return {"centre": centre.tolist(), "spread": spread.tolist()}


def mean_of_standardised(logits: Sequence[Logits]) -> Logits:
    """Return the mean of several judges' logits, each by its own centre and spread over all rows."""
    return np.asarray(np.mean([(one - one.mean()) / max(float(one.std()), 1e-6) for one in logits], axis=0))


def aucs(logits: Logits, rows: Sequence[FaceRow]) -> dict[str, float]:
    """Return the AUC of all rows, of stills, of talking faces, and of each kind of forgery against all genuine rows.

    ``within sources`` is the mean over the sources that have both classes. What has only one class is left out.
    """
    fake, still = _flags(rows)
    found = {"all": _auc(logits, fake, np.ones_like(fake))}
    found |= {"stills": _auc(logits, fake, still), "talking faces": _auc(logits, fake, ~still)}
    sources = np.array([row.row.source for row in rows])
    within = [_auc(logits, fake, sources == name) for name in np.unique(sources)]
    known = [one for one in within if np.isfinite(one)]
    found["within sources"] = float(np.mean(known)) if known else float("nan")
    kinds = np.array([(row.row.category or row.row.method) if row.is_fake else "" for row in rows])
    for name, count in sorted(Counter(kinds[fake].tolist()).items()):
        if count >= LEAST_OF_A_KIND:
            found[f"kind {name}"] = _auc(logits, fake, ~fake | (kinds == name))
    return {name: value for name, value in found.items() if np.isfinite(value)}


def aucs_with_intervals(logits: Logits, rows: Sequence[FaceRow], seed: int = 0) -> dict[str, dict[str, float]]:
    """Return ``aucs`` of all rows, stills and talking faces with 95 % intervals over identities."""
    fake, still = _flags(rows)
    names = [row.row.path if is_unnamed(row.row.identity) else row.row.identity for row in rows]
    _, identity = np.unique(names, return_inverse=True)

    def figures(chosen: NDArray[np.intp]) -> Mapping[str, float]:
        own, own_fake, own_still = logits[chosen], fake[chosen], still[chosen]
        parts = {"all": np.ones_like(own_fake), "stills": own_still, "talking faces": ~own_still}
        return {name: _auc(own, own_fake, part) for name, part in parts.items()}

    found: dict[str, Estimate] = estimate_rows(figures, identity.astype(np.int64), _RESAMPLES, seed)
    return {
        name: {"auc": one.value, "low": one.low, "high": one.high}
        for name, one in found.items()
        if np.isfinite(one.value)
    }


def _flags(rows: Sequence[FaceRow]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return np.array([row.is_fake for row in rows], bool), np.array([row.is_still for row in rows], bool)


def _auc(logits: Logits, fake: NDArray[np.bool_], part: NDArray[np.bool_]) -> float:
    return auc_of(logits[fake & part], logits[~fake & part])


def _plain(store: ClipStore, row: FaceRow, slot: int) -> NDArray[np.uint8]:
    frames = cropped(one_crop(store, row, slot)).frames
    assert frames is not None
    return np.asarray(frames[0])


def _window(store: ClipStore, row: FaceRow, slots: int) -> tuple[Tensor, Tensor]:
    """Return frames (1, slots, 160, 160, 3) and presence of the window around the middle of what is judged of a row."""
    span = judged_span(store.entry(row.row.path), ("video",))
    middle = int(row.slots[len(row.slots) // 2])
    length = min(slots, span.stop - span.start)
    first = min(max(middle - length // 2, span.start), span.stop - length)
    clip = cropped(store.read(row.row.path, first, first + length))
    assert clip.frames is not None
    present = torch.from_numpy(clip.frames_present.astype(np.float32))
    return torch.from_numpy(np.asarray(clip.frames))[None], present[None]


def _lips(net: CadModel, frames: Tensor, present: Tensor) -> Tensor:
    if net.lip_encoder is None:
        tokens, _ = net.face_encoder.shared(frames, present)
        return tokens
    lips: Tensor = net.lip_encoder(frames, present)
    return lips
