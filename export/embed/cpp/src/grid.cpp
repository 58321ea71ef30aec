// SPDX-License-Identifier: Apache-2.0
#include "grid.h"

#include <algorithm>
#include <cmath>

#include "clock.h"
#include "decoding_constants.h"

namespace cad {
double period_seconds(double fps) { return fps > 0 ? 1 / fps : 1.0 / frame_rate_hz; }

double reach_seconds(double fps) {
  return std::min(std::max(period_seconds(fps), period_seconds(0)) / 2, max_reach_seconds) + stamp_rounding_seconds;
}

std::optional<Placement> FramePlacer::next(double seconds) {
  const auto last = last_;
  last_ = seconds;
  if (!last) return std::nullopt;
  return place(*last, std::min(*last + reach_, (*last + seconds) / 2));
}

std::optional<Placement> FramePlacer::end() {
  const auto last = last_;
  last_.reset();
  if (!last) return std::nullopt;
  return place(*last, *last + reach_);
}

std::optional<Placement> FramePlacer::place(double seconds, double until) {
  const int first = std::max(next_slot_, static_cast<int>(std::ceil((seconds - reach_) * frame_rate_hz - 1e-6)));
  const int stop = static_cast<int>(std::floor(until * frame_rate_hz + 1e-6)) + 1;
  if (stop <= first) return std::nullopt;
  const Placement placement{next_slot_, first - next_slot_, stop - first};
  next_slot_ = stop;
  return placement;
}

}  // namespace cad
