// SPDX-License-Identifier: Apache-2.0
// How loud the slots of a sound are.
#pragma once

#include <vector>

#include "runs.h"

namespace cad {

// The level of every slot in dBFS by which speech is found: without its mean, above a floor of -120 dB.
std::vector<double> levels_for_speech(const std::vector<float>& samples);

// The loudness of every slot in dB that the motion of lips is held against: at least 50 dB below the loudest slot of the
// speech; NaN where there is none.
std::vector<double> loudness_for_lips(const std::vector<float>& samples, const Mask& speech);

}  // namespace cad
