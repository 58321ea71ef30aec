// SPDX-License-Identifier: Apache-2.0
// A media file for the detector: what it holds, its sound, and its pictures slot by slot.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "grid.h"
#include "picture.h"

namespace cad {

// What a file holds decides which numbers of the model hold for it.
enum class Kind { recording, talking_head, still };

// The name of a kind in the kit and in the answer.
std::string name_of(Kind kind);

struct MediaInfo {
  Kind kind = Kind::recording;
  std::string format;
  std::optional<int> video, audio;  // indices of the streams that are judged
  bool has_undecodable_sound = false;
  double origin_seconds = 0.0;  // of grid slot 0, on the file's clock
  double fps = 0.0;             // 0 where nothing tells it
  double video_start_seconds = 0.0, video_end_seconds = 0.0;  // by the packets, on the file's clock
  double audio_start_seconds = 0.0, audio_end_seconds = 0.0;
  double pixel_aspect = 1.0;
  double stated_share = 1.0;  // of the length that the container states, how much the packets reach
  Orientation orientation;
};

// How much of a stream could be read.
struct ReadReport {
  int decoded_frames = 0;
  int shown_slots = 0;
  double coverage = 1.0;  // share of the packets that were decoded
};

// The sound of a file on the grid.
struct Sound {
  std::vector<float> samples;   // 16 kHz mono in [-1, 1], 640 a slot; zeros where there is none
  std::vector<bool> is_there;   // by slot
  ReadReport report;
  [[nodiscard]] int slots() const { return static_cast<int>(is_there.size()); }
};

MediaInfo probe(const std::string& path);

// The sound of a file, nothing if none of it can be read.
std::optional<Sound> read_sound(const std::string& path, const MediaInfo& info);

// Calls `take` for every picture that serves a slot, in order, with its place.
ReadReport read_pictures(const std::string& path, const MediaInfo& info,
                         const std::function<void(const Placement&, const SharedPicture&)>& take);

}  // namespace cad
