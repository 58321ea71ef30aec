// SPDX-License-Identifier: Apache-2.0
#include "scores.h"

#include <algorithm>
#include <limits>

#include "clock.h"

namespace cad {
namespace {

// Windows of one call: more cost memory and gain no speed on a CPU.
constexpr std::size_t batch_windows = 4;

bool reaches(const Mask& present, double share) {
  const auto count = static_cast<double>(std::count(present.begin(), present.end(), true));
  return count / static_cast<double>(present.size()) >= share;
}

}  // namespace

Scorer::Scorer(const Kit& kit, int threads)
    : graph_(kit.path("model.onnx"), {"frames", "audio", "frames_present", "audio_present"},
             {"fused_logit", "video_logit", "audio_logit", "sync_logit", "offset_seconds"}, threads),
      constants_(kit.scoring) {
  for (std::size_t head = 0; head < head_count; ++head) has_head_[head] = kit.spec.has_head(head_names[head]);
}

std::vector<WindowScore> Scorer::score(const std::vector<Window>& windows) {
  std::vector<WindowScore> scores;
  for (std::size_t first = 0; first < windows.size();) {
    std::size_t count = 1;
    while (count < batch_windows && first + count < windows.size() && windows[first + count].slots() == windows[first].slots()) ++count;
    run(windows.data() + first, count, scores);
    first += count;
  }
  return scores;
}

void Scorer::run(const Window* batch, std::size_t count, std::vector<WindowScore>& scores) {
  const auto slots = static_cast<std::size_t>(batch[0].slots());
  std::vector<std::uint8_t> frames(count * slots * crop_bytes);
  std::vector<float> sound(count * slots * samples_per_slot), frames_present(count * slots), audio_present(count * slots);
  const std::size_t first = scores.size();
  for (std::size_t row = 0; row < count; ++row) {
    const Window& window = batch[row];
    WindowScore score;
    score.first_slot = window.first_slot;
    score.track = window.track;
    score.has_video = reaches(window.frames_present, constants_.min_video_share);
    score.has_audio = reaches(window.audio_present, constants_.min_audio_share);
    score.frames_present = window.frames_present;
    score.audio_present = window.audio_present;
    for (std::size_t slot = 0; slot < slots; ++slot) {
      const std::size_t place = row * slots + slot;
      if (window.crops[slot]) {
        std::copy(window.crops[slot]->begin(), window.crops[slot]->end(), frames.begin() + static_cast<std::ptrdiff_t>(place * crop_bytes));
      }
      // A stream that is too thin to score is left out whole.
      frames_present[place] = window.frames_present[slot] && score.has_video ? 1.0F : 0.0F;
      audio_present[place] = window.audio_present[slot] && score.has_audio ? 1.0F : 0.0F;
    }
    std::copy(window.audio.begin(), window.audio.end(), sound.begin() + static_cast<std::ptrdiff_t>(row * slots * samples_per_slot));
    scores.push_back(std::move(score));
  }
  const auto rows = static_cast<std::int64_t>(count), time = static_cast<std::int64_t>(slots);
  std::vector<Ort::Value> given;
  given.push_back(view_of(frames.data(), frames.size(), {rows, time, crop_side, crop_side, 3}));
  given.push_back(view_of(sound.data(), sound.size(), {rows, time * samples_per_slot}));
  given.push_back(view_of(frames_present.data(), frames_present.size(), {rows, time}));
  given.push_back(view_of(audio_present.data(), audio_present.size(), {rows, time}));
  const auto said = graph_.run(given);
  for (std::size_t row = 0; row < count; ++row) {
    WindowScore& score = scores[first + row];
    for (std::size_t head = 0; head < head_count; ++head) {
      score.logits[head] = has_head_[head] ? said[head].GetTensorData<float>()[row] : std::numeric_limits<double>::quiet_NaN();
    }
    score.offset_seconds = has_head_[sync_head] ? said[head_count].GetTensorData<float>()[row] : std::numeric_limits<double>::quiet_NaN();
  }
}

}  // namespace cad
