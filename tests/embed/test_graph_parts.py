# SPDX-License-Identifier: Apache-2.0
"""Parts of the kit's graphs that stand for functions of OpenCV and of the package give their results to the level."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import onnxruntime
import pytest
from requirements import needs

from cad.faces.align import similarity
from cad.faces.finder import stretched

pytestmark = needs("train")


def run(write: Callable, **inputs: np.ndarray) -> np.ndarray:
    """The output of a graph: ``write(writer, **values)`` gives it of the inputs."""
    from cad.export.embedding.graph_writer import GraphWriter

    writer = GraphWriter("part")
    values = {name: writer.input(name, one.dtype, [None] * one.ndim) for name, one in inputs.items()}
    result = write(writer, **values)
    writer.output("result", result, [f"axis_{axis}" for axis in range(3)])
    session = onnxruntime.InferenceSession(writer.model().SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


@pytest.mark.parametrize("size", [(160, 90), (107, 61), (319, 179), (80, 45), (320, 180), (1, 1)])
def test_a_picture_is_reduced_as_opencv_reduces_it(size: tuple[int, int], rng: np.random.Generator) -> None:
    from cad.export.embedding.areas import area_reduced

    picture = rng.integers(0, 256, (180, 320, 3), dtype=np.uint8)
    sides = np.array(size[::-1])

    def reduce(writer, picture, sides):
        return area_reduced(writer, picture, sides.part(0, 1, 0), sides.part(1, 2, 0))

    away = np.abs(run(reduce, picture=picture, sides=sides) - cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    assert away.max() <= 1 and (away > 0).mean() < 0.0001


@pytest.mark.parametrize("levels", [(0, 255), (20, 80), (100, 103), (3, 99)])
def test_a_dark_picture_is_stretched_as_in_the_package(levels: tuple[int, int], rng: np.random.Generator) -> None:
    from cad.export.embedding import levels as module

    picture = rng.integers(levels[0], levels[1] + 1, (100, 140, 3), dtype=np.uint8)

    def stretch(writer, picture):
        return module.stretched(writer, picture.cast(np.float32), *module.range_of(writer, picture))

    got, expected = run(stretch, picture=picture), stretched(picture)
    assert np.abs(got - expected).max() <= 1 and (got != expected).mean() < 0.05
    assert (expected != picture).any() == (levels in ((20, 80), (3, 99)))


def test_similarities_take_points_where_the_package_takes_them(rng: np.random.Generator) -> None:
    from cad.export.embedding.similarities import similarities

    source, target, points = (rng.uniform(0, 2000, (3, count, 2)).astype(np.float32) for count in (5, 5, 4))

    def take(writer, source, target, points):
        return similarities(writer, source, target).taken(writer, points.cast(np.float64))

    def take_back(writer, source, target, points):
        return similarities(writer, source, target).inverse(writer).taken(writer, points.cast(np.float64))

    there = run(take, source=source, target=target, points=points)
    for index in range(3):
        matrix = similarity(source[index], target[index])
        assert np.allclose(there[index], points[index] @ matrix[:, :2].T + matrix[:, 2], rtol=0, atol=1e-8)
    assert np.allclose(run(take_back, source=source, target=target, points=there), points, rtol=0, atol=1e-6)
