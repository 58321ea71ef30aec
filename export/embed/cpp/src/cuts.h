// SPDX-License-Identifier: Apache-2.0
// Where one shot ends and the next begins: the patterns of two pictures hardly correlate (no flash, no fade), their
// brightness differs clearly (no noise), and the change stands out against those just before (no pan).
#pragma once

#include <deque>
#include <optional>

#include "finder.h"

namespace cad {

class CutDetector {
 public:
  CutDetector(Finder& finder, const CutConstants& constants) : finder_(finder), constants_(constants) {}
  // Takes the next picture; true if it starts a new shot (never the first).
  bool push(const Picture& picture);

 private:
  Finder& finder_;
  const CutConstants& constants_;
  std::optional<GreyPicture> last_;
  int last_width_ = 0, last_height_ = 0;
  std::deque<double> changes_;
  bool cut_before_ = false;
};

}  // namespace cad
