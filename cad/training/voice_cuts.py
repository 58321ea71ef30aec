# SPDX-License-Identifier: Apache-2.0
"""``cut_voice`` cuts a clip's sound into the windows of which the audio head judges each; ``CutOptions`` says how.

The defaults are what the product does. Anything else is a trial: a head that was fitted to other windows needs a
product that cuts those (docs/experiments.md says for each option what that would take).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.data.augment.sound import at_level
from cad.data.records import Clip
from cad.loudness import slot_levels_dbfs
from cad.media.records import AudioSamples
from cad.runtime.feeding import MIN_AUDIO_SHARE
from cad.speech import FLOOR_DBFS, keep_speech
from cad.windows import window_spans

#: Level that a file or a window is brought to, root mean square of what is heard of it.
LEVEL_DBFS = -26.0
#: A slot this far below the loud ones (95th percentile) is not loud.
LOUD_WITHIN_DB = 30.0


@dataclass(frozen=True, slots=True)
class CutOptions:
    """How a recording becomes windows.

    Attributes:
        level: Whether the sound stays as loud as it is, or each file or each window is brought to LEVEL_DBFS.
        mask: What is heard. ``speech``: the slots of speech alone, all others silenced and absent. ``span``: all from
            the first slot of speech to the last. ``loud``: the same from the first loud slot to the last, whatever it
            is. ``none``: all.
        short: Whether a recording that is shorter than a window stays so, or is repeated until it fills it.
    """

    level: Literal["as_is", "file", "window"] = "as_is"
    mask: Literal["speech", "span", "loud", "none"] = "speech"
    short: Literal["as_is", "repeated"] = "as_is"


@dataclass(frozen=True, slots=True, eq=False)
class VoiceCut:
    """One window.

    Attributes:
        slots: int64 (time,), which slot of the clip each of its slots is; some come several times if repeated.
        sound: Its samples and where they are heard.
    """

    slots: NDArray[np.int64]
    sound: AudioSamples


def cut_voice(clip: Clip, window_slots: int, options: CutOptions | None = None) -> Iterator[VoiceCut]:
    """Yield the windows of a clip, one every half window; one of which less than MIN_AUDIO_SHARE is heard is left out.

    Args:
        clip: Any; one without sound, or in which nothing is heard, gives no window.
        window_slots: Length of a window; a shorter clip gives one that is as short, unless it is repeated.
        options: How; as the product does if None.
    """
    if clip.audio is None:
        return
    how = options or CutOptions()
    sound = AudioSamples(np.ascontiguousarray(clip.audio, np.float32), clip.audio_present)
    heard = what_is_heard(sound, how)
    known = np.flatnonzero(heard.present)
    if not len(known):
        return
    if how.level == "file":
        heard = levelled(heard)
    by_slot = heard.samples.reshape(-1, SAMPLES_PER_FRAME)
    for start, stop in window_spans(int(known[0]), int(known[-1]) + 1, window_slots, window_slots // 2):
        slots = np.arange(start, stop)
        if how.short == "repeated":
            slots = np.resize(slots, max(window_slots, len(slots)))
        window = AudioSamples(by_slot[slots].reshape(-1), heard.present[slots])
        if window.present.mean() >= MIN_AUDIO_SHARE:
            yield VoiceCut(slots, levelled(window) if how.level == "window" else window)


def what_is_heard(sound: AudioSamples, options: CutOptions) -> AudioSamples:
    """Return ``sound`` with what the mask takes out set to zero and marked absent."""
    if options.mask == "speech":
        return keep_speech(sound)
    if options.mask == "span":
        within = between(keep_speech(sound).present)
    elif options.mask == "loud":
        within = between(is_loud(sound))
    else:
        within = np.ones_like(sound.present)
    present = sound.present & within
    return AudioSamples(sound.samples * np.repeat(present, SAMPLES_PER_FRAME).astype(np.float32), present)


def is_loud(sound: AudioSamples) -> NDArray[np.bool_]:
    """Return which slots are within LOUD_WITHIN_DB of the loud ones and above silence, bool (slots,)."""
    if not sound.present.any():
        return np.zeros_like(sound.present)
    level = slot_levels_dbfs(sound.samples, without_offset=True)
    loud = float(np.percentile(level[sound.present], 95))
    return sound.present & (level > max(FLOOR_DBFS, loud - LOUD_WITHIN_DB))


def between(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return all slots from the first marked one to the last.

    Example:
        >>> between(np.array([False, True, False, True, False])).tolist()
        [False, True, True, True, False]
    """
    return np.logical_or.accumulate(marked) & np.logical_or.accumulate(marked[::-1])[::-1]


def levelled(sound: AudioSamples) -> AudioSamples:
    """Return ``sound`` with what is heard of it at LEVEL_DBFS, limited to [-1, 1]; silence stays silence.

    Example:
        >>> one = AudioSamples(np.repeat(np.float32([0.5, 0]), 640), np.array([True, False]))
        >>> round(float(levelled(one).samples.max()), 4)
        0.0501
    """
    # Absent samples are zero: what is heard sets the gain, however much of the window is absent.
    share = max(float(sound.present.mean()), 1e-6)
    return replace(sound, samples=at_level(sound.samples, LEVEL_DBFS + 10 * float(np.log10(share))))
