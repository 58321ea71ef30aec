// SPDX-License-Identifier: Apache-2.0
#include "face.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cad {
namespace {

double area(const Face& face) {
  return std::max(0.0, static_cast<double>(face.box[2]) - face.box[0]) * std::max(0.0, static_cast<double>(face.box[3]) - face.box[1]);
}

double shared_area(const Face& one, const Face& other) {
  const double width = std::min(one.box[2], other.box[2]) - std::max(one.box[0], other.box[0]);
  const double height = std::min(one.box[3], other.box[3]) - std::max(one.box[1], other.box[1]);
  return std::max(0.0, width) * std::max(0.0, height);
}

bool is_one_place(const Face& one, const Face& other, const FaceConstants& is) {
  const double shared = shared_area(one, other), all = area(one) + area(other) - shared;
  const double smaller = std::min(area(one), area(other));
  return (smaller > 0 && shared > is.part_of_face * smaller) || shared > is.same_face * std::max(all, 1e-9);
}

// The overlap of two boxes; a little for boxes of like heights that are near to each other, else 0.
double affinity(const Face& one, const Face& other, const FaceConstants& is) {
  const double shared = shared_area(one, other);
  const double overlap = shared / std::max(area(one) + area(other) - shared, 1e-9);
  if (overlap >= is.least_overlap) return overlap;
  const auto [low, high] = std::minmax(one.height(), other.height());
  const double right = (one.box[0] + one.box[2] - other.box[0] - other.box[2]) / 2;
  const double down = (one.box[1] + one.box[3] - other.box[1] - other.box[3]) / 2;
  return low >= is.alike_height * high && std::hypot(right, down) <= is.near * high ? 0.2 : 0.0;
}

}  // namespace

Face shifted(Face face, float by_px) {
  for (float& side : face.box) side += by_px;
  for (Point& point : face.points) point = {point.x + by_px, point.y + by_px};
  return face;
}

Face rescaled(Face face, float factor_x, float factor_y) {
  // Pixel centres are whole numbers on both sides of the scaling.
  const auto moved = [](float at, float factor) { return (at + 0.5F) * factor - 0.5F; };
  for (std::size_t side = 0; side < face.box.size(); ++side) face.box[side] = moved(face.box[side], side % 2 == 0 ? factor_x : factor_y);
  for (Point& point : face.points) point = {moved(point.x, factor_x), moved(point.y, factor_y)};
  return face;
}

double eyes_apart(const Points& points) { return std::hypot(points[1].x - points[0].x, points[1].y - points[0].y); }

double apart(const Points& points, const Points& others) {
  double total = 0.0;
  for (std::size_t index = 0; index < points.size(); ++index) {
    total += std::hypot(points[index].x - others[index].x, points[index].y - others[index].y);
  }
  return total / static_cast<double>(points.size()) / std::max({eyes_apart(points), eyes_apart(others), 1e-6});
}

bool is_a_shape(const Points& points) {
  float left = std::numeric_limits<float>::infinity(), top = left, right = -left, bottom = -left;
  for (const Point& point : points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) return false;
    left = std::min(left, point.x);
    right = std::max(right, point.x);
    top = std::min(top, point.y);
    bottom = std::max(bottom, point.y);
  }
  return std::max(right - left, bottom - top) > 1.0F;
}

bool is_among(const Face& face, const std::vector<Face>& others, const FaceConstants& constants) {
  return std::any_of(others.begin(), others.end(), [&](const Face& other) { return is_one_place(face, other, constants); });
}

std::vector<std::optional<std::size_t>> match(const std::vector<Face>& expected, const std::vector<Face>& found, const FaceConstants& constants) {
  std::vector<std::optional<std::size_t>> owners(expected.size());
  std::vector<bool> is_taken(found.size());
  for (;;) {
    double most = 0.0;
    std::size_t row = 0, column = 0;
    for (std::size_t one = 0; one < expected.size(); ++one) {
      if (owners[one]) continue;
      for (std::size_t other = 0; other < found.size(); ++other) {
        const double likely = is_taken[other] ? 0.0 : affinity(expected[one], found[other], constants);
        if (likely <= most) continue;
        most = likely;
        row = one;
        column = other;
      }
    }
    if (most <= 0) return owners;
    owners[row] = column;
    is_taken[column] = true;
  }
}

}  // namespace cad
