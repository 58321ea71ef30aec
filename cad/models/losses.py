# SPDX-License-Identifier: Apache-2.0
"""cad_loss gives training the losses of a CAD network, each with its source, its weight and its masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from cad.clock import FRAME_RATE_HZ
from cad.models.alignment import Alignment
from cad.models.output import CadFeatures, CadOutput
from cad.models.targets import CadTargets


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weight of each term; a term of weight 0 is not computed.

    The weights are this project's choice; the paper's are not published.

    Attributes:
        fused: Cross-entropy of the fused clip logit.
        video: Cross-entropy of the video clip logit.
        audio: Cross-entropy of the audio clip logit.
        sync: Cross-entropy of the sync clip logit.
        video_frames: Cross-entropy of the video frame logits.
        audio_frames: Cross-entropy of the audio frame logits.
        sync_frames: Cross-entropy of the sync frame logits.
        contrast: Own sound against the sound of the batch's other events.
        lags: True lag against the other lags.
        offset: Absolute error of the offset.
        kl: Distance of the two modalities' frame distributions in genuine pairs.
        distillation: Joint and specific representations predict each other.
        label_smoothing: How far labels move from 0 and 1 towards one half, in [0, 1).
    """

    fused: float = 1.0
    video: float = 1.0
    audio: float = 1.0
    sync: float = 1.0
    video_frames: float = 0.5
    audio_frames: float = 0.5
    sync_frames: float = 0.5
    contrast: float = 0.5
    lags: float = 0.5
    offset: float = 0.2
    kl: float = 0.1
    distillation: float = 0.1
    label_smoothing: float = 0.05


@dataclass(frozen=True, slots=True)
class Losses:
    """The weighted sum, to step on, and each term before its weight, detached, to log."""

    total: Tensor
    terms: dict[str, Tensor]


def cad_loss(output: CadOutput, targets: CadTargets, weights: LossWeights) -> Losses:
    """Return the training loss of a batch.

    A term for which the batch has no label is 0; a term on features that the network does not have is left out.
    """
    features = output.features
    video, audio, sync = features.stream_present.unbind(1)
    fused_label, video_label, audio_label, sync_label = targets.clip_labels.unbind(1)
    video_fake, audio_fake, sync_fake = targets.slot_labels.unbind(1)
    smoothing = weights.label_smoothing
    slot_sync = features.video_present * features.audio_present * sync.unsqueeze(1)
    makers: dict[str, Callable[[], Tensor]] = {
        "fused": lambda: known_bce(output.fused_logit, fused_label, torch.maximum(video, audio), smoothing),
        "video": lambda: known_bce(output.video_logit, video_label, video, smoothing),
        "audio": lambda: known_bce(output.audio_logit, audio_label, audio, smoothing),
        "sync": lambda: known_bce(output.sync_logit, sync_label, sync, smoothing),
        "video_frames": lambda: known_bce(
            output.video_frame_logits, video_fake, features.video_present * video.unsqueeze(1), smoothing
        ),
        "audio_frames": lambda: known_bce(
            output.audio_frame_logits, audio_fake, features.audio_present * audio.unsqueeze(1), smoothing
        ),
        "sync_frames": lambda: known_bce(output.sync_frame_logits, sync_fake, slot_sync, smoothing),
    }
    if isinstance(features, CadFeatures):
        paired = (sync_label == 0).float() * sync
        makers |= {
            "contrast": lambda: contrast_loss(features, paired, targets.event),
            "lags": lambda: lag_loss(features.aligned, targets.offset_seconds, targets.offset_known * sync),
            "offset": lambda: offset_loss(output.offset_seconds, features.aligned, targets, sync),
            "kl": lambda: alignment_kl(features, paired),
            "distillation": lambda: distillation_loss(features),
        }
    total = output.fused_logit.sum() * 0.0
    terms: dict[str, Tensor] = {}
    for item in fields(weights):
        weight = getattr(weights, item.name)
        if item.name in makers and weight > 0:
            term = makers[item.name]()
            total = total + weight * term
            terms[item.name] = term.detach()
    return Losses(total, terms)


def known_bce(logits: Tensor, labels: Tensor, present: Tensor, smoothing: float) -> Tensor:
    """Return the mean binary cross-entropy where the label is known (not -1) and the stream is present.

    Source for the smoothing: Szegedy et al., arXiv 1512.00567.

    Example:
        >>> known_bce(torch.zeros(3), torch.tensor([1.0, 0.0, -1.0]), torch.ones(3), 0.0)
        tensor(0.6931)
    """
    used = (labels >= 0).to(logits.dtype) * present
    soft = labels.clamp(min=0.0) * (1.0 - smoothing) + 0.5 * smoothing
    losses = F.binary_cross_entropy_with_logits(logits, soft.to(logits.dtype), reduction="none")
    return _mean_of(losses, used)


def contrast_loss(features: CadFeatures, paired: Tensor, event: Tensor) -> Tensor:
    """Return InfoNCE between lips and sound over the batch, both ways: own sound against other events' sound.

    The similarity of two rows is the mean over time of the cosine at equal slots. Rows of the same event are neither
    the right answer nor a wrong one.

    Source: InfoNCE, arXiv 1807.03748; both ways as in CLIP, arXiv 2103.00020.

    Args:
        features: Of the batch.
        paired: (batch,) 1 where lips and sound are known to belong together.
        event: (batch,) see CadTargets.
    """
    video = features.aligned.video_embeddings * features.video_present.unsqueeze(-1)
    audio = features.aligned.audio_embeddings * features.audio_present.unsqueeze(-1)
    overlap = torch.matmul(features.video_present, features.audio_present.T)
    similarity = torch.matmul(video.flatten(1), audio.flatten(1).T) / overlap.clamp(min=1.0)
    same = event.unsqueeze(0) == event.unsqueeze(1)
    own = torch.eye(len(event), dtype=torch.bool, device=event.device)
    barred = (same & ~own) | (overlap == 0)
    logits = (similarity * features.aligned.scale).masked_fill(barred & ~own, -1e4)
    answers = torch.arange(len(event), device=event.device)
    losses = F.cross_entropy(logits, answers, reduction="none") + F.cross_entropy(logits.T, answers, reduction="none")
    return _mean_of(0.5 * losses, paired)


def lag_loss(aligned: Alignment, offset_seconds: Tensor, known: Tensor) -> Tensor:
    """Return the cross-entropy of the true lag among all lags, where it is known and one of them.

    There is nothing to learn at a lag at which the stretches with lips and with sound do not overlap. The windows must
    have their sound really cut at another time (see ``cad.models.lags.lag_profile``).

    Source: multi-way synchrony matching, Chung et al., arXiv 1809.08001.
    """
    lag_slots = aligned.lag_similarity.shape[1] // 2
    lag = (offset_seconds * FRAME_RATE_HZ).round().long()
    logits = (aligned.lag_similarity * aligned.scale).masked_fill(aligned.lag_overlap == 0, -1e4)
    answers = lag.clamp(-lag_slots, lag_slots) + lag_slots
    seen = aligned.lag_overlap.gather(1, answers.unsqueeze(1)).squeeze(1) > 0
    within = known * (lag.abs() <= lag_slots).float() * seen.float()
    return _mean_of(F.cross_entropy(logits, answers, reduction="none"), within)


def offset_loss(estimate: Tensor, aligned: Alignment, targets: CadTargets, sync_present: Tensor) -> Tensor:
    """Return the smoothed absolute error of the offset in slots / 10, where it is known and within the lags' range.

    Source: Huber, 1964.
    """
    reach = (aligned.lag_similarity.shape[1] // 2) / FRAME_RATE_HZ
    used = targets.offset_known * sync_present * (targets.offset_seconds.abs() <= reach).float()
    scale = FRAME_RATE_HZ / 10.0
    errors = F.smooth_l1_loss(estimate * scale, targets.offset_seconds * scale, reduction="none", beta=0.1)
    return _mean_of(errors, used)


def alignment_kl(features: CadFeatures, paired: Tensor) -> Tensor:
    """Return the symmetric Kullback-Leibler divergence between lips' and sound's frame distributions in true pairs.

    Constant distributions would make it least; the contrastive terms keep them apart.

    Source: a KL term between the modalities is named in arXiv 2505.15233; its form here is ours.
    """
    video, audio = features.aligned.video_log_probabilities, features.aligned.audio_log_probabilities
    divergence = 0.5 * ((video.exp() - audio.exp()) * (video - audio)).sum(-1)
    return _mean_of(divergence, features.video_present * features.audio_present * paired.unsqueeze(1))


def distillation_loss(features: CadFeatures) -> Tensor:
    """Return the negative cosine between each prediction and what it predicts, without gradient to the latter.

    Source: SimSiam, arXiv 2011.10566, equation 1. Lies in [-1, 1]; -1 is perfect.
    """
    video, audio, _ = features.stream_present.unbind(1)
    both_ways = (
        (features.joint_from_video, features.joint, video),
        (features.video_from_joint, features.video_specific, video),
        (features.joint_from_audio, features.joint, audio),
        (features.audio_from_joint, features.audio_specific, audio),
    )
    losses = [
        _mean_of(-F.cosine_similarity(prediction, target.detach(), dim=-1), present)
        for prediction, target, present in both_ways
    ]
    return torch.stack(losses).mean()


def _mean_of(losses: Tensor, used: Tensor) -> Tensor:
    """Return the mean over the used entries; where there are none, a zero that still has a gradient."""
    return (losses * used).sum() / used.sum().clamp(min=1.0)
