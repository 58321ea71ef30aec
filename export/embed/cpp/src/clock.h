// SPDX-License-Identifier: Apache-2.0
// The one clock: a grid of 25 slots a second with 640 samples of 16 kHz sound to a slot. Slot i covers the presentation
// times [i / 25, (i + 1) / 25) seconds after the grid's origin. Sound and picture are paired by slot, never by counting.
#pragma once

#include <cmath>

namespace cad {

inline constexpr int frame_rate_hz = 25;
inline constexpr int sample_rate_hz = 16'000;
inline constexpr int samples_per_slot = sample_rate_hz / frame_rate_hz;

// The slot that contains an instant of the grid; the tolerance absorbs stamps that a container rounded.
inline int slot_of(double seconds) { return static_cast<int>(std::floor(seconds * frame_rate_hz + 1e-6)); }

inline double seconds_of(int slot) { return static_cast<double>(slot) / frame_rate_hz; }

}  // namespace cad
