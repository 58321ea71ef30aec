# SPDX-License-Identifier: Apache-2.0
"""The timeline of the HTML report: probability of fake over time, a curve a stream, suspicious stretches as bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from cad.runs import runs_of
from cad.verdict.records import Curve, Segment

WIDTH, HEIGHT = 960, 236
LEFT, RIGHT, TOP, BOTTOM = 36, 12, 10, 26
#: One row of bands a stream stands under the curves.
BAND_HEIGHT, BAND_GAP = 8, 3
PLOT_HEIGHT = HEIGHT - TOP - BOTTOM - 3 * (BAND_HEIGHT + BAND_GAP)
TICK_STEPS_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
MAX_TICKS = 12


def timeline_svg(
    curves: Mapping[str, Curve],
    thresholds: Mapping[str, float],
    segments: Sequence[Segment],
    joints_seconds: Sequence[float] = (),
) -> str:
    """Return an SVG element.

    Args:
        curves: By stream, all of one length and at least one bin long.
        thresholds: Where a stream becomes suspicious; one that has none gets no line.
        segments: Suspicious stretches.
        joints_seconds: Where joined recordings meet.
    """
    seconds = max(len(curve.probabilities) * curve.step_seconds for curve in curves.values())
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y_of(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        for value in (0.0, 0.5, 1.0)
    ] + time_ticks(seconds)
    parts += [joint_mark(time, seconds) for time in joints_seconds]
    for row, (stream, curve) in enumerate(curves.items()):
        if stream in thresholds:
            y = f'y1="{y_of(thresholds[stream]):.1f}" y2="{y_of(thresholds[stream]):.1f}"'
            parts.append(f'<line class="threshold stroke-{escape(stream)}" x1="{LEFT}" x2="{WIDTH - RIGHT}" {y}/>')
        parts += curve_paths(stream, curve, seconds)
        parts += segment_bands(stream, segments, row, seconds)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Probability of fake over time">'
        + "".join(parts)
        + "</svg>"
    )


def joint_mark(time: float, seconds: float) -> str:
    """Return the line at which one recording ends and the next begins."""
    x, bottom = x_of(time, seconds), HEIGHT - BOTTOM
    return (
        f'<g class="joint"><title>the time stamps jump at {time:.2f} s</title>'
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/></g>'
    )


def x_of(time: float, seconds: float) -> float:
    """Return the horizontal place of a time in a file of ``seconds``."""
    return LEFT + (WIDTH - LEFT - RIGHT) * time / seconds


def y_of(probability: float) -> float:
    """Return the vertical place of a probability."""
    return TOP + PLOT_HEIGHT * (1.0 - probability)


def time_ticks(seconds: float) -> list[str]:
    """Return the marks of time under the plot."""
    step = next((step for step in TICK_STEPS_SECONDS if seconds / step <= MAX_TICKS), TICK_STEPS_SECONDS[-1])
    return [
        f'<text x="{x_of(time, seconds):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{clock(time)}</text>'
        for time in np.arange(0.0, seconds + 1e-9, step)
    ]


def clock(seconds: float) -> str:
    """Return a time as a person writes it.

    Example:
        >>> clock(2.5), clock(75)
        ('2.5 s', '1:15')
    """
    return f"{seconds:g} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def curve_paths(stream: str, curve: Curve, seconds: float) -> list[str]:
    """Return one line for every unbroken stretch of a curve."""
    values = curve.probabilities
    known = np.array([value is not None for value in values], dtype=np.bool_)
    return [
        f'<polyline class="curve stroke-{escape(stream)}" points="'
        + " ".join(
            f"{x_of((place + 0.5) * curve.step_seconds, seconds):.1f},{y_of(values[place] or 0.0):.1f}"
            for place in range(start, stop)
        )
        + '"/>'
        for start, stop in runs_of(known)
    ]


def segment_bands(stream: str, segments: Sequence[Segment], row: int, seconds: float) -> list[str]:
    """Return a stream's suspicious stretches as bands under the plot."""
    look = f'class="fill-{escape(stream)}"'
    y = TOP + PLOT_HEIGHT + BAND_GAP + row * (BAND_HEIGHT + BAND_GAP)
    edges = [
        (x_of(one.start_seconds, seconds), x_of(one.stop_seconds, seconds)) for one in segments if one.stream == stream
    ]
    return [
        f'<rect {look} x="{left:.1f}" y="{y}" width="{right - left:.1f}" height="{BAND_HEIGHT}"/>'
        for left, right in edges
    ]
