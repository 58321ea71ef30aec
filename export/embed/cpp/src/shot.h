// SPDX-License-Identifier: Apache-2.0
// The tracks of one shot. A *search* covers the whole picture: at the start, every few slots, and at once when a face is
// not where it was expected. A *look* covers only the places where faces are expected: more often, and in between where a
// face has moved too unevenly for a straight line. A picture that stands still is looked at once.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "finder.h"
#include "track.h"

namespace cad {

using SharedTrack = std::shared_ptr<Track>;

class Shot {
 public:
  // `picture_at`: gives the picture of a recent slot, or nothing where there is none.
  using PictureAt = std::function<SharedPicture(int)>;
  Shot(Finder& finder, const FaceConstants& constants, PictureAt picture_at, int most_faces);

  // Takes the picture of the next slot that has one; `stands`: it is the one before once more.
  void push(int slot, const Picture& picture, bool stands);
  // Looks at the last picture of the shot, so that nothing after the last look has to be guessed.
  void close();
  // Takes out and returns the tracks that have not been seen for long.
  std::vector<SharedTrack> retire(int slot);
  void rescale(float factor_x, float factor_y);

  [[nodiscard]] const std::vector<SharedTrack>& tracks() const { return tracks_; }
  [[nodiscard]] const std::vector<SharedTrack>& given_up() const { return given_up_; }
  // How many more faces than are followed one search has seen, at most.
  [[nodiscard]] int left_out() const { return left_out_; }

 private:
  void look(int slot, const Picture& picture, bool searching);
  void look_again(int slot, const Picture& picture, bool searching);
  void search(int slot, const Picture& picture, const std::vector<SharedTrack>& missed, int depth);
  bool gives_way(const Face& face);
  int depth_at(int slot, const Picture& picture);
  bool goes_on(const Track& track, int slot, const Picture& picture, const Face& face);
  void note(Track& track, int slot, const Picture& picture, const Face& face);
  void fill(Track& track, int start, const Face& first, int stop, const Face& last);

  static constexpr int never = std::numeric_limits<int>::min() / 2;
  Finder& finder_;
  const FaceConstants& constants_;
  PictureAt picture_at_;
  int most_faces_;
  std::vector<SharedTrack> tracks_, given_up_;
  int left_out_ = 0;
  int last_slot_ = never;
  // Since when the picture that is shown now has been standing, and how deeply it has been searched.
  int standing_slot_ = 0, searched_depth_ = 0;
  int last_look_ = never, last_search_ = never, last_deep_ = never, last_deepest_ = never;
};

}  // namespace cad
