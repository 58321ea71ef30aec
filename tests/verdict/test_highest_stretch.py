# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad.verdict.stretches import MIN_KNOWN_SHARE, Stretch, highest_stretch, stretch_lengths
from cad.verdict.timeline import Line


def test_lengths_double_up_to_half_of_what_was_judged_and_a_short_file_has_none():
    assert stretch_lengths(0) == stretch_lengths(75) == stretch_lengths(99) == []
    assert stretch_lengths(100) == [50]
    assert stretch_lengths(1500) == [50, 100, 200, 400]


def test_the_highest_stretch_is_where_it_is():
    line = np.full(500, -2.0)
    line[210:260] = 3.0
    assert highest_stretch(Line(0, line), 50) == Stretch(210, 260, pytest.approx(3.0))
    longer = highest_stretch(Line(0, line), 100)
    assert longer.mean == pytest.approx(0.5) and longer.first_slot <= 210 and longer.stop_slot >= 260


def test_too_little_is_no_stretch_and_unknown_ends_are_cut_off():
    line = np.full(200, np.nan)
    line[60:84] = 5.0
    assert highest_stretch(Line(0, line), 50) is None
    line[84] = 5.0
    assert highest_stretch(Line(0, line), 50) == Stretch(60, 85, pytest.approx(5.0))
    assert highest_stretch(Line(0, np.full(30, 1.0)), 50) == Stretch(0, 30, 1.0)


def test_no_stretch_crosses_a_joint():
    line = np.full(300, -1.0)
    line[100:150] = 4.0
    whole, cut = highest_stretch(Line(0, line), 50), highest_stretch(Line(0, line), 50, joints=[125])
    assert (whole.first_slot, whole.stop_slot) == (100, 150)
    assert cut.stop_slot <= 125 or cut.first_slot >= 125
    assert cut.mean == pytest.approx(1.5)


@given(
    st.lists(st.one_of(st.floats(-9, 9), st.just(float("nan"))), min_size=1, max_size=120),
    st.sampled_from([2, 5, 50]),
    st.lists(st.integers(1, 119), max_size=3),
)
def test_it_is_the_highest_of_all_that_are_known_well_enough(values, length, joints):
    line = np.array(values)
    known = np.flatnonzero(~np.isnan(line))
    found = highest_stretch(Line(0, line), length, joints)
    if not len(known):
        assert found is None
        return
    # Only the time from the first known slot to the last one is scanned.
    begin, line = int(known[0]), line[known[0] : known[-1] + 1]
    joints = [joint - begin for joint in joints]
    parts = [line[start : start + length] for start in range(max(len(line) - length, 0) + 1)]
    free = [not any(start < joint < min(start + length, len(line)) for joint in joints) for start in range(len(parts))]
    known = [one[~np.isnan(one)] for one, is_free in zip(parts, free, strict=True) if is_free]
    means = [one.mean() for one in known if len(one) >= MIN_KNOWN_SHARE * length]
    assert (found is None) == (not means)
    if found is not None:
        first, stop = found.first_slot - begin, found.stop_slot - begin
        assert found.mean == pytest.approx(max(means), abs=1e-6)
        assert 0 <= first < stop <= len(line)
        assert not any(first < joint < stop for joint in joints)
        assert not np.isnan(line[[first, stop - 1]]).any()
