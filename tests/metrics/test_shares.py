# SPDX-License-Identifier: Apache-2.0
"""Shares by rows and by sources, and that their intervals are as wide as people and sources are few."""

from __future__ import annotations

import numpy as np
import pytest

from cad.metrics.shares import by_rows, by_sources


def test_a_large_source_counts_as_one_source():
    found = np.array([True] * 90 + [False] * 10)
    sources = np.array(["big"] * 90 + [f"small {n}" for n in range(10)], dtype=object)
    assert by_rows(found, sources, 0, 0).value == 0.9
    assert by_sources(found, sources, 0, 0).value == pytest.approx(1 / 11)


def test_intervals_are_those_of_the_binomial_where_every_row_is_its_own(rng):
    found, alone = rng.random(400) < 0.1, np.array([""] * 400, dtype=object)
    estimate = by_rows(found, alone, 2000, 1)
    spread = 1.96 * np.sqrt(estimate.value * (1 - estimate.value) / 400)
    assert (estimate.low, estimate.high) == pytest.approx((estimate.value - spread, estimate.value + spread), abs=0.006)
    few = np.array([f"person {n % 4}" for n in range(400)], dtype=object)
    assert by_rows(found, few, 2000, 1).value == estimate.value


def test_rows_of_one_person_are_one_witness():
    found = np.array([True] * 50 + [False] * 50)
    people = np.array(["ann"] * 50 + ["bob"] * 50, dtype=object)
    estimate = by_rows(found, people, 500, 0)
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.0, 1.0)
    one = by_sources(found, np.array(["page"] * 100, dtype=object), 500, 0)
    assert one.value == 0.5 and np.isnan(one.low)
    assert np.isnan(by_rows(found[:0], people[:0], 10, 0).value) and np.isnan(
        by_sources(found[:0], people[:0], 10, 0).value
    )
