# SPDX-License-Identifier: Apache-2.0
"""Finds in graphs the similarities that take one set of points to another: ``cad.faces.align.similarity``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cad.export.embedding.graph_writer import GraphWriter, Value

#: Stands for the spread of points that are all one point, which no similarity fits: the answer is no number's fault.
_LEAST_SPREAD = 1e-9


class Similarities(NamedTuple):
    """Turn, scale and shift of each of several places: it takes x to factor * (x - source) + target, as complex.

    All are float64, as ``cad.faces.align.similarity`` has them: the detector sees the last bit of a crop.

    Attributes:
        factor: (places, 2), real and imaginary.
        source: (places or 1, 2), the middle of the points that are taken.
        target: (places or 1, 2), the middle of those that they are taken to.
    """

    factor: Value
    source: Value
    target: Value

    def scale(self) -> Value:
        """Return how much larger things become, float64 (places, 1)."""
        return (self.factor * self.factor).total(1, keep=True).root()

    def inverse(self, writer: GraphWriter) -> Similarities:
        """Return the way back."""
        squared = (self.factor * self.factor).total(1, keep=True).at_least(_LEAST_SPREAD)
        conjugate = self.factor * writer.constant(np.array([1, -1]), self.factor.dtype)
        return Similarities(conjugate / squared, self.target, self.source)

    def taken(self, writer: GraphWriter, points: Value) -> Value:
        """Return where ``points``, float64 (places or 1, points, 2), are taken to: (places, points, 2)."""
        offsets = points - self.source.widened(1)
        return multiplied(writer, self.factor.widened(1), offsets) + self.target.widened(1)


def similarities(writer: GraphWriter, source: Value, target: Value) -> Similarities:
    """Return the least-squares similarities of places.

    Args:
        writer: Of the graph.
        source: float32 (places or 1, points, 2).
        target: Likewise.
    """
    source, target = source.cast(np.float64), target.cast(np.float64)
    middle, goal = source.mean(1, keep=True), target.mean(1, keep=True)
    here, there = source - middle, target - goal
    spread = (here * here).total(1, 2).at_least(_LEAST_SPREAD).widened(1)
    conjugate = here * writer.constant(np.array([1, -1]), here.dtype)
    factor = multiplied(writer, conjugate, there).total(1) / spread
    return Similarities(factor, middle.reshape(-1, 2), goal.reshape(-1, 2))


def multiplied(writer: GraphWriter, a: Value, b: Value) -> Value:
    """Return products of complex numbers, (..., 2)."""
    a_real, a_imaginary = a.part(0, 1, -1), a.part(1, 2, -1)
    b_real, b_imaginary = b.part(0, 1, -1), b.part(1, 2, -1)
    real = a_real * b_real - a_imaginary * b_imaginary
    return writer.joined(real, a_real * b_imaginary + a_imaginary * b_real, axis=-1)
