// SPDX-License-Identifier: Apache-2.0
// Which picture belongs to which slot of the grid: by time stamp, never by counting.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "decoding_constants.h"

namespace cad {

// How long a picture is shown: a slot where the rate is not known (0).
double period_seconds(double fps);

// How far from its stamp a picture may serve a slot: half a source period or half a slot, the longer.
double reach_seconds(double fps);

// The slots that a picture serves: after `missing` empty ones, `count` of them.
struct Placement {
  int first_slot;
  int missing;
  int count;
};

// Gives each slot the nearest picture within reach, in one pass. The slots of a picture are known only when the next
// one's time is, so each answer is about the picture before.
class FramePlacer {
 public:
  explicit FramePlacer(double reach) : reach_(reach) {}
  // Whether a picture of this time cannot be placed because it does not come after the one before it.
  [[nodiscard]] bool is_late(double seconds) const { return last_ && seconds <= *last_; }
  std::optional<Placement> next(double seconds);
  std::optional<Placement> end();

 private:
  std::optional<Placement> place(double seconds, double until);

  double reach_;
  std::optional<double> last_;
  int next_slot_ = 0;
};

// Drops a frame whose stamp leaps ahead if the next frame does not follow it: one damaged stamp is no gap.
template <typename Item>
class StampFilter {
 public:
  // `end_seconds`: when the stream ends as far as is known; a last frame up to then is believed.
  explicit StampFilter(double end_seconds) : end_seconds_(end_seconds) {}

  // Takes the next frame; calls `keep(seconds, item)` for each that is believed by now, in order.
  template <typename Keep>
  void push(double seconds, Item item, Keep&& keep) {
    if (suspect_) {
      if (seconds > suspect_->first) {
        last_ = suspect_->first;
        keep(suspect_->first, std::move(suspect_->second));
      }
      suspect_.reset();
    }
    if (last_ && seconds > *last_ + suspect_leap_seconds) {
      suspect_.emplace(seconds, std::move(item));
      return;
    }
    last_ = last_ ? std::max(*last_, seconds) : seconds;
    keep(seconds, std::move(item));
  }

  template <typename Keep>
  void end(Keep&& keep) {
    if (suspect_ && suspect_->first <= end_seconds_) keep(suspect_->first, std::move(suspect_->second));
    suspect_.reset();
  }

 private:
  double end_seconds_;
  std::optional<std::pair<double, Item>> suspect_;
  std::optional<double> last_;
};

}  // namespace cad
