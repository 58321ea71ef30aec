// SPDX-License-Identifier: Apache-2.0
#include "detector.h"

#include <algorithm>

#include "errors.h"
#include "loudness.h"
#include "media.h"
#include "speech.h"
#include "track_book.h"
#include "tracker.h"
#include "windows.h"

namespace cad {
namespace {

// Sound that cannot be decoded is missing, as long as there is a picture.
std::optional<Sound> hear(const std::string& path, const MediaInfo& info) {
  try {
    return read_sound(path, info);
  } catch (const MediaError&) {
    if (!info.video) throw;
    return std::nullopt;
  }
}

// Follows the faces of a file, and has their windows scored as they become complete.
class FaceScoring {
 public:
  FaceScoring(const Kit& kit, Finder& finder, Scorer& scorer, WindowCutter& cutter, bool is_still)
      : cutter_(cutter), scorer_(scorer), book_(finder, kit.lips, kit.stillness), tracker_(finder, kit.faces, is_still, [this](const TrackedCrop& one) { take(one); }), lost_slots_(kit.faces.lost_slots) {}

  void push(const Placement& place, const SharedPicture& picture) {
    if (place.missing > 2 * lost_slots_) tracker_.skip();
    else for (int slot = 0; slot < place.missing; ++slot) tracker_.push(place.first_slot + slot, nullptr);
    for (int slot = 0; slot < place.count; ++slot) tracker_.push(place.first_slot + place.missing + slot, picture);
    stop_slot_ = place.first_slot + place.missing + place.count;
  }

  void finish() {
    tracker_.flush();
    score(std::exchange(complete_, {}));
  }

  [[nodiscard]] int stop_slot() const { return stop_slot_; }
  [[nodiscard]] int left_out() const { return tracker_.left_out(); }
  TrackBook& book() { return book_; }
  void score(const std::vector<Window>& windows) {
    const auto found = scorer_.score(windows);
    scores_.insert(scores_.end(), found.begin(), found.end());
  }
  [[nodiscard]] const std::vector<WindowScore>& scores() const { return scores_; }

 private:
  // Windows are scored a few at a time, and their crops let go.
  static constexpr std::size_t batch = 4;

  void take(const TrackedCrop& one) {
    std::vector<Window> windows;
    if (one.crop) {
      book_.note(one);
      windows = cutter_.push(one.track, one.slot, one.crop);
    } else {
      book_.end(one.track);
      windows = cutter_.end(one.track);
    }
    std::move(windows.begin(), windows.end(), std::back_inserter(complete_));
    if (complete_.size() >= batch) score(std::exchange(complete_, {}));
  }

  WindowCutter& cutter_;
  Scorer& scorer_;
  TrackBook book_;
  Tracker tracker_;
  int lost_slots_;
  int stop_slot_ = 0;
  std::vector<Window> complete_;
  std::vector<WindowScore> scores_;
};

}  // namespace

Detector::Detector(const Kit& kit, int threads)
    : kit_(kit), scorer_(kit, threads), finder_(kit, threads), speech_net_(kit.path("speech.onnx"), {"input", "state", "sr"}, {"output", "stateN"}, 1) {}

Answer Detector::detect(const std::string& path) {
  FileFacts facts;
  facts.info = probe(path);
  const bool is_still = facts.info.kind == Kind::still;
  if (!is_still) facts.coverage = facts.info.stated_share;
  facts.min_slots = is_still ? 1 : kit_.spec.min_slots;

  std::optional<Voice> voice;
  std::vector<double> loudness;
  if (std::optional<Sound> sound = hear(path, facts.info)) {
    const Mask speech = find_speech(*sound, speech_net_, kit_.speech);
    facts.coverage = std::min(facts.coverage, sound->report.coverage);
    facts.speech_slots = static_cast<int>(std::count(speech.begin(), speech.end(), true));
    loudness = loudness_for_lips(sound->samples, speech);
    voice = Voice{std::move(sound->samples), speech};
  }

  const WindowSizes sizes{kit_.spec.window_slots, kit_.spec.hop_slots, facts.min_slots, kit_.scoring.max_gap_slots};
  WindowCutter cutter(voice ? &*voice : nullptr, sizes);
  FaceScoring faces(kit_, finder_, scorer_, cutter, is_still);
  if (facts.info.video) {
    facts.picture = read_pictures(path, facts.info, [&](const Placement& place, const SharedPicture& picture) { faces.push(place, picture); });
    facts.coverage = std::min(facts.coverage, facts.picture.coverage);
    faces.finish();
  }
  if (facts.picture.decoded_frames == 0 && !voice) throw MediaError("nothing of it decodes");
  faces.score(cutter.sound_alone());

  facts.slots = std::max(faces.stop_slot(), voice ? static_cast<int>(voice->speech.size()) : 0);
  for (const WindowScore& score : faces.scores()) facts.slots = std::max(facts.slots, score.first_slot + score.slots());
  facts.faces_left_out = faces.left_out();
  facts.tracks = faces.book().summaries(voice ? &loudness : nullptr);
  const Evidence evidence = aggregate(faces.scores(), facts.tracks, facts.slots, facts.min_slots, kit_.aggregation);
  return {facts.info.kind, decide(facts, evidence, kit_.spec, kit_.verdict)};
}

}  // namespace cad
