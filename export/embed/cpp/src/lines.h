// SPDX-License-Identifier: Apache-2.0
// One value a slot over a stretch of a file, from overlapping windows; NaN where nothing was scored.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "scores.h"

namespace cad {

using Values = std::vector<double>;

struct Line {
  int first_slot = 0;
  Values values;
  [[nodiscard]] int known() const;  // how many slots have a value
};

// Some of the windows of a file.
using Scores = std::vector<const WindowScore*>;

// In which slots of a window a head had something to look at.
Mask evidence_slots(const WindowScore& score, Head head);
// The mean of a value over the windows that cover a slot and have evidence there.
Line lay_out(const Scores& scores, Head head, const std::function<double(const WindowScore&)>& value);
// The same of a head's logits.
Line clip_line(const Scores& scores, Head head);
// The mean over the slots that have a value, nothing if none has.
std::optional<double> mean_of(const Values& values);
// The line with every value replaced by the mean of all.
Line level(const Line& line);
// The greatest or the least value in every slot of a file.
Values highest(const std::vector<Line>& lines, int slots);
Values lowest(const std::vector<Line>& lines, int slots);
// How many of the lines have a value in every slot of a file.
std::vector<int> lines_at(const std::vector<Line>& lines, int slots);
// The mean over time of the highest line of every slot, each at its own mean.
std::optional<double> worst_over_time(const std::vector<Line>& lines, int slots);

}  // namespace cad
