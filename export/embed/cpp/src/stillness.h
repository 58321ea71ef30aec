// SPDX-License-Identifier: Apache-2.0
// Whether a face is a photograph: whether it never moves in all the time that it is seen. Aligned crops of a photograph
// stay the same picture but for place, size, turn, light, contrast and sharpness. What all of these leave of a crop is
// measured; the largest patch of it is the face's own motion, or noise.
#pragma once

#include <optional>
#include <vector>

#include "kit.h"
#include "windows.h"

namespace cad {

class Stillness {
 public:
  explicit Stillness(const StillnessConstants& constants);
  // Takes the next crop in which the face is seen.
  void push(const Crop& crop);
  // Whether the face was seen for long enough to tell, and never moved; to be asked at the track's end.
  bool is_frozen();

 private:
  using Small = std::vector<float>;

  void measure();
  [[nodiscard]] Small small_of(const Crop& crop) const;
  // The largest departure of any patch of any picture from the reference, however that is moved or lit, in standard
  // deviations of the reference.
  [[nodiscard]] double motion_of(const std::vector<Small>& pictures, const Small& reference) const;

  const StillnessConstants& is_;
  int rows_, columns_;

  int slots_ = 0;
  std::vector<Small> waiting_;
  std::optional<Small> first_;
  int blocks_ = 0, moving_ = 0;
};

}  // namespace cad
