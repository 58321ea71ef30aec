# SPDX-License-Identifier: Apache-2.0
"""Draws a report's figures as PNG and SVG: ROC, reliability, histograms, bars by method, heat map of robustness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.evaluation.report import GroupResult
from cad.metrics.bootstrap import Estimate
from cad.metrics.roc import rates
from cad.metrics.score_counts import count_scores

#: Colours that stay apart for colour-blind readers. Source: Okabe and Ito, 2008.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
REAL_COLOUR, FAKE_COLOUR = COLOURS[0], COLOURS[1]
BINS = 10
MAX_BARS = 30

#: Name -> scores and labels (1 fake) of the rows of a view.
Scored = Mapping[str, tuple[NDArray[np.float64], NDArray[Any]]]


def save_figures(
    scored: Scored, groups: Sequence[GroupResult], thresholds: Mapping[str, float], folder: Path
) -> list[Path]:
    """Draw the figures of a report into ``folder`` and return the files written.

    The bars show the first view by method, of ``groups``; ``thresholds`` are the shipped operating points by view.
    """
    usable = {name: data for name, data in scored.items() if len(set(data[1].tolist())) == 2}
    if not usable:
        return []
    first = next(iter(usable))
    files = _save(draw_roc(usable), folder, "roc")
    files += _save(draw_histograms(usable, thresholds), folder, "scores")
    if all(scores.min() >= 0 and scores.max() <= 1 for scores, _ in usable.values()):
        files += _save(draw_reliability(usable), folder, "reliability")
    bars = [group for group in groups if group.column == "method" and group.view == first]
    if bars:
        files += _save(draw_method_bars(bars, first), folder, "methods")
    return files


def draw_roc(scored: Scored) -> Any:
    """Draw the ROC curve of each view, with the false positives that matter (below 10 %) enlarged beside it."""
    figure, axes = _axes(1, 2, (9.0, 4.4))
    for (name, (scores, labels)), colour in zip(scored.items(), COLOURS, strict=False):
        curve = rates(count_scores(scores, labels).count_once())
        for axis in axes:
            axis.step(curve.fpr[:, 0], curve.tpr[:, 0], where="post", color=colour, label=name, linewidth=1.6)
    for axis, limit in zip(axes, (1.0, 0.1), strict=True):
        axis.plot([0, limit], [0, limit], color="0.7", linestyle=":", linewidth=1)
        axis.set(xlim=(0, limit), ylim=(0, 1.01), xlabel="false positive rate", ylabel="true positive rate")
    axes[0].legend(fontsize=8, loc="lower right")
    axes[0].set_title("ROC")
    axes[1].set_title("false positive rate below 10 %")
    return figure


def draw_reliability(scored: Scored) -> Any:
    """Draw the share of fakes against the probability stated, with the number of rows in each bin below."""
    figure, axes = _axes(2, 1, (5.2, 6.0), height_ratios=(3, 1), sharex=True)
    edges = np.linspace(0, 1, BINS + 1)
    axes[0].plot([0, 1], [0, 1], color="0.7", linestyle=":", linewidth=1)
    for (name, (scores, labels)), colour in zip(scored.items(), COLOURS, strict=False):
        place = np.clip(np.digitize(scores, edges) - 1, 0, BINS - 1)
        number = np.bincount(place, minlength=BINS)
        filled = number > 0
        stated = np.bincount(place, scores, minlength=BINS)[filled] / number[filled]
        true = np.bincount(place, labels, minlength=BINS)[filled] / number[filled]
        axes[0].plot(stated, true, marker="o", markersize=4, color=colour, label=name, linewidth=1.4)
        axes[1].step(edges, np.append(number, number[-1]), where="post", color=colour, linewidth=1.2)
    axes[0].set(ylim=(-0.01, 1.01), xlim=(0, 1), ylabel="share of fakes")
    axes[0].legend(fontsize=8, loc="upper left")
    axes[0].set_title("Reliability")
    axes[1].set(xlabel="probability of fake stated", ylabel="rows")
    return figure


def draw_histograms(scored: Scored, thresholds: Mapping[str, float]) -> Any:
    """Draw the scores of genuine and forged rows of each view, with the shipped threshold."""
    columns = min(3, len(scored))
    lines = -(-len(scored) // columns)
    figure, axes = _axes(lines, columns, (3.4 * columns, 2.5 * lines), squeeze=False)
    for axis, (name, (scores, labels)) in zip(axes.flat, scored.items(), strict=False):
        low, high = (0.0, 1.0) if scores.min() >= 0 and scores.max() <= 1 else (scores.min(), scores.max())
        edges = np.linspace(low, high, 26)
        for label, word, colour in ((0, "real", REAL_COLOUR), (1, "fake", FAKE_COLOUR)):
            chosen = scores[labels == label]
            axis.hist(chosen, edges, weights=np.full(len(chosen), 1 / max(len(chosen), 1)), alpha=0.6, color=colour,
                      label=f"{word} ({len(chosen)})")  # fmt: skip
        if name in thresholds:
            axis.axvline(thresholds[name], color="0.2", linestyle="--", linewidth=1)
        axis.set_title(name, fontsize=9)
        axis.legend(fontsize=7)
    for axis in axes.flat[len(scored) :]:
        axis.set_visible(False)
    figure.supxlabel("score", fontsize=9)
    figure.supylabel("share of the class", fontsize=9)
    return figure


def draw_method_bars(groups: Sequence[GroupResult], view: str) -> Any:
    """Draw the AUC of each method against all genuine rows, with its interval, the worst on top."""
    chosen = sorted(groups, key=lambda group: -group.measured.fakes)[:MAX_BARS]
    chosen = sorted(chosen, key=lambda group: -group.measured.estimates["auc"].value)
    bars = [(f"{group.group} ({group.measured.fakes})", group.measured.estimates["auc"]) for group in chosen]
    height = 0.7 + 0.24 * len(bars)
    return _draw_bars(bars, f"{view}, by method", "AUC against all genuine rows (95 % interval)", height, 7)


def save_part_bars(parts: Mapping[str, Estimate], title: str, name: str, folder: Path) -> list[Path]:
    """Draw the AUC of every part of a protocol, the first on top, and return the files written."""
    bars, height = list(parts.items())[::-1], 0.9 + 0.28 * len(parts)
    return _save(_draw_bars(bars, title, "AUC (95 % interval)", height, 8), folder, name)


def _draw_bars(bars: Sequence[tuple[str, Estimate]], title: str, label: str, height: float, fontsize: int) -> Any:
    """Draw figures in [0, 1] with their intervals by name, the last on top."""
    figure, axis = _axes(1, 1, (7.0, height))
    values, low, high = np.array([[bar.value, bar.low, bar.high] for _, bar in bars]).T
    places = np.arange(len(bars))
    axis.barh(places, np.nan_to_num(values), color=COLOURS[5], height=0.7)
    spread = np.clip(np.nan_to_num([values - low, high - values]), 0, None)
    axis.errorbar(values, places, xerr=spread, fmt="none", ecolor="0.25", elinewidth=0.9, capsize=2)
    axis.axvline(0.5, color="0.5", linestyle=":", linewidth=1)
    axis.set_yticks(places, [name for name, _ in bars], fontsize=fontsize)
    axis.set(xlim=(0, 1), ylim=(-0.6, len(bars) - 0.4), xlabel=label)
    axis.set_title(title, fontsize=10)
    return figure


def save_heat_map(
    values: Mapping[str, Sequence[float]], clean: float, title: str, name: str, folder: Path, best_is_high: bool = True
) -> list[Path]:
    """Draw one figure by perturbation (rows) and level (columns), the clean value in the title; return the files."""
    levels = max(len(line) for line in values.values())
    table = np.full((len(values), levels), np.nan)
    for row, line in enumerate(values.values()):
        table[row, : len(line)] = line
    figure, axis = _axes(1, 1, (1.6 + 0.9 * levels, 1.1 + 0.34 * len(values)))
    axis.imshow(table, cmap="viridis" if best_is_high else "viridis_r", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            dark = (value < 0.6) == best_is_high
            axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="w" if dark else "k")
    axis.set_xticks(range(levels), [str(level + 1) for level in range(levels)])
    axis.set_yticks(range(len(values)), list(values), fontsize=8)
    axis.set_xlabel("level")
    axis.set_title(f"{title} (unperturbed {clean:.2f})", fontsize=10)
    return _save(figure, folder, name)


def _axes(lines: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    # The figure is made without pyplot: no window system, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(lines, columns, **options)


def _save(figure: Any, folder: Path, name: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    from matplotlib import rc_context

    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    # No date and no random ids, so that the same figures give the same bytes.
    with rc_context({"svg.hashsalt": "cad"}):
        figure.savefig(paths[0], dpi=150, metadata={"Software": None})
        figure.savefig(paths[1], metadata={"Date": None})
    return paths
