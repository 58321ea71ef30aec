// SPDX-License-Identifier: Apache-2.0
// Evidence as probabilities, beside the thresholds that hold for them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregate.h"
#include "kit.h"

namespace cad {

struct FaceProbability {
  int track = 0;
  bool carries_sound = false;
  Head head = video;  // which head's thresholds hold for it: fused if it carries the sound
  double own = 0.0;
};

// One piece of evidence that may make a file fake by itself.
struct Charge {
  std::string kind;  // fused, video, audio, listener, video_peak or audio_peak
  double probability = 0.0;
  std::optional<OperatingPoint> point;  // none if no threshold was ever chosen
  bool is_calibrated = true;
  bool only_accuses = false;  // whether it has a say only where it makes the file fake
  [[nodiscard]] bool is_proven() const { return point && probability >= point->fake_threshold; }
  [[nodiscard]] bool is_between() const {
    return point && !only_accuses && point->real_threshold <= probability && probability < point->fake_threshold;
  }
};

struct Calibrated {
  std::array<std::optional<double>, head_count> probabilities;
  std::vector<FaceProbability> faces;  // those of which there is a figure
  std::vector<Charge> charges;
  std::vector<Charge> beside_fused;  // the streams that the fused head has judged with others

  [[nodiscard]] const Charge* proven(const std::string& kind) const;
};

// `spec`: with the numbers of the file's kind under plain keys.
Calibrated calibrate(const Evidence& evidence, const ModelSpec& spec);

std::optional<OperatingPoint> point_of(const ModelSpec& spec, const std::string& name);

}  // namespace cad
