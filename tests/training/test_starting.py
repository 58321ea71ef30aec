# SPDX-License-Identifier: Apache-2.0
"""What a run begins from: the package's weights say what they say in the product, and no part stays at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_cad
import torch
from requirements import needs
from safetensors.torch import save_file

from cad.errors import OptionError
from cad.export.checkpoint import spec_of
from cad.export.graph import export_graph
from cad.export.parity import ATOL, RTOL, parity_cases
from cad.models import CadModel, create_model
from cad.spec import INPUTS, OUTPUTS
from cad.training.in_use import heads_of, require_starts
from cad.training.packaged import BATCH_NORMS, TRAINING_ONLY, is_folded, network_of, packaged_entry
from cad.training.parameters import ParameterGroup, freeze, rest_frozen_parts
from cad.training.start import StartFrom, load_parts
from cad.weights import list_entries, read_verified
from cad.weights.session import open_session

#: The outputs in which the large judge has a part.
BY_THE_LARGE_JUDGE = ("fused_logit", "video_logit", "video_frame_logits")

pytestmark = needs("train", "weights")


@pytest.fixture(scope="module")
def started() -> CadModel:
    net = create_model("cad_small")
    load_parts(net, [StartFrom("cad_small")])
    return net.eval()


@pytest.mark.parametrize("name", [entry.name for entry in list_entries("detector")])
def test_packaged_weights_say_what_they_say_in_the_product(name: str) -> None:
    family = network_of(packaged_entry(name))
    net = create_model(family)
    taken = load_parts(net, [StartFrom(name)])
    assert {key.split(".")[0] for key in net.state_dict().keys() - taken} == set()
    net.eval()
    entry = packaged_entry(name)
    assert entry is not None
    session = open_session(read_verified(entry), name)
    for case, inputs in parity_cases():
        # Not silence: a still picture under it leaves rounding errors alone to align (cad.models.alignment).
        if case not in ("noise 3x37", "no picture 3x37", "no sound 3x37"):
            continue
        with torch.inference_mode():
            output = net(*(torch.from_numpy(inputs[key]) for key in INPUTS))
        for key, found in zip(OUTPUTS, session.run(list(OUTPUTS), inputs), strict=True):
            # In the product each input of the large transformer's layers is rounded, too, which on noise shows most.
            atol = 1.5 if family == "cad_base" and key in BY_THE_LARGE_JUDGE else ATOL
            np.testing.assert_allclose(getattr(output, key).numpy(), found, RTOL, atol, err_msg=f"{key}: {case}")


def test_a_family_name_means_its_newest_member(started: CadModel) -> None:
    entry = packaged_entry("cad_small")
    assert entry is not None and entry.name.removeprefix("cad_small_").replace("_", "").isdigit()
    assert packaged_entry("cad_larger") is None
    with pytest.raises(OptionError, match=r"there is no cad_larger, neither .* nor in the package \(.*cad_small_"):
        load_parts(started, [StartFrom("cad_larger")])


def test_folded_norms_rest_while_the_net_learns(started: CadModel) -> None:
    norms = [module for module in started.modules() if isinstance(module, BATCH_NORMS)]
    assert norms and all(map(is_folded, norms))
    started.train()
    rest_frozen_parts(started)
    assert not any(norm.training for norm in norms) and started.align.training
    started.eval()
    assert not any(is_folded(module) for module in create_model("cad_small").modules())


def test_parts_of_packaged_weights_can_be_taken() -> None:
    net = create_model("cad_small")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    taken = load_parts(net, [StartFrom("cad_small", ["audio_head.", "standardize_speech."])])
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved <= taken and all(name.startswith(("audio_head.", "standardize_speech.")) for name in taken)
    assert {"audio_head.logit.weight", "audio_head.standardize.square"} <= moved


@pytest.mark.slow
def test_an_exported_net_of_ones_own_can_be_taken_up_again(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net, other = tiny_cad.tiny_shapes(), tiny_cad.tiny_shapes()
    path = tmp_path / "own.onnx"
    path.write_bytes(export_graph(net, spec_of(net.config, "own", {})).SerializeToString())
    load_parts(other, [StartFrom(str(path))])
    inputs = tiny_cad.windows()
    with torch.inference_mode():
        a, b = net.eval()(*inputs), other.eval()(*inputs)
    for name in OUTPUTS:
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=RTOL, atol=ATOL)
    with pytest.raises(OptionError, match=r"start_from: .*own\.onnx: part '' of the file and of the net differ"):
        load_parts(tiny_cad.tiny_shapes(width=16), [StartFrom(str(path))])


def test_the_folder_of_a_run_means_its_best_weights(tmp_path: Path) -> None:
    net = torch.nn.Linear(2, 2)
    for folder, value in ((tmp_path, 1.0), (tmp_path / "best", 2.0)):
        folder.mkdir(exist_ok=True)
        save_file({"weight": torch.full((2, 2), value), "bias": torch.zeros(2)}, folder / "model.safetensors")
    load_parts(net, [StartFrom(str(tmp_path))])
    assert net.weight.detach().unique().tolist() == [2.0]
    load_parts(net, [StartFrom(str(tmp_path / "model.safetensors"))])
    assert net.weight.detach().unique().tolist() == [1.0]


@pytest.mark.parametrize(
    ("options", "frozen", "started", "text"),
    [
        ({}, ("audio_head.*",), (), r"^audio_head: stays at its random start, since it neither learns"),
        ({}, ("audio_head.hidden.*", "audio_head.logit.*"), (), r"^audio_head: .*\(4 tensors"),
        ({}, ("audio_head.*", "video_head.*"), ("audio_head.",), "^video_head: stays"),
        ({}, ("audio_head.*", "fusion.*"), ("audio_head.", "fusion."), ""),
        ({"streams": ["video"]}, ("audio_head.*", "align.*", "lip_encoder.*", "fusion.*", "distill.*"), (), ""),
    ],
)
def test_a_part_that_stays_at_random_is_an_error(
    options: dict[str, list[str]], frozen: tuple[str, ...], started: tuple[str, ...], text: str
) -> None:
    net = tiny_cad.tiny_shapes(**options)
    net.speech_encoder.origin = "a package"
    freeze(net, [*(ParameterGroup(match, 0.0) for match in frozen), ParameterGroup("*", 0.1)])
    names = [name for name in net.state_dict() if name.startswith(started)] if started else []
    if not text:
        require_starts(net, names)
        return
    with pytest.raises(OptionError, match=text):
        require_starts(net, names)


def test_heads_that_a_net_lacks_do_not_count() -> None:
    assert heads_of(tiny_cad.tiny_shapes(streams=["audio"])) == ("fused", "audio")
    assert heads_of(torch.nn.Linear(1, 1)) == ("fused", "video", "audio", "sync")
    assert all(name.startswith(("distill.", "align.")) for name in TRAINING_ONLY)
