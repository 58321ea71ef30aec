// SPDX-License-Identifier: Apache-2.0
// What the model sees: windows of a short stretch of one face and the sound of the same slots.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "runs.h"

namespace cad {

inline constexpr int crop_side = 160;
inline constexpr std::size_t crop_bytes = static_cast<std::size_t>(crop_side) * crop_side * 3;

// An aligned crop of a face, RGB; shared by the windows that overlap.
using Crop = std::array<std::uint8_t, crop_bytes>;
using SharedCrop = std::shared_ptr<const Crop>;

struct Window {
  int first_slot = 0;
  std::optional<int> track;
  std::vector<SharedCrop> crops;  // by slot; none where the face is not seen
  Mask frames_present;
  std::vector<float> audio;
  Mask audio_present;
  [[nodiscard]] int slots() const { return static_cast<int>(frames_present.size()); }
};

// Sound of which only the speech is shown to the model.
struct Voice {
  std::vector<float> samples;
  Mask speech;
};

struct WindowSizes {
  int window_slots;
  int hop_slots;
  int min_slots;
  int max_gap_slots;  // a track whose crops stop for longer is cut in two: the gap would fill most of a window
};

// Cuts the crops of every face, and the speech that no face goes with, into windows. Every track is cut by itself: windows
// from its first slot on, the last one aligned to its end; a shorter track gives one window, a very short one none.
class WindowCutter {
 public:
  WindowCutter(const Voice* voice, WindowSizes sizes);

  // Takes the crop of a track at a slot, none where the face is not seen, and returns the windows that are complete.
  std::vector<Window> push(int track, int slot, const SharedCrop& crop);
  // Takes note that a track gets no more crops, and returns its last windows.
  std::vector<Window> end(int track);
  // The windows of sound that no face went with; to be asked when all tracks have ended.
  std::vector<Window> sound_alone() const;

 private:
  struct OpenTrack {
    int first_slot = 0;
    std::vector<SharedCrop> crops;
    std::optional<int> last_window_slot;
    [[nodiscard]] int stop_slot() const { return first_slot + static_cast<int>(crops.size()); }
  };

  Window cut(int track, const OpenTrack& open, int start, int stop);
  void take_sound(Window& window, int start, int stop) const;

  const Voice* voice_;
  WindowSizes sizes_;
  std::map<int, OpenTrack> open_;
  Mask covered_;  // slots whose sound went into a window together with a face
};

}  // namespace cad
