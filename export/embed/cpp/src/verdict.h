// SPDX-License-Identifier: Apache-2.0
// From raw logits to the answer: calibration by kind of file, charges beside their thresholds, and the rules.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregate.h"
#include "kit.h"
#include "media.h"

namespace cad {

// What is known of a file beside its evidence.
struct FileFacts {
  MediaInfo info;
  ReadReport picture;
  double coverage = 1.0;            // the worse of the streams
  int slots = 0, min_slots = 0;     // its length, and the shortest that the model can judge
  std::optional<int> speech_slots;  // none where no sound could be read
  int faces_left_out = 0;
  std::vector<TrackSummary> tracks;
};

struct Verdict {
  std::string label;  // real, fake or inconclusive
  std::optional<double> probability_fake;
  std::map<std::string, std::optional<double>> streams;  // video, audio, sync
  std::vector<std::string> reasons;                      // codes, in the order in which cad-detect tells them
};

Verdict decide(const FileFacts& facts, const Evidence& evidence, const ModelSpec& spec, const VerdictConstants& constants);

}  // namespace cad
