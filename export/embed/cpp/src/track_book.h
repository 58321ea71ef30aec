// SPDX-License-Identifier: Apache-2.0
// What is remembered of every face once its crops have been scored and dropped: when it is seen, how large it is, how
// its lips move, and whether it moves at all.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "aggregate.h"
#include "finder.h"
#include "kit.h"
#include "stillness.h"
#include "tracker.h"

namespace cad {

class TrackBook {
 public:
  TrackBook(Finder& finder, const LipConstants& lips, const StillnessConstants& stillness)
      : finder_(finder), constants_(lips), stillness_constants_(stillness) {}

  void note(const TrackedCrop& crop);
  void end(int track);
  // What is known of every track. `loudness`: of the speech by slot, NaN where there is none; nothing without sound.
  std::vector<TrackSummary> summaries(const std::vector<double>* loudness);

 private:
  struct Notes {
    explicit Notes(const StillnessConstants& constants) : stillness(constants) {}
    std::vector<int> slots;
    std::vector<double> heights_px;
    std::vector<int> motion_slots;
    std::vector<double> motion;
    std::vector<SharedCrop> waiting;  // crops that follow each other and whose lips are not measured yet
    int waiting_slot = 0;             // of the last of them
    Stillness stillness;
    std::optional<bool> is_frozen;
  };

  void measure_lips(Notes& notes);
  [[nodiscard]] double lips_score(const Notes& notes, const std::vector<double>* loudness) const;

  Finder& finder_;
  const LipConstants& constants_;
  const StillnessConstants& stillness_constants_;
  std::map<int, Notes> notes_;
};

}  // namespace cad
