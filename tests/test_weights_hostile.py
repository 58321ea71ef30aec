# SPDX-License-Identifier: Apache-2.0
"""Weights that somebody made to mislead or to harm: one WeightsError with a name, and nothing outside is read."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tiny_model import tiny_onnx, tiny_spec, write_weights

import cad.weights.registry as registry
from cad.cli import ExitCode, print_models
from cad.errors import SpecMismatchError, WeightsError, WeightsIntegrityError, WeightsNotFoundError
from cad.runtime.scorer import Scorer
from cad.runtime.session import open_model
from cad.spec import METADATA_KEY
from cad.weights import find_entry, read_verified
from cad.weights.onnx_bytes import LEADS_TO_TENSORS, MAX_DEPTH, check_self_contained
from cad.weights.session import open_session

GOOD = {"kind": "detector", "file": "model.onnx", "sha256": "0" * 64}


# Weights that lie outside of the file.


def outside(location: str = "outside.bin", name: str = "two") -> TensorProto:
    """A float whose value stands in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": "0", "length": "4"}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def branch(name: str, tensor: TensorProto) -> onnx.GraphProto:
    """A graph without inputs that gives a stored tensor."""
    value = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [])
    return helper.make_graph(
        [helper.make_node("Identity", [tensor.name], [f"{name}_out"])], name, [], [value], [tensor]
    )


def in_an_initializer(model: onnx.ModelProto) -> None:
    kept = [one for one in model.graph.initializer if one.name != "two"]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, outside()])


def in_a_constant(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["spare"], value=outside()))


def in_a_branch(model: onnx.ModelProto) -> None:
    yes = numpy_helper.from_array(np.array(True), "yes")
    inside = numpy_helper.from_array(np.array(1, np.float32), "inside")
    branches = {"then_branch": branch("then", outside(name="far")), "else_branch": branch("else", inside)}
    model.graph.initializer.append(yes)
    model.graph.node.append(helper.make_node("If", ["yes"], ["spare"], **branches))


def in_a_branch_of_a_function(model: onnx.ModelProto) -> None:
    nodes = [
        helper.make_node("If", ["x"], ["y"], then_branch=branch("a", outside()), else_branch=branch("b", outside()))
    ]
    model.functions.append(helper.make_function("own", "F", ["x"], ["y"], nodes, [helper.make_opsetid("", 18)]))


def in_a_sparse_tensor(model: onnx.ModelProto) -> None:
    indices = numpy_helper.from_array(np.array([0], np.int64), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(outside(), indices, [4]))


def in_training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.CopyFrom(branch("train", outside()))


def without_a_place(model: onnx.ModelProto) -> None:
    """Only said to lie elsewhere."""
    tensor = TensorProto(name="spare", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    model.graph.initializer.append(tensor)


PLACES: dict[str, Callable[[onnx.ModelProto], None]] = {
    one.__name__: one
    for one in (
        in_an_initializer, in_a_constant, in_a_branch, in_a_branch_of_a_function, in_a_sparse_tensor, in_training,
        without_a_place,
    )
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_weights_outside_of_the_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[onnx.ModelProto], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outside.bin").write_bytes(np.float32(2.0).tobytes())  # where ONNX Runtime would find it
    model = onnx.load_from_string(tiny_onnx(tiny_spec()))
    place(model)
    folder = write_weights(tmp_path / "weights", model.SerializeToString())
    with pytest.raises(WeightsError, match="outside of itself"):
        Scorer(str(folder))


def test_the_walk_knows_every_way_to_a_tensor() -> None:
    """Held against the ONNX package's own description of the format."""
    parts: dict[str, dict[int, str]] = {}
    waiting = [onnx.ModelProto.DESCRIPTOR]
    while waiting:
        message = waiting.pop()
        inner = [field for field in message.fields if field.message_type is not None]
        parts[message.name] = {field.number: field.message_type.name for field in inner}
        waiting += [field.message_type for field in inner if field.message_type.name not in parts]
    leading, before = {"TensorProto"}, set[str]()
    while leading != before:
        before = leading
        leading = leading | {name for name, fields in parts.items() if leading & set(fields.values())}
    ways = {name: {number: inner for number, inner in parts[name].items() if inner in leading} for name in leading}
    assert ways == LEADS_TO_TENSORS


def test_a_graph_nested_too_deeply_is_no_onnx_file() -> None:
    content = b""
    for _ in range(200):  # a graph in an attribute of a node of a graph ...
        for number in (6, 5, 1):
            content = bytes([number << 3 | 2]) + varint(len(content)) + content
    with pytest.raises(WeightsError, match=f"nested more than {MAX_DEPTH} deep"):
        check_self_contained(b"\x3a" + varint(len(content)) + content, "deep")


def test_a_file_of_nothing_but_tiny_fields_ends_soon() -> None:
    began = time.monotonic()
    with pytest.raises(WeightsError, match="fields"):
        check_self_contained(b"\x08\x01" * 5_000_000, "many")
    assert time.monotonic() - began < 20


def varint(number: int) -> bytes:
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def test_operators_of_a_library_of_ones_own_are_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(tiny_onnx(tiny_spec()))
    model.graph.node.append(helper.make_node("Steal", ["frames_present"], ["spare"], domain="evil"))
    model.opset_import.append(helper.make_opsetid("evil", 1))
    folder = write_weights(tmp_path / "weights", model.SerializeToString())
    with pytest.raises(WeightsError, match="cannot load"):
        Scorer(str(folder))


def test_onnx_runtimes_own_format_is_refused() -> None:
    with pytest.raises(WeightsError):
        open_session(b"\x18\x00\x00\x00ORTM" + bytes(200), "runtime")


# What lies where the model or the manifest should.


def linked_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 << 30)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "zeros": (linked_to("/dev/zero"), "device, pipe or socket"),
    "pipe": (os.mkfifo, "device, pipe or socket"),
    "folder": (Path.mkdir, "directory"),
    "loop": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "nowhere": (linked_to("nowhere"), "No such file"),
    "100 GiB": (sparse, "the limit is"),
    "empty": (Path.touch, "empty"),
}


@pytest.mark.parametrize(("make", "words"), NO_FILES.values(), ids=NO_FILES)
@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_what_is_no_file_is_named_and_never_read(
    tmp_path: Path, name: str, make: Callable[[Path], object], words: str
) -> None:
    folder = write_weights(tmp_path / "weights", tiny_onnx(tiny_spec()))
    (folder / name).unlink()
    make(folder / name)
    with pytest.raises(WeightsError, match=rf"{name}.* cannot be read: .*{words}"):
        read_verified(find_entry(str(folder)))
    if name == "model.onnx":
        with pytest.raises(WeightsNotFoundError, match=words):
            find_entry(str(folder / name))


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "x" * 5000 + ".onnx", "\udcff.onnx"])
def test_a_name_that_is_no_path_is_only_unknown(name: str) -> None:
    with pytest.raises(WeightsNotFoundError):
        find_entry(name)


# Manifests.

BAD_MANIFESTS: dict[str, tuple[bytes, str]] = {
    "brackets": (b"[" * 200_000, "nested"),
    "objects": (b'{"a":' * 200_000, "nested"),
    "deep": (json.dumps({**GOOD, "figures": {"a": eval("[" * 40 + "]" * 40)}}).encode(), "nested"),
    "list": (b"[]", "a list"),
    "null": (b"null", "not an object"),
    "not UTF-8": (b'{"kind": "\xff"}', "utf-8"),
    "mark": (b"\xef\xbb\xbf{}", "BOM"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), "utf-8"),
    "twice": (b'{"kind": "face", "kind": "detector"}', "'kind' stands there twice"),
    "NaN": (b'{"figures": {"auc": NaN}}', "figures.auc is nan"),
    "infinite": (b'{"figures": {"auc": [1, -Infinity]}}', "figures.auc is -inf"),
    "too large": (b'{"figures": {"auc": 1e999}}', "figures.auc is inf"),
    "long": (b'{"bytes": 1' + b"0" * 100_000 + b"}", "digits"),
    "65 bits": (b'{"bytes": 36893488147419103232}', "bytes has more than 64 bits"),
    "half a pair": (b'{"trained_on": "\\ud800"}', "trained_on has"),
    "new line": (b'{"figures": {"auc": "1\\nreal_1 (detector, default)"}}', "figures.auc has"),
    "escape": (b'{"figures": {"\\u001b[2J": 1}}', "the key has"),
    "1 GB": (b" " * (2 << 20), "the limit is"),
    **{
        f"{key} {value!r}": (json.dumps({**GOOD, key: value}).encode(), key)
        for key, value in [
            ("kind", 5), ("kind", ["detector"]), ("kind", {}), ("kind", None), ("file", 7), ("file", ["model.onnx"]),
            ("sha256", 12), ("sha256", None), ("sha256", "0" * 63), ("sha256", "g" * 64), ("sha256", "0" * 65),
            ("bytes", "many"), ("bytes", True), ("bytes", 1.5), ("default", "false"), ("default", 1),
            ("trained_on", []), ("commit", 3), ("figures", []), ("figures", "0.9"), ("figures", None),
        ]
    },
    **{f"no {key}": (json.dumps({k: v for k, v in GOOD.items() if k != key}).encode(), key) for key in GOOD},
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_a_manifest_of_wrong_types_is_one_line_that_names_the_key(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(WeightsIntegrityError, match=words) as caught:
        find_entry(str(tmp_path))
    assert str(tmp_path / "manifest.json") in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with one good detector; what ``cad-detect models`` lists."""
    write_weights(tmp_path / "cad_small_1", b"one", figures={"auc": 0.5})
    monkeypatch.setattr(registry.try_entries, "__defaults__", (tmp_path,))
    yield tmp_path


@pytest.mark.parametrize("as_json", [False, True])
def test_one_bad_folder_does_not_hide_the_others(
    shelf: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    assert print_models(as_json) is ExitCode.OK
    capsys.readouterr()
    write_weights(shelf / "bad", b"two", figures={"auc": "1\nreal_1 (detector, default), 10.6 MB"})
    forged = write_weights(shelf / "name\nreal_1 (detector, default), 10.6 MB", b"three")
    assert print_models(as_json) is ExitCode.WEIGHTS
    shown = capsys.readouterr()
    assert "cad_small_1" in shown.out and "real_1" not in shown.out
    bad, name = shown.err.splitlines()
    assert "figures.auc has control" in bad and str(shelf / "bad") in bad
    assert "the name of the folder has" in name and repr(str(forged / "manifest.json")) in name


# The spec inside the model.


def spec_with(**changes: object) -> str:
    return json.dumps({**json.loads(tiny_spec().to_json()), **changes})


BAD_SPECS: dict[str, tuple[str, str]] = {
    "brackets": ("[" * 200_000, "nested"),
    "list": ("[]", "a list"),
    "NaN": (spec_with(window_frames=float("nan")), "window_frames is nan"),
    "text": (spec_with(window_frames="50"), "window_frames must be a whole number"),
    "fraction": (spec_with(min_frames=12.5), "min_frames must be a whole number"),
    "truth": (spec_with(hop_frames=True), "hop_frames must be a whole number"),
    "name": (spec_with(name=5), "name must be text"),
    "new line": (spec_with(name="a\nb"), "name has"),
    "version": (spec_with(version=[1]), "version"),
    "heads": (spec_with(heads=["poem"]), "heads has poem"),
    "heads are a text": (spec_with(heads="fused"), "heads"),
    "head is a number": (spec_with(heads=[1]), "heads must be a tuple of texts"),
    "calibration is a list": (spec_with(calibration=[1]), "calibration"),
    "scale": (spec_with(calibration={"fused": {"scale": "1"}}), r"Calibration\.scale must be a finite number"),
    "infinite scale": (
        '{"version": 1, "calibration": {"fused": {"scale": 1e999}}}',
        r"calibration\.fused\.scale is inf",
    ),
    "points": (spec_with(operating_points={"fused": 3}), "OperatingPoint"),
    "threshold": (spec_with(operating_points={"fused": {"fake_threshold": 1.5}}), "lie in"),
    "turned": (
        spec_with(operating_points={"fused": {"fake_threshold": 0.2, "real_threshold": 0.4}}),
        "below the first",
    ),
    "unknown": (spec_with(colour="red"), "colour"),
}


@pytest.mark.parametrize(("text", "words"), BAD_SPECS.values(), ids=BAD_SPECS)
def test_a_spec_of_wrong_types_is_named(text: str, words: str) -> None:
    model = onnx.load_from_string(tiny_onnx())
    helper.set_model_props(model, {METADATA_KEY: text})
    with pytest.raises(SpecMismatchError, match=words) as caught:
        open_model(model.SerializeToString(), "made", "cpu", threads=1)
    assert str(caught.value).isprintable()


# Everything else that may happen to a folder.

MODEL = tiny_onnx(tiny_spec())
SPEC_AT = MODEL.index(b"cad.spec")


def mutated(draw: Callable[[Any], Any], content: bytes, first: int = 0) -> bytes:
    """Return bytes of which some, behind the first ones, were changed, left out, doubled or put in."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(first, max(first, len(made) - 1)))
        count = draw(st.integers(0, 20))
        made[at : at + count] = draw(
            st.one_of(
                st.binary(max_size=24), st.just(bytes(made[at : at + 2 * count])),
                st.sampled_from([b"NaN", b"1e999", b"[", b"{", b"\\n", b'"', b"\xff\xff\xff\xff\x0f"]),
            )
        )  # fmt: skip
    return bytes(made)


@settings(
    max_examples=400, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.data())
def test_a_changed_folder_is_a_weights_error_or_works(tmp_path: Path, data: st.DataObject) -> None:
    which = data.draw(st.sampled_from(["manifest", "model", "spec"]))
    content = mutated(data.draw, MODEL, SPEC_AT if which == "spec" else 0) if which != "manifest" else MODEL
    (tmp_path / "model.onnx").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = json.dumps({**GOOD, "sha256": sha256, "figures": {"auc": 0.5}, "default": True}).encode()
    (tmp_path / "manifest.json").write_bytes(mutated(data.draw, manifest) if which == "manifest" else manifest)
    try:
        scorer = Scorer(str(tmp_path), threads=1)
    except WeightsError:
        return
    assert scorer.spec.window_frames >= scorer.spec.min_frames >= 1 and scorer.entry.sha256 == sha256
