# SPDX-License-Identifier: Apache-2.0
"""What int8 products cost and give in the large face encoder: ``python tools/bench.py large_face SHARDS``.

Encoder and judge alone, from the uint8 crop to the logit, in ONNX Runtime: milliseconds a face in float32 and in int8,
the bytes of both, and by how much int8 moves the logits of faces from shards. Without a checkpoint CLIP's published
weights are taken, with a line that is random and gives logits of a spread of about one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from cad.data.augment import cropped
from cad.data.shards import ClipStore
from cad.errors import DataError, OptionError
from cad.export.graph import OPSET
from cad.export.precision import store_weights_as
from cad.models import CadModel, create_model, load_checkpoint
from cad.models.encoders.clip import ClipFace
from cad.models.heads import UnitJudge

FORMS = ("fp32", "int8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shards", help="faces, as tools/data/make_shards.py makes them")
    parser.add_argument("--checkpoint", type=Path, help="of cad_base; CLIP's own weights if not given")
    parser.add_argument("--faces", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20, help="single faces that are timed")


def run(args: argparse.Namespace) -> dict[str, object]:
    """Return the figures of both forms."""
    crops = faces_of(ClipStore(args.shards), args.faces)
    parts = judged_crops(_net(args.checkpoint))
    with torch.no_grad():
        expected = np.concatenate([parts(torch.from_numpy(crop[None])).numpy() for crop in crops])
    spread = round(float(expected.std()), 3)
    figures: dict[str, object] = {"faces": len(crops), "threads": args.threads, "spread": spread}
    with tempfile.TemporaryDirectory() as folder:
        graph = exported(parts)
        for form in FORMS:
            path = Path(folder) / f"{form}.onnx"
            store_weights_as(graph, path, form)
            session = opened(path, args.threads)
            found = np.concatenate([session.run(None, {"crops": crop[None]})[0] for crop in crops])
            seconds = [timed(session, crops[number % len(crops)][None]) for number in range(args.repeats)]
            gap = np.abs(found - expected)
            figures[form] = {
                "megabytes": round(path.stat().st_size / 1e6, 1),
                "milliseconds_a_face": round(1000 * float(np.median(seconds)), 1),
                "fastest_milliseconds": round(1000 * min(seconds), 1),
                "logit_moves_mean": round(float(gap.mean()), 5),
                "logit_moves_most": round(float(gap.max()), 5),
                "share_of_spread": round(float(np.sqrt(np.square(gap).mean()) / expected.std()), 5),
                "correlation": round(float(np.corrcoef(found, expected)[0, 1]), 5),
            }
    return figures


class _Parts(nn.Module):
    """Encoder and judge under the names that they have in the whole net."""

    def __init__(self, net: CadModel) -> None:
        super().__init__()
        encoder, judge = net.large_face_encoder, net.video_head.large
        if not isinstance(encoder, ClipFace) or judge is None:
            raise OptionError("the checkpoint's net has no large face encoder")
        self.large_face_encoder: ClipFace = encoder
        self.judge: UnitJudge = judge


class _Whole(nn.Module):
    def __init__(self, net: CadModel) -> None:
        super().__init__()
        self.model = _Parts(net)

    def forward(self, crops: Tensor) -> Tensor:
        ones = torch.ones(crops.shape[0])
        return self.model.judge.logits(self.model.large_face_encoder.look(crops, ones))


def judged_crops(net: CadModel) -> nn.Module:
    """Return what gives logits (crops,) of crops uint8 (crops, 160, 160, 3), under the names of the whole net.

    Raises:
        OptionError: The net has no large face encoder.
    """
    return _Whole(net).eval()


def _net(checkpoint: Path | None) -> CadModel:
    if checkpoint is not None:
        net, _ = load_checkpoint(checkpoint)
        if not isinstance(net, CadModel):
            raise OptionError(f"{checkpoint} holds no cad_base")
        return net
    return published_net()


def published_net() -> CadModel:
    """Return cad_base with CLIP's published weights and a random line."""
    torch.manual_seed(0)
    made = create_model("cad_base").eval()
    assert isinstance(made, CadModel) and made.large_face_encoder is not None and made.video_head.large is not None
    made.large_face_encoder.load_pretrained({})
    with torch.no_grad():
        made.video_head.large.line.weight.normal_(0.0, made.large_face_encoder.width**-0.5)
    return made


def faces_of(store: ClipStore, count: int) -> list[np.ndarray]:
    """Return up to ``count`` crops uint8 (160, 160, 3), one of each clip, from its middle."""
    found: list[np.ndarray] = []
    for entry in store:
        if len(found) == count:
            break
        if entry.has_frames:
            slots = np.flatnonzero(entry.frames_present)
            clip = cropped(store.read(entry.key, int(slots[len(slots) // 2]), int(slots[len(slots) // 2]) + 1))
            assert clip.frames is not None
            found.append(np.asarray(clip.frames[0]))
    if not found:
        raise DataError("no clip in the shards has a face")
    return found


def exported(parts: nn.Module) -> onnx.ModelProto:
    """Return the graph of encoder and judge, for one face at a time."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        example = (torch.zeros(1, 160, 160, 3, dtype=torch.uint8),)
        program = torch.onnx.export(parts, example, input_names=["crops"], output_names=["logit"],
                                    opset_version=OPSET, dynamo=True, verbose=False)  # fmt: skip
    assert program is not None
    return program.model_proto


def opened(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Return a session on so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def timed(session: onnxruntime.InferenceSession, crop: np.ndarray) -> float:
    """Return the seconds of one face."""
    start = time.perf_counter()
    session.run(None, {"crops": crop})
    return time.perf_counter() - start
