// SPDX-License-Identifier: Apache-2.0
#include "speech.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "clock.h"
#include "loudness.h"

namespace cad {
namespace {

// The q-th percentile as numpy has it: between neighbours by a straight line.
double percentile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (at - static_cast<double>(below));
}

// Where the level is high enough beside `loud` and moves as that of speech.
Mask find_moving(const Mask& present, const std::vector<double>& level, double loud, const SpeechConstants& is) {
  const int slots = static_cast<int>(level.size()), half = is.level_range_slots / 2;
  const double least = std::max(is.floor_dbfs, loud - is.below_loud_db);
  Mask heard(level.size());
  for (int slot = 0; slot < slots; ++slot) {
    const auto from = level.begin() + std::max(0, slot - half), to = level.begin() + std::min(slots, slot + half + 1);
    const auto [low, high] = std::minmax_element(from, to);
    const auto at = static_cast<std::size_t>(slot);
    heard[at] = present[at] && level[at] > least && *high - *low > is.min_level_range_db;
  }
  Mask joined = flip_short_runs(heard, false, is.max_pause_slots, false);
  for (std::size_t slot = 0; slot < joined.size(); ++slot) joined[slot] = joined[slot] && present[slot];
  return flip_short_runs(joined, true, is.min_burst_slots - 1, true);
}

// How likely there is speech in each block of samples; the net goes through them from the first on and keeps a state.
std::vector<float> hear(Graph& net, const float* samples, std::size_t count, float gain, const SpeechConstants& is) {
  const auto block = static_cast<std::size_t>(is.block_samples), context = static_cast<std::size_t>(is.context_samples);
  std::vector<float> window(context + block);
  std::vector<float> state(static_cast<std::size_t>(is.state_shape.at(0) * is.state_shape.at(1) * is.state_shape.at(2)));
  const std::int64_t rate = sample_rate_hz;
  std::vector<float> likely;
  for (std::size_t first = 0; first < count; first += block) {
    const std::size_t fresh = std::min(block, count - first);
    std::copy(window.end() - static_cast<std::ptrdiff_t>(context), window.end(), window.begin());
    std::fill(window.begin() + static_cast<std::ptrdiff_t>(context), window.end(), 0.0F);
    for (std::size_t index = 0; index < fresh; ++index) window[context + index] = gain * samples[first + index];
    std::vector<Ort::Value> given;
    given.push_back(view_of(window.data(), window.size(), {1, static_cast<std::int64_t>(window.size())}));
    given.push_back(view_of(state.data(), state.size(), is.state_shape));
    given.push_back(view_of(&rate, 1, {}));
    const auto said = net.run(given);
    likely.push_back(said[0].GetTensorData<float>()[0]);
    state = values_of<float>(said[1]);
  }
  return likely;
}

// The sum of values from `reach` slots before each slot to as many after it.
std::vector<double> sum_around(const std::vector<double>& values, int reach) {
  std::vector<double> total(values.size() + 1);
  for (std::size_t slot = 0; slot < values.size(); ++slot) total[slot + 1] = total[slot] + values[slot];
  std::vector<double> sums(values.size());
  const int slots = static_cast<int>(values.size());
  for (int slot = 0; slot < slots; ++slot) {
    sums[static_cast<std::size_t>(slot)] = total[static_cast<std::size_t>(std::min(slots, slot + reach + 1))] -
                                           total[static_cast<std::size_t>(std::max(0, slot - reach))];
  }
  return sums;
}

std::vector<double> numbers(const Mask& mask) { return {mask.begin(), mask.end()}; }

// Where the net hears a voice nearby, as it goes through the stretches of `moving`.
Mask find_voice(const Sound& sound, Graph& net, const Mask& moving, double gain, const SpeechConstants& is) {
  std::vector<double> voice(moving.size());
  for (const auto& [start, stop] : runs_of(moving)) {
    const float* from = sound.samples.data() + static_cast<std::ptrdiff_t>(start) * samples_per_slot;
    const auto count = static_cast<std::size_t>(stop - start) * samples_per_slot;
    const std::vector<float> blocks = hear(net, from, count, static_cast<float>(gain), is);
    for (int slot = 0; slot < stop - start; ++slot) {  // the highest of the blocks that lie in the slot
      const int first = slot * samples_per_slot / is.block_samples;
      const int last = ((slot + 1) * samples_per_slot - 1) / is.block_samples;
      const auto most = std::max_element(blocks.begin() + first, blocks.begin() + last + 1);
      voice[static_cast<std::size_t>(start + slot)] = *most;
    }
  }
  const auto heard = sum_around(voice, is.voice_reach_slots), there = sum_around(numbers(moving), is.voice_reach_slots);
  Mask near(moving.size());
  for (std::size_t slot = 0; slot < near.size(); ++slot) {
    near[slot] = moving[slot] && heard[slot] / std::max(there[slot], static_cast<double>(is.max_pause_slots)) >= is.min_voice;
  }
  const auto around = sum_around(numbers(near), is.voice_reach_slots);
  for (std::size_t slot = 0; slot < near.size(); ++slot) near[slot] = around[slot] > 0.5;
  return near;
}

}  // namespace

Mask find_speech(const Sound& sound, Graph& net, const SpeechConstants& constants) {
  const std::vector<double> level = levels_for_speech(sound.samples);
  std::vector<double> there;
  for (std::size_t slot = 0; slot < level.size(); ++slot) {
    if (sound.is_there[slot]) there.push_back(level[slot]);
  }
  if (there.empty()) return Mask(level.size());
  const double loud = percentile(there, 95);
  Mask speech = find_moving(sound.is_there, level, loud, constants);
  const double gain = std::pow(10.0, (constants.heard_at_dbfs - loud) / 20);
  const Mask voice = find_voice(sound, net, speech, gain, constants);
  for (std::size_t slot = 0; slot < speech.size(); ++slot) speech[slot] = speech[slot] && voice[slot];
  return speech;
}

}  // namespace cad
