// SPDX-License-Identifier: Apache-2.0
// The aligned crops of every face of a file, a moment after its pictures have been pushed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "cuts.h"
#include "shot.h"

namespace cad {

// What the tracker gives: the crop of a track at a slot, or (without a crop) the end of the track.
struct TrackedCrop {
  int track = 0;
  int slot = 0;
  SharedCrop crop;
  double height_px = 0.0;  // of the face, in the file's pixels
};

// Follows every face of one file. A track never crosses a cut, but goes on where the picture merely changes its size.
class Tracker {
 public:
  using Take = std::function<void(const TrackedCrop&)>;
  Tracker(Finder& finder, const FaceConstants& constants, bool is_still, Take take);

  // Takes the next slot; without a picture where none is shown.
  void push(int slot, const SharedPicture& picture);
  // Takes note that nothing is shown for long: every face is a new one afterwards.
  void skip() { end_shot(); }
  // Ends the file.
  void flush();
  [[nodiscard]] int left_out() const { return std::max(left_out_, shot_->left_out()); }

 private:
  struct Waiting {
    SharedTrack track;
    std::vector<TrackedCrop> crops;
    int seen = 0;
  };

  [[nodiscard]] SharedPicture held_at(int slot) const;
  void take_picture(int slot, const SharedPicture& picture);
  void end_shot();
  void crop_until(int stop);
  void close(const SharedTrack& track);
  void collect(int min_slots);

  Finder& finder_;
  const FaceConstants& constants_;
  int most_faces_;
  Take take_;
  CutDetector cuts_;
  std::map<int, SharedPicture> held_;
  std::vector<Waiting> waiting_;  // tracks that have not lasted long enough to matter
  std::vector<SharedTrack> ended_;
  int numbered_ = 0;
  int pictures_ = 0;
  int last_slot_ = 0;
  int last_width_ = 0, last_height_ = 0;
  int left_out_ = 0;
  std::unique_ptr<Shot> shot_;
};

}  // namespace cad
