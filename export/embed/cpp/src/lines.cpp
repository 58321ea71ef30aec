// SPDX-License-Identifier: Apache-2.0
#include "lines.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cad {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Values gather(const std::vector<Line>& lines, int slots, double (*choose)(double, double)) {
  Values whole(static_cast<std::size_t>(slots), nan);
  for (const Line& line : lines) {
    for (std::size_t index = 0; index < line.values.size(); ++index) {
      double& at = whole[static_cast<std::size_t>(line.first_slot) + index];
      at = choose(at, line.values[index]);  // of a number and NaN the number
    }
  }
  return whole;
}

}  // namespace

int Line::known() const {
  return static_cast<int>(std::count_if(values.begin(), values.end(), [](double one) { return !std::isnan(one); }));
}

Mask evidence_slots(const WindowScore& score, Head head) {
  Mask there(score.frames_present.size());
  for (std::size_t slot = 0; slot < there.size(); ++slot) {
    const bool seen = score.frames_present[slot] && score.has_video, heard = score.audio_present[slot] && score.has_audio;
    switch (head) {
      case fused: there[slot] = seen || heard; break;
      case video: there[slot] = seen; break;
      case audio: there[slot] = heard; break;
      // Synchrony is judged over a window: pauses of the speech are part of it as long as both streams are there.
      case sync_head: there[slot] = seen && score.has_audio; break;
    }
  }
  return there;
}

Line lay_out(const Scores& scores, Head head, const std::function<double(const WindowScore&)>& value) {
  if (scores.empty()) return {};
  int first = std::numeric_limits<int>::max(), stop = 0;
  for (const WindowScore* score : scores) {
    first = std::min(first, score->first_slot);
    stop = std::max(stop, score->first_slot + score->slots());
  }
  Values total(static_cast<std::size_t>(stop - first)), count(total.size());
  for (const WindowScore* score : scores) {
    const Mask there = evidence_slots(*score, head);
    const double says = value(*score);
    for (std::size_t slot = 0; slot < there.size(); ++slot) {
      if (!there[slot]) continue;
      const std::size_t at = static_cast<std::size_t>(score->first_slot - first) + slot;
      total[at] += says;
      count[at] += 1;
    }
  }
  for (std::size_t at = 0; at < total.size(); ++at) total[at] = count[at] > 0 ? total[at] / count[at] : nan;
  return {first, std::move(total)};
}

Line clip_line(const Scores& scores, Head head) {
  return lay_out(scores, head, [head](const WindowScore& score) { return score.logits[head]; });
}

std::optional<double> mean_of(const Values& values) {
  double total = 0.0;
  int count = 0;
  for (double one : values) {
    if (std::isnan(one)) continue;
    total += one;
    ++count;
  }
  return count > 0 ? std::optional(total / count) : std::nullopt;
}

Line level(const Line& line) {
  const auto mean = mean_of(line.values);
  Line flat = line;
  if (mean) {
    for (double& one : flat.values) one = std::isnan(one) ? nan : *mean;
  }
  return flat;
}

Values highest(const std::vector<Line>& lines, int slots) {
  return gather(lines, slots, [](double one, double other) { return std::fmax(one, other); });
}

Values lowest(const std::vector<Line>& lines, int slots) {
  return gather(lines, slots, [](double one, double other) { return std::fmin(one, other); });
}

std::vector<int> lines_at(const std::vector<Line>& lines, int slots) {
  std::vector<int> count(static_cast<std::size_t>(slots));
  for (const Line& line : lines) {
    for (std::size_t index = 0; index < line.values.size(); ++index) {
      count[static_cast<std::size_t>(line.first_slot) + index] += !std::isnan(line.values[index]);
    }
  }
  return count;
}

std::optional<double> worst_over_time(const std::vector<Line>& lines, int slots) {
  std::vector<Line> flat;
  for (const Line& line : lines) flat.push_back(level(line));
  return mean_of(highest(flat, slots));
}

}  // namespace cad
