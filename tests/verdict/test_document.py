# SPDX-License-Identifier: Apache-2.0
"""Verdicts as JSON, there and back, and the schema that describes them."""

from __future__ import annotations

import dataclasses
import json
from importlib.resources import files

import jsonschema
import pytest
from made_analysis import analysis, face, track
from tiny_model import tiny_spec

from cad.errors import DocumentError, MediaUnreadableError
from cad.media.records import MediaKind
from cad.verdict.document import error_document, json_text, verdict_schema
from cad.verdict.judge import judge
from cad.verdict.records import Verdict


def verdicts():
    two = face(0, 100, track=0, fused=3.0, video=2.0) + face(0, 100, track=1, sync=3.0)
    yield judge(analysis(two, [track(0), track(1)]), tiny_spec())
    yield judge(analysis(face(0, 100, track=None, audio=3.0), kind=MediaKind.AUDIO), tiny_spec())
    yield judge(analysis([], [], speech_slots=None, coverage=0.1), tiny_spec())
    yield judge(analysis(face(0, 1), slots=1, kind=MediaKind.IMAGE, speech_slots=None), tiny_spec())


@pytest.mark.parametrize("verdict", list(verdicts()), ids=["faces", "sound", "nothing", "still"])
def test_what_is_written_fits_the_schema_and_is_read_back(verdict):
    text = verdict.to_json()
    jsonschema.validate(json.loads(text), verdict_schema())
    again = Verdict.from_json(text)
    assert again.to_json() == text
    assert (again.label, again.reasons, again.model) == (verdict.label, verdict.reasons, verdict.model)
    assert Verdict.from_json(verdict.to_json(indent=2)) == again


def test_the_schema_that_is_shipped_is_the_one_of_the_records():
    shipped = json.loads(files("cad.verdict").joinpath("schema.json").read_text(encoding="utf-8"))
    assert shipped == verdict_schema(), "run: python -m cad.verdict.document > cad/verdict/schema.json"
    jsonschema.Draft202012Validator.check_schema(shipped)


def test_every_key_of_the_schema_is_described():
    verdict = verdict_schema()["oneOf"][0]
    for name, about in verdict["properties"].items():
        assert name == "schema" or about["description"], name
        for inner, said in about.get("properties", {}).items():
            assert said["description"], f"{name}.{inner}"


def test_an_error_fits_the_schema():
    document = error_document("a.mp4", MediaUnreadableError("a.mp4", "no media"))
    jsonschema.validate(document, verdict_schema())
    with pytest.raises(DocumentError, match="could not be read"):
        Verdict.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"label": "maybe"}, "label is 'maybe'; accepted are fake, real, inconclusive"),
        ({"label": None}, "label"),
        ({"segments": {}}, "segments is dict"),
        ({"probability_fake": True}, "probability_fake is bool"),
        ({"faces": [{}]}, r"faces\[0\] lacks 'id'"),
        ({"schema": "cad.verdict/9"}, "cad.verdict/1"),
    ],
)
def test_a_wrong_document_is_named_by_its_key(change, says):
    document = next(verdicts()).to_dict() | change
    with pytest.raises(DocumentError, match=says):
        Verdict.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "12", b"\xff\xfe\x00"])
def test_what_is_no_document_is_said_in_a_line(text):
    with pytest.raises(DocumentError):
        Verdict.from_json(text)


def test_keys_that_a_later_version_adds_are_passed_over_and_those_of_an_earlier_one_may_lack():
    document = next(verdicts()).to_dict()
    assert Verdict.from_json(json.dumps(document | {"later": 1})) == Verdict.from_json(json.dumps(document))
    for key in ("curves", "operating_points", "nets", "versions"):
        del document[key]
    assert Verdict.from_json(json.dumps(document)).curves == {}


def test_indented_json_keeps_a_curve_on_one_line():
    verdict = next(verdicts())
    lines = json_text(verdict.to_dict(), indent=2).splitlines()
    assert sum('"probabilities": [' in line and line.endswith("]") for line in lines) == 3
    assert len(lines) < 200


def test_numbers_that_json_lacks_become_null():
    strange = dataclasses.replace(next(verdicts()), probability_fake=float("nan"))
    assert strange.to_dict()["probability_fake"] is None
