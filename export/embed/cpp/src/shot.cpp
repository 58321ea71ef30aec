// SPDX-License-Identifier: Apache-2.0
#include "shot.h"

#include <algorithm>

namespace cad {

Shot::Shot(Finder& finder, const FaceConstants& constants, PictureAt picture_at, int most_faces)
    : finder_(finder), constants_(constants), picture_at_(std::move(picture_at)), most_faces_(most_faces) {}

void Shot::push(int slot, const Picture& picture, bool stands) {
  last_slot_ = slot;
  if (!stands) {
    standing_slot_ = slot;
    searched_depth_ = 0;
  }
  const bool searching = slot - last_search_ >= constants_.search_step;
  if (searching || slot - last_look_ >= constants_.look_step) look(slot, picture, searching);
}

void Shot::close() {
  if (last_slot_ == never || last_slot_ == last_look_) return;
  if (const SharedPicture picture = picture_at_(last_slot_)) look(last_slot_, *picture, false);
}

std::vector<SharedTrack> Shot::retire(int slot) {
  std::vector<SharedTrack> gone = std::exchange(given_up_, {}), kept;
  for (const SharedTrack& track : tracks_) (slot - track->last_slot() > constants_.lost_slots ? gone : kept).push_back(track);
  tracks_ = std::move(kept);
  return gone;
}

void Shot::rescale(float factor_x, float factor_y) {
  for (const SharedTrack& track : tracks_) track->rescale(factor_x, factor_y);
}

void Shot::look(int slot, const Picture& picture, bool searching) {
  if (last_look_ >= standing_slot_) {
    look_again(slot, picture, searching);
    return;
  }
  last_look_ = slot;
  std::vector<Points> expected;
  for (const SharedTrack& track : tracks_) expected.push_back(track->expected(slot));
  const auto seen = finder_.look(picture, expected);
  std::vector<SharedTrack> missed;
  std::vector<Face> taken;
  for (std::size_t index = 0; index < seen.size(); ++index) {
    const auto& face = seen[index];
    if (!face || is_among(*face, taken, constants_) || !goes_on(*tracks_[index], slot, picture, *face)) {
      missed.push_back(tracks_[index]);
    } else {
      taken.push_back(*face);
      note(*tracks_[index], slot, picture, *face);
    }
  }
  if (searching || !missed.empty()) search(slot, picture, missed, depth_at(slot, picture));
}

void Shot::look_again(int slot, const Picture& picture, bool searching) {
  for (const SharedTrack& track : tracks_) {
    if (track->last_slot() == last_look_) track->see(slot, Face(track->last()));
  }
  last_look_ = slot;
  if (!searching) return;
  const int depth = depth_at(slot, picture);
  if (depth > searched_depth_) search(slot, picture, {}, depth);
}

void Shot::search(int slot, const Picture& picture, const std::vector<SharedTrack>& missed, int depth) {
  last_search_ = slot;
  searched_depth_ = std::max(depth, searched_depth_);
  std::vector<Face> seen_now, expected;
  for (const SharedTrack& track : tracks_) {
    if (track->last_slot() == slot) seen_now.push_back(track->last());
  }
  const std::vector<Face> fresh = finder_.find(picture, depth, seen_now);
  for (const SharedTrack& track : missed) expected.push_back(track->last());
  const auto owners = match(expected, fresh, constants_);
  for (std::size_t index = 0; index < missed.size(); ++index) {
    if (!owners[index] || !goes_on(*missed[index], slot, picture, fresh[*owners[index]])) continue;
    note(*missed[index], slot, picture, fresh[*owners[index]]);
    seen_now.push_back(fresh[*owners[index]]);
  }
  std::vector<Face> fresh_faces;
  for (const Face& face : fresh) {
    if (!is_among(face, seen_now, constants_)) fresh_faces.push_back(face);
  }
  left_out_ = std::max(left_out_, static_cast<int>(tracks_.size() + fresh_faces.size()) - most_faces_);
  for (const Face& face : fresh_faces) {
    if (static_cast<int>(tracks_.size()) < most_faces_ || gives_way(face)) {
      tracks_.push_back(std::make_shared<Track>(slot, face, finder_.appearance(picture, face), constants_));
    }
  }
}

bool Shot::gives_way(const Face& face) {
  const auto smallest = std::min_element(tracks_.begin(), tracks_.end(), [](const SharedTrack& one, const SharedTrack& other) {
    return one->last().height() < other->last().height();
  });
  if (face.height() < constants_.much_larger * (*smallest)->last().height()) return false;
  given_up_.push_back(*smallest);
  tracks_.erase(smallest);
  return true;
}

int Shot::depth_at(int slot, const Picture& picture) {
  const double scale = std::min(1.0, static_cast<double>(constants_.long_sides_px.front()) / std::max(picture.width, picture.height));
  const bool has_large = std::any_of(tracks_.begin(), tracks_.end(), [&](const SharedTrack& track) {
    return track->last().height() * scale >= constants_.small_face_px;
  });
  if (slot - last_deepest_ >= (has_large ? constants_.beside_step : constants_.deepest_step)) {
    last_deep_ = last_deepest_ = slot;
    return constants_.every_size;
  }
  if (has_large || slot - last_deep_ < constants_.deep_step) return 1;
  last_deep_ = slot;
  return 2;
}

bool Shot::goes_on(const Track& track, int slot, const Picture& picture, const Face& face) {
  return slot - track.last_slot() <= constants_.look_step || track.looks_like(finder_.appearance(picture, face));
}

void Shot::note(Track& track, int slot, const Picture& picture, const Face& face) {
  const int before = track.last_slot();
  const Face old = track.last();
  const Points expected = track.expected(slot);
  track.see(slot, face);
  if (track.wants_appearance(slot)) track.remember(slot, finder_.appearance(picture, face));
  if (slot - before <= constants_.bridge_slots && apart(expected, face.points) > constants_.uneven) fill(track, before, old, slot, face);
}

// Looks halfway between two sightings, and again in each half where the line between them is off.
void Shot::fill(Track& track, int start, const Face& first, int stop, const Face& last) {
  const int middle = (start + stop) / 2;
  const SharedPicture picture = middle == start ? nullptr : picture_at_(middle);
  if (!picture) return;
  Points guess{};
  for (std::size_t point = 0; point < guess.size(); ++point) {
    guess[point] = {(first.points[point].x + last.points[point].x) / 2, (first.points[point].y + last.points[point].y) / 2};
  }
  const auto face = finder_.look(*picture, {guess}).front();
  if (!face) return;
  track.see(middle, *face);
  if (apart(guess, face->points) > constants_.line_off) {
    fill(track, start, first, middle, *face);
    fill(track, middle, *face, stop, last);
  }
}

}  // namespace cad
