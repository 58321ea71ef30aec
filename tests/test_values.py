# SPDX-License-Identifier: Apache-2.0
"""Public records are values: they compare, hash, print in a line and say what their attributes are."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from made_analysis import analysis, face, score, track
from tiny_model import tiny_spec

import cad
from cad.values import ValueRecord

PUBLIC = {name: getattr(cad, name) for name in cad.__all__}
RECORDS = [one for one in PUBLIC.values() if dataclasses.is_dataclass(one)]


def made():
    scores = face(0, 100, track=0, fused=3.0) + face(0, 100, track=1)
    return analysis(scores, [track(0), track(1)])


def test_every_public_name_loads():
    assert len(PUBLIC) == len(cad.__all__) > 50


def test_every_error_of_the_tree_is_public():
    from cad import errors

    tree = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, cad.CadError)}
    assert tree <= set(PUBLIC)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_public_record_is_frozen_and_says_what_each_attribute_is(record):
    assert record.__dataclass_params__.frozen
    said = set(re.findall(r"^        (\w+): ", str(record.__doc__), re.MULTILINE))
    missing = {field.name for field in dataclasses.fields(record)} - said
    assert not missing, f"{record.__name__} does not say what {', '.join(sorted(missing))} is"


def test_an_analysis_and_a_verdict_are_values():
    one, other = made(), made()
    assert one == other and len({one, other}) == 1
    assert one != dataclasses.replace(other, slots=99)
    first, second = cad.judge(one, tiny_spec()), cad.judge(other, tiny_spec())
    assert first == second and len({first, second}) == 1
    assert first != dataclasses.replace(second, label=cad.Label.REAL)
    assert cad.calibrate(one, tiny_spec()) == cad.calibrate(other, tiny_spec())
    assert hash(tiny_spec()) == hash(tiny_spec())


def test_scores_with_arrays_compare_by_every_element():
    assert score() == score() and score() != score(video=1.0)
    assert score(frames_present=np.zeros(50, bool)) != score()


@pytest.mark.parametrize("thing", [made(), cad.judge(made(), tiny_spec()), score(), tiny_spec()], ids=type)
def test_a_repr_fits_a_line(thing):
    assert "\n" not in repr(thing) and len(repr(thing)) <= 120


def test_another_type_is_never_equal():
    @dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
    class Twin(ValueRecord):
        number: int

    @dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
    class Other(ValueRecord):
        number: int

    assert Twin(1) == Twin(1) and Twin(1) != Other(1) and Twin(1) != 1
