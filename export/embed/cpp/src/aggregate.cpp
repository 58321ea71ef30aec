// SPDX-License-Identifier: Apache-2.0
#include "aggregate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace cad {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
// Sums over hours of logits are exact to this.
constexpr double rounding = 1e-9;

using Lines = std::map<int, Line>;  // by track

std::vector<Line> all_of(const Lines& lines) {
  std::vector<Line> all;
  for (const auto& one : lines) all.push_back(one.second);
  return all;
}

// The lines of the faces that move, or all if no face that moves has a value anywhere.
Lines without(const std::set<int>& frozen, const Lines& lines) {
  Lines moving;
  bool has_value = false;
  for (const auto& [track, line] : lines) {
    if (frozen.count(track) != 0) continue;
    moving.emplace(track, line);
    has_value = has_value || line.known() > 0;
  }
  return has_value ? moving : lines;
}

// How badly a face fits the sound: its sync logits, less a little for lips that move with the loudness. Where a model
// without such a head saw both streams, loudness alone decides.
Line misfit_line(const Scores& scores, const Line& sync, double lips_logits) {
  Line line = lay_out(scores, sync_head, [](const WindowScore&) { return 0.0; });
  for (std::size_t slot = 0; slot < line.values.size(); ++slot) {
    if (!std::isnan(sync.values[slot])) line.values[slot] = sync.values[slot];
    line.values[slot] -= lips_logits;
  }
  return line;
}

bool fits_best(const Line& own, std::size_t index, const Values& best) {
  return own.values[index] <= best[static_cast<std::size_t>(own.first_slot) + index];
}

// The faces that carry the sound: none without sound, else at least one.
std::set<int> find_carriers(const Lines& misfit, const Values& best, double least_share) {
  std::set<int> carriers;
  std::optional<int> most;
  double most_share = -1.0;
  for (const auto& [track, own] : misfit) {
    const int known = own.known();
    if (known == 0) continue;
    int count = 0;
    for (std::size_t index = 0; index < own.values.size(); ++index) count += fits_best(own, index, best);
    const double share = static_cast<double>(count) / known;
    if (share > most_share) {
      most_share = share;
      most = track;
    }
    if (share >= least_share) carriers.insert(track);
  }
  if (most) carriers.insert(*most);
  return carriers;
}

// A line with the slots taken out in which another face fits the sound better.
Line carried(Line line, const Line& own, const Values& best) {
  for (std::size_t index = 0; index < line.values.size(); ++index) {
    if (!std::isnan(own.values[index]) && !fits_best(own, index, best)) line.values[index] = nan;
  }
  return line;
}

struct Stretch {
  int first_slot;
  int stop_slot;
  double mean;
};

// The stretch of a length with the highest mean, nothing if too little of the line is known.
std::optional<Stretch> highest_stretch(const Line& line, int length, double least_share) {
  const auto is_known = [](double one) { return !std::isnan(one); };
  const auto from = std::find_if(line.values.begin(), line.values.end(), is_known);
  if (from == line.values.end()) return std::nullopt;
  const auto to = std::find_if(line.values.rbegin(), line.values.rend(), is_known).base();
  const int offset = line.first_slot + static_cast<int>(from - line.values.begin());
  const Values values(from, to);
  const int count = static_cast<int>(values.size());
  Values total(values.size() + 1);
  std::vector<int> known(values.size() + 1);
  for (std::size_t index = 0; index < values.size(); ++index) {
    total[index + 1] = total[index] + (is_known(values[index]) ? values[index] : 0.0);
    known[index + 1] = known[index] + is_known(values[index]);
  }
  struct Place {
    int start, stop, inside;
    double mean;
  };
  std::vector<Place> places;
  double most = -std::numeric_limits<double>::infinity();
  for (int start = 0; start <= std::max(count - length, 0); ++start) {
    const int stop = std::min(start + length, count);
    const auto a = static_cast<std::size_t>(start), b = static_cast<std::size_t>(stop);
    const int inside = known[b] - known[a];
    if (inside < least_share * length) continue;
    places.push_back({start, stop, inside, (total[b] - total[a]) / std::max(inside, 1)});
    most = std::max(most, places.back().mean);
  }
  if (places.empty()) return std::nullopt;
  // Of stretches that are equally high, up to the rounding of the sums, the one of which most is known.
  const Place* best = nullptr;
  for (const Place& place : places) {
    if (place.mean >= most - rounding && (best == nullptr || place.inside > best->inside)) best = &place;
  }
  int first = best->start, last = best->stop - 1;
  while (!is_known(values[static_cast<std::size_t>(first)])) ++first;
  while (!is_known(values[static_cast<std::size_t>(last)])) --last;
  return Stretch{first + offset, last + 1 + offset, best->mean};
}

// The highest stretch of every length of a stream.
void find_peaks(Head stream, const std::vector<Line>& lines, int slots, const AggregationConstants& is, std::vector<Peak>& peaks) {
  const std::vector<int> at = lines_at(lines, slots);
  const auto judged = std::count_if(at.begin(), at.end(), [](int count) { return count > 0; });
  for (int length = is.shortest_stretch_slots; length <= is.max_stretch_share * static_cast<double>(judged); length *= 2) {
    std::optional<Stretch> most;
    double places = 0.0;
    int enough = 0;
    for (const Line& line : lines) {
      const int known = line.known();
      if (known < is.min_known_share * length) continue;  // a face of which less is known has no such stretch
      ++enough;
      places += std::max(static_cast<double>(known) / length, 1.0);
      const auto stretch = highest_stretch(line, length, is.min_known_share);
      if (stretch && (!most || stretch->mean > most->mean)) most = stretch;
    }
    if (!most) continue;
    // The mean over a long stretch strays less, so that the highest of many is less high by chance.
    const double chances = std::pow(places / enough, std::sqrt(static_cast<double>(is.shortest_stretch_slots) / length));
    peaks.push_back({stream, most->first_slot, most->stop_slot, most->mean, chances, static_cast<double>(enough)});
  }
}

// The geometric mean, over the slots in which a face is judged, of how many are.
double faces_at_once(const std::vector<Line>& lines, int slots) {
  double total = 0.0;
  int judged = 0;
  for (int count : lines_at(lines, slots)) {
    if (count == 0) continue;
    total += std::log(count);
    ++judged;
  }
  return judged > 0 ? std::exp(total / judged) : 1.0;
}

// The windows of every face that is large and long enough, by track.
std::map<int, Scores> windows_by_face(const std::vector<WindowScore>& scores, const std::vector<TrackSummary>& tracks,
                                      int min_slots, double min_height_px) {
  std::set<int> usable;
  for (const TrackSummary& one : tracks) {
    if (one.height_px >= min_height_px && one.seen_slots >= min_slots) usable.insert(one.track);
  }
  std::map<int, Scores> by_face;
  for (const WindowScore& score : scores) {
    if (score.track && usable.count(*score.track) != 0) by_face[*score.track].push_back(&score);
  }
  return by_face;
}

}  // namespace

Evidence aggregate(const std::vector<WindowScore>& scores, const std::vector<TrackSummary>& tracks, int slots,
                   int min_slots, const AggregationConstants& is) {
  const auto by_face = windows_by_face(scores, tracks, min_slots, is.min_face_height_px);
  std::set<int> frozen;
  std::map<int, double> lips;
  for (const TrackSummary& one : tracks) {
    if (one.is_frozen) frozen.insert(one.track);
    lips[one.track] = one.lips_score;
  }
  Lines picture, sync, misfits;
  for (const auto& [track, own] : by_face) {
    picture.emplace(track, clip_line(own, video));
    const Line& of = sync.emplace(track, clip_line(own, sync_head)).first->second;
    misfits.emplace(track, misfit_line(own, of, is.lips_logits * lips[track]));
  }
  const Lines misfit = without(frozen, misfits);
  const Values best = lowest(all_of(misfit), slots);
  const std::set<int> carriers = find_carriers(misfit, best, is.min_carrier_share);

  Evidence evidence;
  std::vector<Line> speaking;
  for (const auto& [track, own] : misfit) speaking.push_back(carried(sync.at(track), own, best));
  Lines together;
  for (int track : carriers) together.emplace(track, carried(clip_line(by_face.at(track), fused), misfit.at(track), best));
  const Lines shown = without(frozen, picture);
  std::vector<Line> listening;
  for (const auto& [track, line] : shown) {
    if (carriers.count(track) == 0) listening.push_back(line);
  }
  Scores everything;
  for (const WindowScore& score : scores) everything.push_back(&score);
  const Line sound = clip_line(everything, audio);
  evidence.clip_logits[fused] = worst_over_time(all_of(together), slots);
  evidence.clip_logits[video] = worst_over_time(all_of(shown), slots);
  evidence.clip_logits[audio] = mean_of(sound.values);
  evidence.clip_logits[sync_head] = mean_of(lowest(speaking, slots));
  for (const auto& [track, own] : by_face) {
    FaceEvidence face;
    face.track = track;
    face.carries_sound = carriers.count(track) != 0;
    face.video = mean_of(picture.at(track).values);
    face.sync = mean_of(sync.at(track).values);
    if (face.carries_sound) face.fused = mean_of(together.at(track).values);
    evidence.faces.push_back(face);
  }
  if (!carriers.empty()) evidence.listeners_video = worst_over_time(listening, slots);
  for (int track : carriers) {
    for (const WindowScore* score : by_face.at(track)) {
      if (score->has_video && score->has_audio && !std::isnan(score->offset_seconds)) {
        evidence.offsets_seconds.push_back(score->offset_seconds);
      }
    }
  }
  find_peaks(video, all_of(shown), slots, is, evidence.peaks);
  find_peaks(audio, {sound}, slots, is, evidence.peaks);
  evidence.faces_at_once = faces_at_once(all_of(shown), slots);
  return evidence;
}

}  // namespace cad
