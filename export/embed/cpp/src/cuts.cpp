// SPDX-License-Identifier: Apache-2.0
#include "cuts.h"

#include <algorithm>
#include <cmath>

namespace cad {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// A grey picture at another size, by straight lines between its values.
GreyPicture resized(const GreyPicture& from, int rows, int columns) {
  GreyPicture to{rows, columns, std::vector<float>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns))};
  const auto place = [](int index, int size, int of, int& first, int& second) {
    const double at = std::clamp((index + 0.5) * of / size - 0.5, 0.0, of - 1.0);
    first = static_cast<int>(at);
    second = std::min(first + 1, of - 1);
    return static_cast<float>(at - first);
  };
  const auto value = [&](int row, int column) { return from.values[static_cast<std::size_t>(row * from.columns + column)]; };
  for (int row = 0; row < rows; ++row) {
    int top = 0, bottom = 0, left = 0, right = 0;
    const float down = place(row, rows, from.rows, top, bottom);
    for (int column = 0; column < columns; ++column) {
      const float across = place(column, columns, from.columns, left, right);
      const float above = value(top, left) * (1 - across) + value(top, right) * across;
      const float below = value(bottom, left) * (1 - across) + value(bottom, right) * across;
      to.values[static_cast<std::size_t>(row * columns + column)] = above * (1 - down) + below * down;
    }
  }
  return to;
}

double mean_difference(const GreyPicture& one, const GreyPicture& other) {
  double total = 0.0;
  for (std::size_t index = 0; index < one.values.size(); ++index) total += std::abs(one.values[index] - other.values[index]);
  return total / static_cast<double>(one.values.size());
}

}  // namespace

bool CutDetector::push(const Picture& picture) {
  const GreyPicture now = finder_.coarse(picture);
  const auto before = std::exchange(last_, now);
  const double one = static_cast<double>(std::exchange(last_height_, picture.height)) * picture.width;
  const double other = static_cast<double>(std::exchange(last_width_, picture.width)) * picture.height;
  if (!before) return false;
  if (std::abs(one - other) > constants_.same_shape * std::max(one, other)) {  // another shape is another shot
    changes_.clear();
    return true;
  }
  const bool is_resized = before->rows != now.rows || before->columns != now.columns;
  const GreyPicture last = is_resized ? resized(*before, now.rows, now.columns) : *before;
  const double change = 1 - likeness(last, now), usual = median({changes_.begin(), changes_.end()});
  const bool is_cut = !cut_before_ && change > 1 - constants_.most_alike && mean_difference(now, last) > constants_.least_difference &&
                      change > constants_.stands_out * usual;
  if (is_cut) {
    changes_.clear();
  } else {
    changes_.push_back(change);
    if (static_cast<int>(changes_.size()) > constants_.memory) changes_.pop_front();
  }
  // Two cuts in a row are no cuts: something never stands still.
  cut_before_ = is_cut;
  return is_cut;
}

}  // namespace cad
