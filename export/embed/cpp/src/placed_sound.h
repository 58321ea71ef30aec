// SPDX-License-Identifier: Apache-2.0
// Decoded frames of sound as 16 kHz mono on the grid: runs of contiguous sound are resampled, and each is written to the
// place that its first time stamp says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "av.h"
#include "media.h"
#include "mixing.h"

namespace cad {

class PlacedSound {
 public:
  // Takes a frame that starts at `seconds` (grid time).
  void push(double seconds, const AVFrame& frame);
  // The whole sound; nothing if none came.
  std::optional<Sound> close();

 private:
  void start_run(double seconds, const AVFrame& frame);
  void drain();
  void resample(const AVFrame* frame);
  void place(const std::vector<float>& mono);

  AvOwner<SwrContext> resampler_;
  std::string signature_;
  std::vector<std::string> channels_;
  std::optional<MonoMixer> mixer_;
  double run_start_seconds_ = 0.0;
  std::int64_t run_samples_ = 0;
  std::int64_t write_position_ = 0;
  std::int64_t position_ = 0;  // up to here everything is written
  int decoded_frames_ = 0;
  std::vector<float> samples_;
  std::vector<std::uint8_t> is_filled_;
};

}  // namespace cad
