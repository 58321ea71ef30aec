// SPDX-License-Identifier: Apache-2.0
// The face graphs of the kit for one picture: find faces, look again where they are expected, cut them out.
#pragma once

#include <optional>
#include <vector>

#include "face.h"
#include "graph.h"
#include "kit.h"
#include "picture.h"
#include "windows.h"

namespace cad {

// A small grey picture, row by row.
struct GreyPicture {
  int rows = 0, columns = 0;
  std::vector<float> values;
};

// The normalised correlation of two grey pictures of one size in [-1, 1]; 1 if neither shows any pattern.
double likeness(const GreyPicture& one, const GreyPicture& other);

class Finder {
 public:
  Finder(const Kit& kit, int threads);

  // The faces of a picture beside those that are known, largest first. `depth`: how many sizes may be tried; a larger
  // one is tried when a smaller one shows no face or only small ones, and with the depth of all sizes all are.
  std::vector<Face> find(const Picture& picture, int depth, const std::vector<Face>& known);
  // Looks at places where faces are expected: for each the face there, if any.
  std::vector<std::optional<Face>> look(const Picture& picture, const std::vector<Points>& expected);
  // The aligned crops of faces.
  std::vector<SharedCrop> crops(const Picture& picture, const std::vector<Points>& faces);
  // A face as a small grey picture, by which it is known again after a gap.
  GreyPicture appearance(const Picture& picture, const Face& face);
  // The brightness of a picture at a few places, by which cuts are found.
  GreyPicture coarse(const Picture& picture);
  // How much a mouth changes between crops of one face that follow each other.
  std::vector<float> lip_motion(const std::vector<SharedCrop>& crops);

 private:
  std::vector<Face> search(const Picture& picture, int long_side);
  std::vector<Face> filling(const Picture& picture);
  std::vector<Face> lying(const Picture& picture);

  const FaceConstants& constants_;
  Graph find_, look_, crop_, coarse_, lips_;
};

}  // namespace cad
