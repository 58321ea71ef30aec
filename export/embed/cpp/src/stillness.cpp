// SPDX-License-Identifier: Apache-2.0
#include "stillness.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace cad {
namespace {

using Change = std::vector<double>;

// A small grey picture, row by row.
struct Grid {
  const std::vector<float>& values;
  int rows, columns;
  [[nodiscard]] double at(int row, int column) const { return values[static_cast<std::size_t>(row * columns + column)]; }

  // The slope along an axis: between both neighbours, at an edge between the cell and its neighbour.
  [[nodiscard]] double slope(int row, int column, int down, int right) const {
    const int most_row = std::min(rows - 1, row + down), least_row = std::max(0, row - down);
    const int most_column = std::min(columns - 1, column + right), least_column = std::max(0, column - right);
    const int apart = most_row - least_row + most_column - least_column;
    return (at(most_row, most_column) - at(least_row, least_column)) / apart;
  }

  // Neighbours beyond an edge are those on this side of it, mirrored.
  [[nodiscard]] double laplacian(int row, int column) const {
    const auto mirrored = [](int index, int size) { return index < 0 ? -index : index >= size ? 2 * size - 2 - index : index; };
    return at(mirrored(row - 1, rows), column) + at(mirrored(row + 1, rows), column) + at(row, mirrored(column - 1, columns)) +
           at(row, mirrored(column + 1, columns)) - 4 * at(row, column);
  }
};

double inner(const Change& one, const Change& other) { return std::inner_product(one.begin(), one.end(), other.begin(), 0.0); }

// How a picture changes by shift, scale, turn, light, contrast and sharpness, as directions at right angles.
std::vector<Change> changes_of(const Grid& picture) {
  const std::size_t cells = picture.values.size();
  std::vector<Change> changes(7, Change(cells));
  for (int row = 0; row < picture.rows; ++row) {
    for (int column = 0; column < picture.columns; ++column) {
      const auto cell = static_cast<std::size_t>(row * picture.columns + column);
      const double y = row - (picture.rows - 1) / 2.0, x = column - (picture.columns - 1) / 2.0;
      const double right = picture.slope(row, column, 0, 1), down = picture.slope(row, column, 1, 0);
      const std::array<double, 7> all = {right, down, x * right + y * down, x * down - y * right, 1.0, picture.at(row, column), picture.laplacian(row, column)};
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
  const auto cells = static_cast<double>(picture.size());
  const double mean = std::accumulate(picture.begin(), picture.end(), 0.0) / cells;
  double total = 0.0;
  for (float one : picture) total += (one - mean) * (one - mean);
  return std::sqrt(total / cells);
}

std::vector<float> mean_of(const std::vector<std::vector<float>>& pictures) {
  const std::size_t cells = pictures.front().size();
  std::vector<double> total(cells);
  for (const auto& picture : pictures) {
    for (std::size_t cell = 0; cell < cells; ++cell) total[cell] += picture[cell];
  }
  std::vector<float> mean(cells);
  for (std::size_t cell = 0; cell < cells; ++cell) mean[cell] = static_cast<float>(total[cell] / static_cast<double>(pictures.size()));
  return mean;
}

}  // namespace

Stillness::Stillness(const StillnessConstants& constants)
    : is_(constants),
      rows_((constants.face_px.at(3) - constants.face_px.at(1)) / constants.cell_px),
      columns_((constants.face_px.at(2) - constants.face_px.at(0)) / constants.cell_px) {}

void Stillness::push(const Crop& crop) {
  // Once it has moved so often, nothing that may come makes it a photograph's, but for hours of it.
  if (++slots_ <= is_.settling_slots || moving_ > 2) return;
  waiting_.push_back(small_of(crop));
  if (static_cast<int>(waiting_.size()) == is_.block_slots) measure();
}

bool Stillness::is_frozen() {
  if (static_cast<int>(waiting_.size()) >= is_.least_block_slots) measure();
  return slots_ >= is_.least_slots && blocks_ > 0 && moving_ * is_.blocks_a_glitch <= blocks_;
}

void Stillness::measure() {
  const std::vector<Small> block = std::exchange(waiting_, {});
  const Small mean = mean_of(block);
  double motion = motion_of(block, mean);
  if (first_) motion = std::max(motion, motion_of({mean}, *first_));
  else first_ = mean;
  ++blocks_;
  moving_ += motion > is_.least_motion;
}

double Stillness::motion_of(const std::vector<Small>& pictures, const Small& reference) const {
  const std::vector<Change> space = changes_of({reference, rows_, columns_});
  const double contrast = std::max(deviation(reference), is_.least_contrast);
  std::vector<Change> left;
  for (const Small& picture : pictures) {
    Change rest(picture.begin(), picture.end());
    for (const Change& known : space) {
      const double along = inner(rest, known);
      for (std::size_t cell = 0; cell < rest.size(); ++cell) rest[cell] -= along * known[cell];
    }
    left.push_back(std::move(rest));
  }
  const auto averaged_slots = static_cast<std::size_t>(is_.averaged_slots);
  const std::size_t count = left.size() < averaged_slots ? 1 : left.size() - averaged_slots + 1;
  double most = 0.0;
  for (std::size_t first = 0; first < count; ++first) {
    const std::size_t stop = std::min(first + averaged_slots, left.size());
    for (int row = 1; row + 1 < rows_; ++row) {
      for (int column = 1; column + 1 < columns_; ++column) {
        double patch = 0.0;  // the mean of 3 x 3 cells
        for (std::size_t picture = first; picture < stop; ++picture) {
          for (int y = row - 1; y <= row + 1; ++y) {
            for (int x = column - 1; x <= column + 1; ++x) patch += left[picture][static_cast<std::size_t>(y * columns_ + x)];
          }
        }
        most = std::max(most, std::abs(patch) / (9.0 * static_cast<double>(stop - first)));
      }
    }
  }
  return most / contrast;
}

Stillness::Small Stillness::small_of(const Crop& crop) const {
  const int left = is_.face_px[0], top = is_.face_px[1], cell = is_.cell_px;
  Small small;
  for (int row = 0; row < rows_; ++row) {
    for (int column = 0; column < columns_; ++column) {
      int total = 0;
      for (int y = 0; y < cell; ++y) {
        for (int x = 0; x < cell; ++x) {
          const auto pixel = static_cast<std::size_t>((top + row * cell + y) * crop_side + left + column * cell + x) * 3;
          // Grey in whole levels. Source: OpenCV, RGB2GRAY in fixed point of 15 bits.
          total += (9798 * crop[pixel] + 19235 * crop[pixel + 1] + 3735 * crop[pixel + 2] + (1 << 14)) >> 15;
        }
      }
      small.push_back(static_cast<float>(std::nearbyint(total / static_cast<double>(cell * cell))));
    }
  }
  return small;
}

}  // namespace cad
