// SPDX-License-Identifier: Apache-2.0
// What the model says of a window: raw logits, positive for fake.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "graph.h"
#include "kit.h"
#include "windows.h"

namespace cad {

enum Head : std::size_t { fused, video, audio, sync_head };
inline constexpr std::size_t head_count = 4;
inline constexpr std::array<const char*, head_count> head_names = {"fused", "video", "audio", "sync"};

struct WindowScore {
  int first_slot = 0;
  std::optional<int> track;  // whose face; none without picture
  bool has_video = false;    // enough of it has picture to score
  bool has_audio = false;
  std::array<double, head_count> logits{};  // NaN for a head that the model lacks
  double offset_seconds = 0.0;              // how far the sound lags behind the lips
  Mask frames_present, audio_present;
  [[nodiscard]] int slots() const { return static_cast<int>(frames_present.size()); }
};

// Scores windows in batches of one length.
class Scorer {
 public:
  Scorer(const Kit& kit, int threads);
  std::vector<WindowScore> score(const std::vector<Window>& windows);

 private:
  void run(const Window* batch, std::size_t count, std::vector<WindowScore>& scores);

  Graph graph_;
  std::array<bool, head_count> has_head_{};
  ScoringConstants constants_;
};

}  // namespace cad
