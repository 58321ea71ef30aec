// SPDX-License-Identifier: Apache-2.0
#include "tracker.h"

#include <algorithm>

namespace cad {
namespace {

// Tracks are numbered when they have lasted long enough, those of one second in order of appearance.
constexpr int collect_step = 25;

}  // namespace

Tracker::Tracker(Finder& finder, const FaceConstants& constants, bool is_still, Take take)
    : finder_(finder),
      constants_(constants),
      most_faces_(is_still ? constants.max_still_faces : constants.max_faces),
      take_(std::move(take)),
      cuts_(finder, constants.cuts),
      shot_(std::make_unique<Shot>(finder, constants, [this](int slot) { return held_at(slot); }, most_faces_)) {}

SharedPicture Tracker::held_at(int slot) const {
  const auto found = held_.find(slot);
  return found == held_.end() ? nullptr : found->second;
}

void Tracker::push(int slot, const SharedPicture& picture) {
  if (picture) take_picture(slot, picture);
  crop_until(slot - constants_.bridge_slots + 1);  // enough pictures to bridge a gap and to smooth
  for (const SharedTrack& track : shot_->retire(slot)) close(track);
  if (slot % collect_step == collect_step - 1) collect(constants_.min_track_slots);
}

void Tracker::flush() {
  end_shot();
  // In a still picture or a file shorter than the shortest useful track, a face in most of it is useful.
  collect(std::min(constants_.min_track_slots, std::max(1, pictures_ / 2)));
}

void Tracker::take_picture(int slot, const SharedPicture& picture) {
  const int width = std::exchange(last_width_, picture->width), height = std::exchange(last_height_, picture->height);
  if (cuts_.push(*picture)) {
    end_shot();
  } else if (width != 0 && (width != picture->width || height != picture->height)) {
    shot_->close();
    crop_until(std::numeric_limits<int>::max());
    shot_->rescale(static_cast<float>(picture->width) / static_cast<float>(width), static_cast<float>(picture->height) / static_cast<float>(height));
  }
  ++pictures_;
  const auto before = held_.find(std::exchange(last_slot_, slot));
  const bool stands = before != held_.end() && (before->second == picture || before->second->pixels == picture->pixels);
  held_[slot] = picture;
  shot_->push(slot, *picture, stands);
}

void Tracker::end_shot() {
  shot_->close();
  crop_until(std::numeric_limits<int>::max());
  for (const SharedTrack& track : shot_->tracks()) close(track);
  for (const SharedTrack& track : shot_->given_up()) close(track);
  left_out_ = left_out();
  shot_ = std::make_unique<Shot>(finder_, constants_, [this](int slot) { return held_at(slot); }, most_faces_);
}

void Tracker::crop_until(int stop) {
  while (!held_.empty() && held_.begin()->first < stop) {
    const int slot = held_.begin()->first;
    const SharedPicture picture = held_.begin()->second;
    held_.erase(held_.begin());
    std::vector<SharedTrack> there;
    std::vector<Points> points;
    std::vector<double> heights;
    for (const SharedTrack& track : shot_->tracks()) {
      if (!track->is_present(slot)) continue;
      const Face state = track->state(slot);
      there.push_back(track);
      points.push_back(state.points);
      heights.push_back(state.height() * picture->file_scale);
    }
    const std::vector<SharedCrop> crops = finder_.crops(*picture, points);
    for (std::size_t index = 0; index < there.size(); ++index) {
      const SharedTrack& track = there[index];
      auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) { return one.track == track; });
      if (found == waiting_.end()) found = waiting_.insert(waiting_.end(), Waiting{track, {}, 0});
      found->crops.push_back({0, slot, crops[index], heights[index]});
      ++found->seen;
    }
    for (const SharedTrack& track : shot_->tracks()) track->forget_before(slot);
  }
}

void Tracker::close(const SharedTrack& track) { ended_.push_back(track); }

void Tracker::collect(int min_slots) {
  std::stable_sort(waiting_.begin(), waiting_.end(), [](const Waiting& one, const Waiting& other) { return one.track->first_slot() < other.track->first_slot(); });
  for (Waiting& one : waiting_) {
    if (!one.track->number && one.seen >= min_slots) one.track->number = numbered_++;
    if (!one.track->number) continue;
    for (TrackedCrop& crop : one.crops) {
      crop.track = *one.track->number;
      take_(crop);
    }
    one.crops.clear();
  }
  for (const SharedTrack& track : ended_) {
    if (track->number) take_({*track->number, last_slot_, nullptr, 0.0});
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), [&](const Waiting& one) { return one.track == track; }), waiting_.end());
  }
  ended_.clear();
}

}  // namespace cad
