// SPDX-License-Identifier: Apache-2.0
// Upright RGB pictures with square pixels from decoded frames.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "av.h"

namespace cad {

// An upright picture, RGB, row by row.
struct Picture {
  int width = 0;
  int height = 0;
  // How many of the file's pixels one of these stands for along a side.
  double file_scale = 1.0;
  std::vector<std::uint8_t> pixels;
};

using SharedPicture = std::shared_ptr<const Picture>;

// How a stored picture is turned to stand upright: transposed first, then flipped.
struct Orientation {
  bool transpose = false;
  bool flip_rows = false;
  bool flip_columns = false;
};

// The orientation that a display matrix states (FFmpeg, libavutil/display.h).
Orientation orientation_of_matrix(const std::int32_t* matrix);

// The orientation that the EXIF tags of a photograph state, none without such a tag.
Orientation exif_orientation(const std::string& path, const Orientation& otherwise);

// Turns pixels, RGB row by row with `stride` bytes a row, upright.
Picture turned(const std::uint8_t* pixels, int stride, int width, int height, const Orientation& orientation);

// Converts the frames of one stream, whose size may change.
class PictureConverter {
 public:
  PictureConverter(double pixel_aspect, Orientation orientation, bool is_still);
  SharedPicture convert(const AVFrame& frame);

 private:
  double pixel_aspect_;
  Orientation orientation_;
  bool is_still_;
  AvOwner<SwsContext> scaler_;
  std::array<int, 6> form_{};  // for which the scaler was made
};

}  // namespace cad
