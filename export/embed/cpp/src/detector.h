// SPDX-License-Identifier: Apache-2.0
// From top to bottom: a file goes in, a verdict comes out.
#pragma once

#include <string>

#include "finder.h"
#include "graph.h"
#include "kit.h"
#include "scores.h"
#include "verdict.h"

namespace cad {

struct Answer {
  Kind kind;
  Verdict verdict;
};

class Detector {
 public:
  // `threads`: inside one operator; 0 takes every core.
  Detector(const Kit& kit, int threads);
  // Throws MediaError if the file cannot be read.
  Answer detect(const std::string& path);

 private:
  const Kit& kit_;
  Scorer scorer_;
  Finder finder_;
  Graph speech_net_;
};

}  // namespace cad
