# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny_cad import tiny_small, windows
from torch.nn import functional as F

from cad.models.alignment import Alignment
from cad.models.losses import (
    LossWeights,
    alignment_kl,
    cad_loss,
    contrast_loss,
    distillation_loss,
    known_bce,
    lag_loss,
    offset_loss,
)
from cad.models.output import CadFeatures
from cad.models.targets import CadTargets
from cad.training.labels import window_labels

TERMS = [item.name for item in dataclasses.fields(LossWeights) if item.name != "label_smoothing"]


def targets_of(batch: int, time: int, **changes) -> CadTargets:
    streams = ("video_fake", "audio_fake", "sync_fake")
    slots = torch.stack([changes.get(name, torch.zeros(batch, time)) for name in streams], dim=1)
    return CadTargets(
        slot_labels=slots,
        clip_labels=torch.from_numpy(window_labels(slots.numpy())),
        offset_seconds=torch.zeros(batch),
        offset_known=torch.ones(batch),
        event=torch.arange(batch),
    )


def feature_spread(feature: torch.Tensor) -> torch.Tensor:
    """Return how far the normalised features (batch, width) are spread: about 1 is healthy, 0 is collapse.

    Source: SimSiam, arXiv 2011.10566, section 4.1: the deviation of the unit vectors over the batch, here times the
    root of the width.
    """
    units = F.normalize(feature.float(), dim=-1)
    return units.std(dim=0, unbiased=False).mean() * feature.shape[-1] ** 0.5


def features_of(batch: int = 3, time: int = 8, width: int = 6, **changes) -> CadFeatures:
    names = ("video_specific", "audio_specific", "joint")
    predictions = ("joint_from_video", "joint_from_audio", "video_from_joint", "audio_from_joint")
    values = {
        "video_present": torch.ones(batch, time),
        "audio_present": torch.ones(batch, time),
        "stream_present": torch.ones(batch, 3),
        **{name: torch.randn(batch, width) for name in names + predictions},
        "aligned": aligned_of(batch, time, width),
    }
    return CadFeatures(**{**values, **changes})


def aligned_of(batch: int = 3, time: int = 8, width: int = 6, **changes) -> Alignment:
    units = {name: F.normalize(torch.randn(batch, time, width), dim=-1) for name in ("video", "audio")}
    values = {
        **{name: torch.zeros(batch) for name in ("sync_logit", "offset_seconds", "sync_present")},
        "sync_frame_logits": torch.zeros(batch, time),
        "shared": torch.randn(batch, width),
        **{f"{name}_embeddings": value for name, value in units.items()},
        **{f"{name}_log_probabilities": value.log_softmax(-1) for name, value in units.items()},
        "agreement": torch.zeros(batch, time),
        "lag_similarity": torch.zeros(batch, 51),
        "lag_overlap": torch.ones(batch, 51),
        "scale": torch.tensor(10.0),
    }
    return Alignment(**{**values, **changes})


def realigned(features: CadFeatures, **changes) -> CadFeatures:
    return dataclasses.replace(features, aligned=dataclasses.replace(features.aligned, **changes))


def test_unknown_labels_and_absent_streams_have_no_gradient():
    logits = torch.randn(4, requires_grad=True)
    labels, present = torch.tensor([1.0, 0.0, -1.0, 1.0]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    known_bce(logits, labels, present, 0.0).backward()
    assert logits.grad.ne(0).tolist() == [True, True, False, False]


def test_positive_logits_mean_fake():
    fake = known_bce(torch.tensor([3.0]), torch.ones(1), torch.ones(1), 0.0)
    genuine = known_bce(torch.tensor([3.0]), torch.zeros(1), torch.ones(1), 0.0)
    assert fake < genuine


def test_smoothing_makes_certainty_cost():
    surest = known_bce(torch.tensor([50.0]), torch.ones(1), torch.ones(1), 0.1)
    sure = known_bce(torch.tensor([3.0]), torch.ones(1), torch.ones(1), 0.1)
    assert sure < surest


def test_a_batch_about_which_nothing_is_known_gives_zero_and_no_error():
    logits = torch.randn(3, requires_grad=True)
    loss = known_bce(logits, -torch.ones(3), torch.ones(3), 0.05)
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad.eq(0).all()


def test_contrast_is_least_for_own_sound():
    features = features_of()
    matched = realigned(features, audio_embeddings=features.aligned.video_embeddings)
    swapped = realigned(features, audio_embeddings=features.aligned.video_embeddings[[1, 2, 0]])
    paired, event = torch.ones(3), torch.arange(3)
    assert contrast_loss(matched, paired, event) < contrast_loss(features, paired, event)
    assert contrast_loss(features, paired, event) < contrast_loss(swapped, paired, event)


def test_contrast_does_not_push_one_events_rows_apart():
    units = F.normalize(torch.randn(1, 8, 6), dim=-1).expand(3, -1, -1)
    features = features_of(aligned=aligned_of(video_embeddings=units, audio_embeddings=units))
    assert contrast_loss(features, torch.ones(3), torch.zeros(3, dtype=torch.long)).item() == pytest.approx(0.0)
    assert contrast_loss(features, torch.ones(3), torch.arange(3)).item() > 1.0


def test_contrast_uses_only_true_pairs():
    features = features_of()
    assert contrast_loss(features, torch.zeros(3), torch.arange(3)).item() == 0.0


@pytest.mark.parametrize("offset", [-0.4, 0.0, 1.0])
def test_lag_loss_is_least_at_the_true_lag(offset):
    losses = []
    for lag in range(51):
        similarity = torch.zeros(1, 51)
        similarity[0, lag] = 1.0
        aligned = aligned_of(1, lag_similarity=similarity)
        losses.append(lag_loss(aligned, torch.tensor([offset]), torch.ones(1)).item())
    assert min(range(51), key=losses.__getitem__) == 25 + round(offset * 25)


def test_offsets_out_of_reach_or_unknown_do_not_count():
    aligned = aligned_of(2)
    far = torch.tensor([1.4, 0.0])
    assert lag_loss(aligned, far, torch.tensor([1.0, 0.0])).item() == 0.0
    targets = dataclasses.replace(targets_of(2, 8), offset_seconds=far, offset_known=torch.tensor([1.0, 0.0]))
    assert offset_loss(torch.ones(2), aligned, targets, torch.ones(2)).item() == 0.0


def test_a_lag_at_which_nothing_overlaps_teaches_nothing():
    overlap = torch.ones(1, 51)
    overlap[0, 30] = 0.0
    aligned = aligned_of(1, lag_similarity=torch.randn(1, 51), lag_overlap=overlap)
    assert lag_loss(aligned, torch.tensor([0.2]), torch.ones(1)).item() == 0.0  # lag 5 is entry 30


def test_offset_loss_grows_with_the_error():
    aligned, targets = aligned_of(1), targets_of(1, 8)
    small, large = (offset_loss(torch.tensor([error]), aligned, targets, torch.ones(1)) for error in (0.04, 0.4))
    assert 0 < small < large


def test_kl_is_zero_for_equal_and_symmetric_otherwise():
    features = features_of()
    same = realigned(features, audio_log_probabilities=features.aligned.video_log_probabilities)
    assert alignment_kl(same, torch.ones(3)).item() == pytest.approx(0.0, abs=1e-7)
    turned = realigned(
        features,
        video_log_probabilities=features.aligned.audio_log_probabilities,
        audio_log_probabilities=features.aligned.video_log_probabilities,
    )
    assert alignment_kl(features, torch.ones(3)).item() > 0
    torch.testing.assert_close(alignment_kl(features, torch.ones(3)), alignment_kl(turned, torch.ones(3)))


def test_distillation_moves_predictions_and_not_what_they_predict():
    names = ("joint", "video_specific", "audio_specific", "joint_from_video", "video_from_joint")
    leaves = {name: torch.randn(3, 6, requires_grad=True) for name in names}
    distillation_loss(features_of(**leaves)).backward()
    assert [name for name, leaf in leaves.items() if leaf.grad is not None] == ["joint_from_video", "video_from_joint"]


def test_distillation_is_minus_one_when_perfect():
    joint, video, audio = torch.randn(3, 3, 6)
    features = features_of(
        joint=joint,
        video_specific=video,
        audio_specific=audio,
        joint_from_video=2 * joint,
        joint_from_audio=joint,
        video_from_joint=video,
        audio_from_joint=audio,
    )
    assert distillation_loss(features).item() == pytest.approx(-1.0)


def test_spread_tells_collapse_from_health():
    assert feature_spread(torch.randn(500, 32)).item() == pytest.approx(1.0, abs=0.05)
    assert feature_spread(torch.ones(500, 32) + 1e-4 * torch.randn(500, 32)).item() < 0.01


def test_stop_gradient_keeps_the_features_from_collapsing():
    """Distillation alone, on a trained encoder, is the setting that collapses without the stop-gradient."""
    from cad.models.distillation import Distillation

    torch.manual_seed(3)
    inputs = torch.randn(256, 16)
    encoders = torch.nn.ModuleList(torch.nn.Linear(16, 16) for _ in range(3))
    distill = Distillation(16)
    steps = torch.optim.SGD([*encoders.parameters(), *distill.parameters()], lr=0.1, momentum=0.9)
    for _ in range(100):
        video, audio, joint = (encoder(inputs) for encoder in encoders)
        features = features_of(
            256,
            1,
            stream_present=torch.ones(256, 3),
            video_specific=video,
            audio_specific=audio,
            joint=joint,
            **distill(video, audio, joint),
        )
        steps.zero_grad()
        distillation_loss(features).backward()
        steps.step()
    assert min(feature_spread(feature).item() for feature in (video, audio, joint)) > 0.3


@pytest.mark.parametrize("term", TERMS)
def test_each_term_can_be_switched_off_and_alone_has_a_gradient(term):
    model = tiny_small().train()
    output = model(*windows(2, 12))
    fake = torch.zeros(2, 12)
    fake[1] = 1.0
    targets = targets_of(2, 12, video_fake=fake, audio_fake=fake)
    weights = LossWeights(**{name: float(name == term) for name in TERMS})
    losses = cad_loss(output, targets, weights)
    assert list(losses.terms) == [term]
    losses.total.backward()
    moved = [name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()]
    assert moved


def test_total_is_the_weighted_sum():
    output = tiny_small()(*windows(2, 12))
    weights = LossWeights()
    losses = cad_loss(output, targets_of(2, 12), weights)
    expected = sum(getattr(weights, name) * value for name, value in losses.terms.items())
    torch.testing.assert_close(losses.total.detach(), expected)
