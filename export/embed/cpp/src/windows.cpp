// SPDX-License-Identifier: Apache-2.0
#include "windows.h"

#include <algorithm>

#include "clock.h"

namespace cad {
namespace {

// The windows that cover a stretch.
std::vector<std::pair<int, int>> window_spans(int first, int stop, const WindowSizes& sizes) {
  if (stop - first <= sizes.window_slots) return {{first, stop}};
  std::vector<std::pair<int, int>> spans;
  for (int start = first; start + sizes.window_slots <= stop; start += sizes.hop_slots) {
    spans.emplace_back(start, start + sizes.window_slots);
  }
  if (spans.back().second < stop) spans.emplace_back(stop - sizes.window_slots, stop);
  return spans;
}

}  // namespace

WindowCutter::WindowCutter(const Voice* voice, WindowSizes sizes)
    : voice_(voice), sizes_(sizes), covered_(voice == nullptr ? 0 : voice->speech.size()) {}

std::vector<Window> WindowCutter::push(int track, int slot, const SharedCrop& crop) {
  std::vector<Window> windows;
  auto found = open_.find(track);
  if (found != open_.end() && slot - found->second.stop_slot() > sizes_.max_gap_slots) {
    windows = end(track);
    found = open_.end();
  }
  if (found == open_.end()) {
    found = open_.emplace(track, OpenTrack{}).first;
    found->second.first_slot = slot;
  }
  OpenTrack& open = found->second;
  while (open.stop_slot() < slot) open.crops.emplace_back();
  open.crops.push_back(crop);
  for (;;) {
    const int start = open.last_window_slot ? *open.last_window_slot + sizes_.hop_slots : open.first_slot;
    if (start + sizes_.window_slots > open.stop_slot()) break;
    open.crops.erase(open.crops.begin(), open.crops.begin() + (start - open.first_slot));
    open.first_slot = start;
    open.last_window_slot = start;
    windows.push_back(cut(track, open, start, start + sizes_.window_slots));
  }
  return windows;
}

std::vector<Window> WindowCutter::end(int track) {
  const auto found = open_.find(track);
  if (found == open_.end()) return {};
  const OpenTrack open = std::move(found->second);
  open_.erase(found);
  const int stop = open.stop_slot();
  std::vector<Window> windows;
  if (!open.last_window_slot) {
    if (stop - open.first_slot >= sizes_.min_slots) windows.push_back(cut(track, open, open.first_slot, stop));
  } else if (*open.last_window_slot + sizes_.window_slots != stop) {
    windows.push_back(cut(track, open, stop - sizes_.window_slots, stop));
  }
  return windows;
}

Window WindowCutter::cut(int track, const OpenTrack& open, int start, int stop) {
  Window window;
  window.first_slot = start;
  window.track = track;
  const auto from = open.crops.begin() + (start - open.first_slot);
  window.crops.assign(from, from + (stop - start));
  for (const SharedCrop& crop : window.crops) window.frames_present.push_back(crop != nullptr);
  take_sound(window, start, stop);
  for (int slot = start; slot < std::min(stop, static_cast<int>(covered_.size())); ++slot) covered_[static_cast<std::size_t>(slot)] = true;
  return window;
}

void WindowCutter::take_sound(Window& window, int start, int stop) const {
  window.audio.assign(static_cast<std::size_t>(stop - start) * samples_per_slot, 0.0F);
  window.audio_present.assign(static_cast<std::size_t>(stop - start), false);
  if (voice_ == nullptr) return;
  const int end = std::min(stop, static_cast<int>(voice_->speech.size()));
  for (int slot = start; slot < end; ++slot) {
    if (!voice_->speech[static_cast<std::size_t>(slot)]) continue;
    window.audio_present[static_cast<std::size_t>(slot - start)] = true;
    const auto from = voice_->samples.begin() + static_cast<std::ptrdiff_t>(slot) * samples_per_slot;
    std::copy(from, from + samples_per_slot, window.audio.begin() + static_cast<std::ptrdiff_t>(slot - start) * samples_per_slot);
  }
}

std::vector<Window> WindowCutter::sound_alone() const {
  std::vector<Window> windows;
  for (const auto& [first, last] : runs_of(covered_, false)) {
    // Windows start where the speech starts, so that silence before it changes nothing at all.
    std::vector<int> spoken;
    for (int slot = first; slot < last; ++slot) {
      if (voice_->speech[static_cast<std::size_t>(slot)]) spoken.push_back(slot);
    }
    if (spoken.empty() || static_cast<int>(spoken.size()) < sizes_.min_slots) continue;
    for (const auto& [start, stop] : window_spans(spoken.front(), spoken.back() + 1, sizes_)) {
      Window window;
      window.first_slot = start;
      window.crops.resize(static_cast<std::size_t>(stop - start));
      window.frames_present.assign(static_cast<std::size_t>(stop - start), false);
      take_sound(window, start, stop);
      const bool speaks = std::find(window.audio_present.begin(), window.audio_present.end(), true) != window.audio_present.end();
      if (speaks) windows.push_back(std::move(window));
    }
  }
  return windows;
}

}  // namespace cad
