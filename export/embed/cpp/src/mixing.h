// SPDX-License-Identifier: Apache-2.0
// One channel of many, in which nothing that any of them holds has gone out: every second of sound is asked for the
// energy of its mix against that of its channels. Channels that have been silent from the beginning have no weight, and
// channels that cancel others are turned over.
#pragma once

#include <deque>
#include <string>
#include <vector>

namespace cad {

class MonoMixer {
 public:
  // `channels`: FFmpeg's name of each, such as FL.
  explicit MonoMixer(const std::vector<std::string>& channels);

  // Takes the next samples, interleaved, and adds those that are mixed by now to `mono`; the rest comes later.
  void mix(const float* samples, std::size_t count, std::vector<float>& mono);
  // Adds what waits to be mixed; what was learnt of the channels is kept.
  void flush(std::vector<float>& mono);

 private:
  using Weights = std::vector<float>;
  using Powers = std::vector<double>;  // of the channels with each other, row by row

  void mix_block(const float* samples, std::size_t count, std::vector<float>& mono);
  Weights decide(const std::vector<float>& samples, std::size_t count);
  [[nodiscard]] double kept_share(const Weights& weights, const Powers& powers) const;
  [[nodiscard]] Weights turned(const Weights& weights, const Powers& powers) const;

  std::size_t channels_;
  Weights plain_, weights_;
  std::vector<bool> heard_;
  std::deque<Powers> votes_;
  std::vector<float> waiting_;
};

}  // namespace cad
