// SPDX-License-Identifier: Apache-2.0
#include "track_book.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace cad {
namespace {

// Lips are measured so many crops at a time.
constexpr std::size_t lip_crops = 32;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) { return values[one] < values[other]; });
  std::vector<double> rank(values.size());
  for (std::size_t index = 0; index < order.size(); ++index) rank[order[index]] = static_cast<double>(index);
  return rank;
}

bool is_flat(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double one) { return one == values.front(); });
}

// Spearman's correlation of one series with another moved `lag` slots earlier, over the slots that both have.
double rank_correlation(const std::vector<double>& moving, const std::vector<double>& loud, int lag, int least_overlap) {
  std::vector<double> a, b;
  for (int slot = 0; slot < static_cast<int>(moving.size()); ++slot) {
    const int other = slot + lag;
    if (other < 0 || other >= static_cast<int>(loud.size())) continue;
    const double x = moving[static_cast<std::size_t>(slot)], y = loud[static_cast<std::size_t>(other)];
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    a.push_back(x);
    b.push_back(y);
  }
  if (static_cast<int>(a.size()) < least_overlap || is_flat(a) || is_flat(b)) return 0.0;
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double mean = static_cast<double>(x.size() - 1) / 2;
  double xy = 0.0, xx = 0.0;
  for (std::size_t index = 0; index < x.size(); ++index) {
    xy += (x[index] - mean) * (y[index] - mean);
    xx += (x[index] - mean) * (x[index] - mean);
  }
  return xy / xx;
}

}  // namespace

void TrackBook::note(const TrackedCrop& crop) {
  Notes& notes = notes_.try_emplace(crop.track, stillness_constants_).first->second;
  notes.slots.push_back(crop.slot);
  notes.heights_px.push_back(crop.height_px);
  notes.stillness.push(*crop.crop);
  if (!notes.waiting.empty() && crop.slot != notes.waiting_slot + 1) {
    measure_lips(notes);
    notes.waiting.clear();
  }
  notes.waiting.push_back(crop.crop);
  notes.waiting_slot = crop.slot;
  if (notes.waiting.size() > lip_crops) measure_lips(notes);
}

void TrackBook::end(int track) {
  const auto found = notes_.find(track);
  if (found == notes_.end() || found->second.is_frozen) return;
  Notes& notes = found->second;
  measure_lips(notes);
  notes.waiting.clear();
  notes.is_frozen = notes.stillness.is_frozen();
}

std::vector<TrackSummary> TrackBook::summaries(const std::vector<double>* loudness) {
  std::vector<TrackSummary> all;
  for (auto& [track, notes] : notes_) {
    end(track);
    TrackSummary one;
    one.track = track;
    one.first_slot = notes.slots.front();
    one.stop_slot = notes.slots.back() + 1;
    one.seen_slots = static_cast<int>(notes.slots.size());
    one.height_px = median(notes.heights_px);
    one.lips_score = lips_score(notes, loudness);
    one.is_frozen = *notes.is_frozen;
    all.push_back(one);
  }
  return all;
}

// Measures the lips between the crops that wait, and keeps the last one for the next.
void TrackBook::measure_lips(Notes& notes) {
  if (notes.waiting.size() < 2) return;
  const std::vector<float> motion = finder_.lip_motion(notes.waiting);
  const int first = notes.waiting_slot - static_cast<int>(motion.size()) + 1;
  for (std::size_t index = 0; index < motion.size(); ++index) {
    notes.motion_slots.push_back(first + static_cast<int>(index));
    notes.motion.push_back(motion[index]);
  }
  notes.waiting.erase(notes.waiting.begin(), notes.waiting.end() - 1);
}

// How well the lips follow the loudness, at the best of a few lags: sound and lips may be slightly apart.
double TrackBook::lips_score(const Notes& notes, const std::vector<double>* loudness) const {
  if (loudness == nullptr || static_cast<int>(notes.motion.size()) < constants_.least_slots) return 0.0;
  const double mean = std::accumulate(notes.motion.begin(), notes.motion.end(), 0.0) / static_cast<double>(notes.motion.size());
  if (mean < constants_.least_motion) return 0.0;
  // Only the sound around the face's own time can go with it.
  const int first = std::max(0, notes.motion_slots.front() - constants_.max_lag_slots);
  const int seen = notes.motion_slots.back() + 1 - first;
  const int heard = std::clamp(static_cast<int>(loudness->size()) - first, 0, seen + constants_.max_lag_slots);
  const std::size_t slots = static_cast<std::size_t>(std::max(seen, heard));
  std::vector<double> moving(slots, std::numeric_limits<double>::quiet_NaN()), loud = moving;
  for (std::size_t index = 0; index < notes.motion.size(); ++index) moving[static_cast<std::size_t>(notes.motion_slots[index] - first)] = notes.motion[index];
  std::copy_n(loudness->begin() + first, heard, loud.begin());
  int known = 0;
  for (std::size_t slot = 0; slot < slots; ++slot) known += std::isfinite(moving[slot]) && std::isfinite(loud[slot]);
  if (known < constants_.least_slots) return 0.0;
  double best = 0.0;
  for (int lag = -constants_.max_lag_slots; lag <= constants_.max_lag_slots; ++lag) {
    best = std::max(best, rank_correlation(moving, loud, lag, constants_.least_overlap_slots));
  }
  return best;
}

}  // namespace cad
