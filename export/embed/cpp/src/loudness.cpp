// SPDX-License-Identifier: Apache-2.0
#include "loudness.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "clock.h"

namespace cad {
namespace {

// What lies further below the loudest slot is as good as silence to a lip reader.
constexpr double lips_range_db = 50.0;

std::vector<double> levels(const std::vector<float>& samples, double floor_dbfs, bool without_offset) {
  const double floor = std::pow(10.0, floor_dbfs / 10);
  std::vector<double> found(samples.size() / samples_per_slot);
  for (std::size_t slot = 0; slot < found.size(); ++slot) {
    const float* at = samples.data() + slot * samples_per_slot;
    double mean = 0.0, power = 0.0;
    if (without_offset) {
      for (int index = 0; index < samples_per_slot; ++index) mean += at[index];
      mean /= samples_per_slot;
    }
    for (int index = 0; index < samples_per_slot; ++index) power += (at[index] - mean) * (at[index] - mean);
    found[slot] = 10 * std::log10(power / samples_per_slot + floor);
  }
  return found;
}

}  // namespace

std::vector<double> levels_for_speech(const std::vector<float>& samples) { return levels(samples, -120.0, true); }

std::vector<double> loudness_for_lips(const std::vector<float>& samples, const Mask& speech) {
  std::vector<double> loud = levels(samples, -100.0, false);
  double loudest = -std::numeric_limits<double>::infinity();
  for (std::size_t slot = 0; slot < loud.size(); ++slot) {
    if (speech[slot]) loudest = std::max(loudest, loud[slot]);
  }
  for (std::size_t slot = 0; slot < loud.size(); ++slot) {
    loud[slot] = speech[slot] ? std::max(loud[slot], loudest - lips_range_db) : std::numeric_limits<double>::quiet_NaN();
  }
  return loud;
}

}  // namespace cad
