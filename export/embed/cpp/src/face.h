// SPDX-License-Identifier: Apache-2.0
// One face in one picture, and what can be said of two of them.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "kit.h"

namespace cad {

struct Point {
  float x, y;
};

// Eye at the picture's left, eye at its right, nose tip, mouth corner at the left, at the right.
using Points = std::array<Point, 5>;

struct Face {
  std::array<float, 4> box{};  // left, top, right, bottom
  Points points{};
  double score = 0.0;
  [[nodiscard]] double height() const { return static_cast<double>(box[3]) - box[1]; }
};

// The face moved right and down.
Face shifted(Face face, float by_px);
// The face in the same picture at another size, so many times as large.
Face rescaled(Face face, float factor_x, float factor_y);
// The distance of the eyes.
double eyes_apart(const Points& points);
// The mean distance of points from others, in eye distances (of the wider of both).
double apart(const Points& points, const Points& others);
// Whether five points can be aligned at all.
bool is_a_shape(const Points& points);
// Whether a face is one of others of the same picture, or a part of one of them that passes for a face.
bool is_among(const Face& face, const std::vector<Face>& others, const FaceConstants& constants);
// For each expected face which of the found ones it is, if any; the surest pairs first.
std::vector<std::optional<std::size_t>> match(const std::vector<Face>& expected, const std::vector<Face>& found, const FaceConstants& constants);

}  // namespace cad
