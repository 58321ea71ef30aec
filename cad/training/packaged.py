# SPDX-License-Identifier: Apache-2.0
"""Weights to train on from, read out of an exported model: what its graph computes with, under the net's own names.

The exporter keeps the names of most tensors and folds the rest into constants, whose place in the graph tells whose
they are. Weights that are stored in fewer bits are widened as the runtime widens them; matrices that are multiplied in
integers are their levels times the scale of each column.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from cad.errors import OptionError
from cad.export.absent_faces import look_at_all
from cad.export.integer_products import integer_matrices
from cad.models.lags import _SHARPNESS
from cad.models.standardize import SETTLING_BATCHES
from cad.plain_file import read_plain
from cad.weights import find_entry, list_entries, read_verified
from cad.weights.onnx_bytes import check_self_contained
from cad.weights.registry import MANIFEST_NAME, MAX_MODEL_BYTES, WeightsEntry, is_plain_name

#: What only the losses use, and no exported graph has.
TRAINING_ONLY = ("distill.", "align.prototypes.")
#: Beside a fusion that takes the streams' logits alone, what makes features, which only the losses use then.
_FEATURES = (
    "fusion.absent", "fusion.norms.", "fusion.joint.",
    "audio_head.feature.", "video_head.face.feature.", "video_head.lips.feature.", "video_head.large.feature.",
    "video_head.feature_norm.",
    "align.video_to_audio.out.", "align.audio_to_video.out.", "align.shared_norm.", "align.shared_out.",
)  # fmt: skip
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
#: Under which name the exporter's wrapper holds the net.
_PREFIX = "model."

Arrays = dict[str, NDArray[Any]]


def packaged_entry(name: str) -> WeightsEntry | None:
    """Return the packaged weights ``name``, the newest of a family (``cad_small``), or those of a folder; or None."""
    if (Path(name) / MANIFEST_NAME).is_file():
        return find_entry(name)
    if not is_plain_name(name):
        return None
    detectors = {entry.name: entry for entry in list_entries("detector")}
    # A second number is that of a calibration.
    member = re.compile(re.escape(name) + r"_(\d+(?:_\d+)*)")
    numbers = {tuple(map(int, found[1].split("_"))): one for one in detectors if (found := member.fullmatch(one))}
    return detectors.get(name) or (detectors[numbers[max(numbers)]] if numbers else None)


def network_of(entry: WeightsEntry | None) -> str:
    """Return the network that packaged weights are of by their name, ``cad_small`` where the name does not tell."""
    return "cad_base" if entry is not None and entry.name.startswith("cad_base") else "cad_small"


def packaged_names() -> list[str]:
    """Return the names of the detectors in the package."""
    return [entry.name for entry in list_entries("detector")]


def read_packaged(source: WeightsEntry | Path, net: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of an exported model by the names of ``net``, which has the same architecture.

    Convolutions come with their BatchNorm folded in: the norm behind them becomes one that only adds the bias (see
    ``is_folded``). What the graph lacks is left out.

    Args:
        source: Weights of the package or of a folder, or an ONNX file.
        net: Gives names, shapes and order.

    Raises:
        OptionError: The file is no ONNX graph of this project's exporter.
        WeightsIntegrityError: The file is not the one that its manifest describes.
        WeightsError: It is not an ONNX file, or keeps weights outside of itself.
    """
    where = str(source if isinstance(source, Path) else source.path)
    try:
        content = read_plain(source, MAX_MODEL_BYTES) if isinstance(source, Path) else read_verified(source)
        check_self_contained(content, where)  # the ONNX package would read what lies outside
        graph = onnx.load_from_string(content).graph
    except (OSError, DecodeError) as error:
        raise OptionError(f"start_from: {where} cannot be read as an ONNX model ({error})") from error
    look_at_all(graph)
    own, constants = net.state_dict(), _constants(graph)
    found: dict[str, NDArray[Any]] = {
        name.removeprefix(_PREFIX): value for name, value in constants.items() if name.startswith(_PREFIX)
    }
    found |= _linear(graph, constants)
    found |= _folded_norms(found, net)
    found |= _standardizers(graph, constants)
    found |= _alignment(graph, constants, own)
    found |= _large_judge(graph, constants)
    found |= _fusion(graph, constants)
    found |= _merged(found, own)
    return {
        name: torch.from_numpy(np.array(found[name])).to(value.dtype)
        for name, value in own.items()
        if name in found and found[name].shape == tuple(value.shape)
    }


def training_only(net: nn.Module) -> tuple[str, ...]:
    """Return beginnings of the names of what no graph has that was exported from a net like this one."""
    of_logits_alone = getattr(getattr(net, "fusion", None), "kind", "") == "strongest"
    return (*TRAINING_ONLY, *(_FEATURES if of_logits_alone else ()))


def is_folded(layer: nn.Module) -> bool:
    """Return whether a layer is a BatchNorm that an export folded away: it divides by one and subtracts nothing.

    What it normalised by is lost, so that its statistics must rest: a batch's own would rescale every channel.
    """
    if not isinstance(layer, BATCH_NORMS) or layer.running_var is None or layer.running_mean is None:
        return False
    return bool((layer.running_var == torch.tensor(1 - layer.eps)).all() and not layer.running_mean.any())


def _constants(graph: onnx.GraphProto) -> Arrays:
    """Return the initializers, and what casts and products of them alone make (see ``cad.export.precision``)."""
    constants: Arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("Cast", "Mul") and all(name in constants for name in node.input):
            values = [constants[name] for name in node.input]
            constants[node.output[0]] = values[0].astype(np.float32) if len(values) == 1 else values[0] * values[1]
    return constants


def _linear(graph: onnx.GraphProto, constants: Arrays) -> Arrays:
    """Return the matrices of linear layers: turned over and nameless, beside a bias that kept its name."""
    products: Arrays = {
        node.output[0]: constants[node.input[1]]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in constants
    }
    products |= integer_matrices(graph, constants)
    found: Arrays = {}
    for node in graph.node:
        if node.op_type == "Add":
            for one, other in (node.input, reversed(node.input)):
                if one.startswith(_PREFIX) and one.endswith(".bias") and other in products:
                    found[f"{one.removeprefix(_PREFIX).removesuffix('bias')}weight"] = products[other].T
    return found


def _folded_norms(found: Arrays, net: nn.Module) -> Arrays:
    """Return a BatchNorm that adds a bias for each convolution that came with one which was not its own."""
    norms: Arrays = {}
    layers = [
        (name, layer) for name, layer in net.named_modules() if next(layer.parameters(recurse=False), None) is not None
    ]
    following = {name: behind for (name, _), behind in itertools.pairwise(layers)}
    following = {name: behind for name, behind in following.items() if isinstance(behind[1], BATCH_NORMS)}
    for name in [name.removesuffix(".weight_bias") for name in found if name.endswith(".weight_bias")]:
        if name in following:
            behind, norm = following[name]
            bias = found[f"{name}.weight_bias"]
            norms |= {
                f"{behind}.weight": np.ones_like(bias),
                f"{behind}.bias": bias,
                f"{behind}.running_mean": np.zeros_like(bias),
                f"{behind}.running_var": np.full_like(bias, 1 - norm.eps),
                f"{behind}.num_batches_tracked": np.array(1),
            }
    return norms


def _standardizers(graph: onnx.GraphProto, constants: Arrays) -> Arrays:
    """Return the running squares behind the reciprocal deviations by which differences from a mean are multiplied."""
    means = {
        node.output[0]: node.input[1].removeprefix(_PREFIX).removesuffix("mean")
        for node in graph.node
        if node.op_type == "Sub" and node.input[1].startswith(_PREFIX) and node.input[1].endswith(".mean")
    }
    found: Arrays = {}
    for node in graph.node:
        if node.op_type == "Mul" and node.input[0] in means and node.input[1] in constants:
            layer = means[node.input[0]]
            mean = constants[f"{_PREFIX}{layer}mean"].astype(np.float64)
            found[f"{layer}square"] = constants[node.input[1]].astype(np.float64) ** -2 + mean**2
            found[f"{layer}batches"] = np.array(SETTLING_BATCHES)
    return found


def _alignment(graph: onnx.GraphProto, constants: Arrays, own: Mapping[str, Tensor]) -> Arrays:
    """Return the biases of the lags, in the order in which they are looked up, and the scale of the similarity."""
    biases = [node.input[0] for node in graph.node if node.op_type == "GatherND" and node.input[0] in constants]
    names = [name for name in own if name.endswith(".lag_bias")]
    found: Arrays = {name: constants[bias].T for name, bias in zip(names, biases, strict=False)}
    scaled = {
        node.output[0]: constants[node.input[1]]
        for node in graph.node
        if node.op_type == "Mul" and node.input[1] in constants and constants[node.input[1]].shape == ()
    }
    for node in graph.node:
        is_sharpened = node.op_type == "Mul" and node.input[0] in scaled and node.input[1] in constants
        if is_sharpened and constants[node.input[1]] == _SHARPNESS:
            found["align.log_scale"] = np.log(scaled[node.input[0]])
    return found


def _large_judge(graph: onnx.GraphProto, constants: Arrays) -> Arrays:
    """Return the large judge's scale and feature, and the weights of both judges from their softplus."""
    judge, mixture = "video_head.large.", "video_head.mixture."
    maker = {output: node for node in graph.node for output in node.output}
    found: Arrays = {}
    for node in graph.node:
        if node.op_type == "Add" and f"{_PREFIX}{judge}line.bias" in node.input:
            line = maker.get(next(name for name in node.input if name != f"{_PREFIX}{judge}line.bias"))
            scaled = maker.get(line.input[0]) if line is not None and line.op_type == "MatMul" else None
            if line is None or scaled is None or scaled.op_type != "Mul" or scaled.input[1] not in constants:
                continue
            found[f"{judge}log_scale"] = np.log(constants[scaled.input[1]])
            for other in graph.node:  # the other product with the same tokens, which has no bias to tell it by
                is_feature = other.op_type == "MatMul" and other.input[0] == scaled.output[0] and other is not line
                if is_feature and other.output != line.output and other.input[1] in constants:
                    found[f"{judge}feature.weight"] = constants[other.input[1]].T
        elif node.op_type == "Mul":
            # Standardised logits, a division by the spread, times what counts: weights where a judge is present.
            one, other = (maker.get(name) for name in node.input)
            is_standard = one is not None and one.op_type == "Div" and one.input[1] == f"{_PREFIX}{mixture}spread"
            if is_standard and other is not None and other.op_type == "Mul" and other.input[0] in constants:
                found[f"{mixture}weights"] = _before_softplus(constants[other.input[0]])
    return found


def _fusion(graph: onnx.GraphProto, constants: Arrays) -> Arrays:
    """Return the weights of the streams from their softplus, and the sharpness of their evidence from its sigmoid."""
    maker = {output: node.op_type for node in graph.node for output in node.output}
    found: Arrays = {}
    for node in graph.node:
        if node.op_type != "Mul" or node.input[0] not in constants or node.input[0].startswith(_PREFIX):
            continue
        factor, of = constants[node.input[0]], maker.get(node.input[1])
        if of == "Where" and factor.shape == (3,):
            found["fusion.sum_weights"] = _before_softplus(factor)
        elif of == "ReduceLogSumExp" and factor.shape == ():
            found["fusion.maximum_weight"] = _before_softplus(factor)
    return found | _evidence(graph, constants)


def _evidence(graph: onnx.GraphProto, constants: Arrays) -> Arrays:
    """Return scale and sharpness of a fusion ``strongest``: the factors before and behind its biases."""
    bias = f"{_PREFIX}fusion.evidence_bias"
    maker = {output: node for node in graph.node for output in node.output}
    found: Arrays = {}
    for node in graph.node:
        if node.op_type != "Add" or bias not in node.input:
            continue
        scaled = maker[next(name for name in node.input if name != bias)]
        behind = next(other for other in graph.node if other.op_type == "Mul" and node.output[0] in other.input)
        scale, sharpness = (next(constants[name] for name in of.input if name in constants) for of in (scaled, behind))
        found["fusion.evidence_scale"] = _before_softplus(scale)
        found["fusion.evidence_sharpness"] = np.log(sharpness / (1 - sharpness))
    return found


def _merged(found: Arrays, own: Mapping[str, Tensor]) -> Arrays:
    """Return tensors that never moved (a norm's ones): the exporter keeps one of several that are the same."""
    kept: dict[tuple[int, ...], list[NDArray[Any]]] = defaultdict(list)
    for value in found.values():
        kept[value.shape].append(value)
    merged: Arrays = {}
    for name, tensor in own.items():
        value = tensor.detach().cpu().numpy()
        if name not in found and value.ndim == 1 and any((value == other).all() for other in kept[value.shape]):
            merged[name] = value
    return merged


def _before_softplus(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.log(np.expm1(values.astype(np.float64))))
