// SPDX-License-Identifier: Apache-2.0
#include "stillness.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace cad {
namespace {

// The constants of cad.faces.stillness, which the kit does not state.
// The part of a crop that is looked at, brow to chin, and the side of its cells.
constexpr int left_px = 36, top_px = 36, right_px = 124, bottom_px = 132, cell_px = 4;
constexpr int columns = (right_px - left_px) / cell_px, rows = (bottom_px - top_px) / cell_px;
constexpr std::size_t cells = static_cast<std::size_t>(rows) * columns;
// Crops that are compared with their own mean; a track's last ones are if there are as many as the second figure.
constexpr std::size_t block_slots = 50, least_block_slots = 20;
// A track's first slots do not count: coders begin with a coarse picture, and fades with a dark one.
constexpr int settling_slots = 8;
// Genuine faces keep still for two seconds; a track of fewer slots is not called frozen.
constexpr int least_slots = 100;
// A face moves if some patch departs from the fit by more than this share of the face's contrast.
constexpr double least_motion = 0.16;
// In a long track one block in so many may seem to move (a glitch of the coding).
constexpr int blocks_a_glitch = 10;
// Contrast below this many grey levels is too little to tell anything by.
constexpr double least_contrast = 4.0;
// Slots over which the remainder is averaged, against noise.
constexpr std::size_t averaged_slots = 3;

using Change = std::vector<double>;

double at(const std::vector<float>& picture, int row, int column) {
  return picture[static_cast<std::size_t>(row * columns + column)];
}

// The slope along an axis: between both neighbours, at an edge between the cell and its neighbour.
double slope(const std::vector<float>& picture, int row, int column, int down, int right) {
  const int most_row = std::min(rows - 1, row + down), least_row = std::max(0, row - down);
  const int most_column = std::min(columns - 1, column + right), least_column = std::max(0, column - right);
  const int apart = most_row - least_row + most_column - least_column;
  return (at(picture, most_row, most_column) - at(picture, least_row, least_column)) / apart;
}

double laplacian(const std::vector<float>& picture, int row, int column) {
  const auto mirrored = [](int index, int size) { return index < 0 ? -index : index >= size ? 2 * size - 2 - index : index; };
  return at(picture, mirrored(row - 1, rows), column) + at(picture, mirrored(row + 1, rows), column) +
         at(picture, row, mirrored(column - 1, columns)) + at(picture, row, mirrored(column + 1, columns)) - 4 * at(picture, row, column);
}

double inner(const Change& one, const Change& other) { return std::inner_product(one.begin(), one.end(), other.begin(), 0.0); }

// How a picture changes by shift, scale, turn, light, contrast and sharpness, as directions at right angles.
std::vector<Change> changes_of(const std::vector<float>& picture) {
  std::vector<Change> changes(7, Change(cells));
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const auto cell = static_cast<std::size_t>(row * columns + column);
      const double y = row - (rows - 1) / 2.0, x = column - (columns - 1) / 2.0;
      const double right = slope(picture, row, column, 0, 1), down = slope(picture, row, column, 1, 0);
      const std::array<double, 7> all = {right, down, x * right + y * down, x * down - y * right, 1.0, at(picture, row, column), laplacian(picture, row, column)};
      for (std::size_t index = 0; index < all.size(); ++index) changes[index][cell] = all[index];
    }
  }
  std::vector<Change> space;
  for (Change& change : changes) {
    const double before = std::sqrt(inner(change, change));
    for (int round = 0; round < 2; ++round) {  // twice, for what the first round's rounding leaves
      for (const Change& known : space) {
        const double along = inner(change, known);
        for (std::size_t cell = 0; cell < cells; ++cell) change[cell] -= along * known[cell];
      }
    }
    const double size = std::sqrt(inner(change, change));
    if (size <= 1e-6 * before || size == 0) continue;  // no direction of its own
    for (double& one : change) one /= size;
    space.push_back(std::move(change));
  }
  return space;
}

double deviation(const std::vector<float>& picture) {
  const double mean = std::accumulate(picture.begin(), picture.end(), 0.0) / static_cast<double>(cells);
  double total = 0.0;
  for (float one : picture) total += (one - mean) * (one - mean);
  return std::sqrt(total / static_cast<double>(cells));
}

std::vector<float> mean_of(const std::vector<std::vector<float>>& pictures) {
  std::vector<double> total(cells);
  for (const auto& picture : pictures) {
    for (std::size_t cell = 0; cell < cells; ++cell) total[cell] += picture[cell];
  }
  std::vector<float> mean(cells);
  for (std::size_t cell = 0; cell < cells; ++cell) mean[cell] = static_cast<float>(total[cell] / static_cast<double>(pictures.size()));
  return mean;
}

}  // namespace

void Stillness::push(const Crop& crop) {
  // Once it has moved so often, nothing that may come makes it a photograph's, but for hours of it.
  if (++slots_ <= settling_slots || moving_ > 2) return;
  waiting_.push_back(small_of(crop));
  if (waiting_.size() == block_slots) measure();
}

bool Stillness::is_frozen() {
  if (waiting_.size() >= least_block_slots) measure();
  return slots_ >= least_slots && blocks_ > 0 && moving_ * blocks_a_glitch <= blocks_;
}

void Stillness::measure() {
  const std::vector<Small> block = std::exchange(waiting_, {});
  const Small mean = mean_of(block);
  double motion = motion_of(block, mean);
  if (first_) motion = std::max(motion, motion_of({mean}, *first_));
  else first_ = mean;
  ++blocks_;
  moving_ += motion > least_motion;
}

double Stillness::motion_of(const std::vector<Small>& pictures, const Small& reference) {
  const std::vector<Change> space = changes_of(reference);
  const double contrast = std::max(deviation(reference), least_contrast);
  std::vector<Change> left;
  for (const Small& picture : pictures) {
    Change rest(picture.begin(), picture.end());
    for (const Change& known : space) {
      const double along = inner(rest, known);
      for (std::size_t cell = 0; cell < cells; ++cell) rest[cell] -= along * known[cell];
    }
    left.push_back(std::move(rest));
  }
  const std::size_t count = left.size() < averaged_slots ? 1 : left.size() - averaged_slots + 1;
  double most = 0.0;
  for (std::size_t first = 0; first < count; ++first) {
    const std::size_t stop = std::min(first + averaged_slots, left.size());
    for (int row = 1; row + 1 < rows; ++row) {
      for (int column = 1; column + 1 < columns; ++column) {
        double patch = 0.0;  // the mean of 3 x 3 cells
        for (std::size_t picture = first; picture < stop; ++picture) {
          for (int y = row - 1; y <= row + 1; ++y) {
            for (int x = column - 1; x <= column + 1; ++x) patch += left[picture][static_cast<std::size_t>(y * columns + x)];
          }
        }
        most = std::max(most, std::abs(patch) / (9.0 * static_cast<double>(stop - first)));
      }
    }
  }
  return most / contrast;
}

Stillness::Small Stillness::small_of(const Crop& crop) {
  Small small(cells);
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      int total = 0;
      for (int y = 0; y < cell_px; ++y) {
        for (int x = 0; x < cell_px; ++x) {
          const std::size_t pixel = static_cast<std::size_t>((top_px + row * cell_px + y) * crop_side + left_px + column * cell_px + x) * 3;
          // Grey in whole levels. Source: OpenCV, RGB2GRAY in fixed point of 15 bits.
          total += (9798 * crop[pixel] + 19235 * crop[pixel + 1] + 3735 * crop[pixel + 2] + (1 << 14)) >> 15;
        }
      }
      small[static_cast<std::size_t>(row * columns + column)] = static_cast<float>(std::nearbyint(total / static_cast<double>(cell_px * cell_px)));
    }
  }
  return small;
}

}  // namespace cad
