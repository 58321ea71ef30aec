# SPDX-License-Identifier: Apache-2.0
"""``Draw`` chooses the next training clip: a kind of sample by its share, then a source, then a row of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cad.data.manifest import Row
from cad.errors import DataError, OptionError


class SampleKind(StrEnum):
    """What a sample is made from."""

    GENUINE = "genuine"  # a genuine talking face as it is
    FORGED = "forged"  # a genuine talking face, forged on the fly
    FAKE = "fake"  # a forged row with a face
    GENUINE_SPEECH = "genuine_speech"  # genuine sound without a face
    FORGED_SPEECH = "forged_speech"  # genuine sound without a face, forged on the fly
    FAKE_SPEECH = "fake_speech"  # a forged row without a face


@dataclass(frozen=True, slots=True)
class Mix:
    """Share of each kind of sample; shares are relative, zero is off."""

    genuine: float = 0.25
    forged: float = 0.3
    fake: float = 0.15
    genuine_speech: float = 0.12
    forged_speech: float = 0.03
    fake_speech: float = 0.15

    def __post_init__(self) -> None:
        shares = asdict(self)
        if min(shares.values()) < 0 or sum(shares.values()) <= 0:
            raise OptionError(f"shares must be >= 0 and not all 0, got {shares}")


#: The rows for a kind of sample: whether the clip has a face, and whether the streams that are shown are fake.
_ROWS_OF: dict[SampleKind, tuple[bool, bool]] = {
    SampleKind.GENUINE: (True, False),
    SampleKind.FORGED: (True, False),
    SampleKind.FAKE: (True, True),
    SampleKind.GENUINE_SPEECH: (False, False),
    SampleKind.FORGED_SPEECH: (False, False),
    SampleKind.FAKE_SPEECH: (False, True),
}


#: Kinds that are genuine whatever happens to them.
_GENUINE = frozenset({SampleKind.GENUINE, SampleKind.GENUINE_SPEECH})


class Draw:
    """Draws (kind, row) pairs.

    Args:
        rows: What can be drawn, by whether a clip has a face and whether the streams that are shown are fake.
        mix: Share of each kind; one that has no row gets none (see ``without_rows``), and the others keep their ratio.
        source_power: A source with n rows is drawn in proportion to ``n ** source_power``: 1 follows the rows, 0
            makes all sources equally likely.
        set_weights: How often each of several sets is drawn from; paths begin with the set's name. Empty for one set.

    Attributes:
        without_rows: Kinds with a share for which there is no row.

    Raises:
        DataError: No kind has rows, or only kinds of one class where the mix has both.

    Example:
        >>> genuine_speech = [Row("a.wav", 0, source="page")]
        >>> draw = Draw({(False, False): genuine_speech}, Mix(0, 0, 0, 1, 0, 0), 0.5)
        >>> kind, drawn = draw(np.random.default_rng(0))
        >>> str(kind), drawn.path
        ('genuine_speech', 'a.wav')
    """

    def __init__(
        self,
        rows: Mapping[tuple[bool, bool], Sequence[Row]],
        mix: Mix,
        source_power: float,
        set_weights: Mapping[str, float] | None = None,
    ) -> None:
        wanted = {SampleKind(name): share for name, share in asdict(mix).items() if share > 0}
        self.without_rows = [kind for kind in wanted if not rows.get(_ROWS_OF[kind])]
        self._kinds = [kind for kind in wanted if kind not in self.without_rows]
        if len({kind in _GENUINE for kind in self._kinds}) < len({kind in _GENUINE for kind in wanted}):
            left = ", ".join(self._kinds) or "none"
            raise DataError(
                f"no training row for samples of kind {', '.join(self.without_rows)}: of what is left ({left}) nothing "
                "tells the classes apart"
            )
        self._shares = _normalised([wanted[kind] for kind in self._kinds])
        self._sources = {
            kind: _by_source(rows[_ROWS_OF[kind]], source_power, set_weights or {}) for kind in self._kinds
        }

    def __call__(self, rng: np.random.Generator) -> tuple[SampleKind, Row]:
        """Return the next kind and row."""
        kind = self._kinds[int(rng.choice(len(self._kinds), p=self._shares))]
        groups, shares = self._sources[kind]
        group = groups[int(rng.choice(len(groups), p=shares))]
        return kind, group[int(rng.integers(len(group)))]


def _by_source(
    rows: Sequence[Row], source_power: float, set_weights: Mapping[str, float]
) -> tuple[list[list[Row]], NDArray[np.float64]]:
    """Return the rows of each source, and how likely each source is."""
    sets: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        sets[row.path.split("/", 1)[0] if set_weights else ""][row.source].append(row)
    groups: list[list[Row]] = []
    shares: list[float] = []
    for name, by_source in sorted(sets.items()):
        own = [by_source[source] for source in sorted(by_source)]
        groups += own
        shares += list(set_weights.get(name, 1.0) * _normalised([len(group) ** source_power for group in own]))
    return groups, _normalised(shares)


def _normalised(shares: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(shares, np.float64)
    return np.asarray(array / array.sum())
