// SPDX-License-Identifier: Apache-2.0
#include "verdict.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "calibrated.h"
#include "clock.h"

namespace cad {
namespace {

// What a reason does to the label.
enum class Effect { no_verdict, fake, not_real, note };

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// The rules of cad.verdict.reasons and cad.verdict.validity, as far as this program knows what they ask for.
class Rules {
 public:
  Rules(const FileFacts& facts, const Evidence& evidence, const ModelSpec& spec, const Calibrated& is, const VerdictConstants& constants)
      : facts_(facts), evidence_(evidence), spec_(spec), is_(is), constants_(constants) {}

  // Adds every reason that holds, in the order in which they are told.
  void tell(std::vector<std::string>& reasons, std::set<Effect>& effects) const {
    const auto add = [&](const char* code, Effect effect, bool holds) {
      if (!holds) return;
      effects.insert(effect);
      if (std::find(reasons.begin(), reasons.end(), code) == reasons.end()) reasons.emplace_back(code);
    };
    const bool has_picture = facts_.info.video.has_value(), has_sound = facts_.info.audio || facts_.info.has_undecodable_sound;
    add("low_coverage", Effect::no_verdict, facts_.coverage < constants_.min_coverage);
    add("partly_read", Effect::not_real, facts_.coverage >= constants_.min_coverage && !is_read_whole());
    add("picture_unreadable", Effect::not_real, picture_unreadable());
    add("audio_unreadable", Effect::not_real, has_sound && !facts_.speech_slots);
    add("sparse_picture", Effect::not_real, sparse_picture());
    add("too_short", Effect::no_verdict, too_short());
    add("fused_evidence", Effect::fake, !only_sync_speaks() && is_.proven("fused"));
    for (const char* kind : {"video", "audio", "listener", "video_peak", "audio_peak"}) {
      add((std::string(kind) + "_evidence").c_str(), Effect::fake, is_.proven(kind));
    }
    add("sync_only", Effect::not_real, only_sync_speaks());
    add("out_of_sync", Effect::not_real, out_of_sync() && !only_sync_speaks());
    add("face_evidence", Effect::not_real, face_evidence());
    add("video_alone", Effect::not_real, stands_alone("video"));
    add("audio_alone", Effect::not_real, stands_alone("audio"));
    add("uncalibrated", Effect::not_real, any_charge([](const Charge& one) { return !one.point; }));
    add("uncalibrated", Effect::note, any_charge([](const Charge& one) { return !one.is_calibrated; }));
    add("between_thresholds", Effect::not_real,
        any_charge([](const Charge& one) { return one.is_between(); }) && !any_charge([](const Charge& one) { return one.is_proven(); }));
    add("picture_not_judged", Effect::not_real, has_picture && !is_judged(video) && looks_real(audio));
    add("frozen_picture", Effect::not_real, is_only_frozen());
    add("no_picture", Effect::note, !has_picture);
    add("no_face", Effect::note, has_picture && !has_faces() && !picture_unreadable());
    add("face_too_small", Effect::note, has_faces() && !is_.probabilities[video] && tallest() < min_face_height());
    add("face_too_short", Effect::note, face_too_short());
    add("no_audio", Effect::note, !has_sound);
    add("no_speech", Effect::note, facts_.info.audio && facts_.speech_slots == 0);
    add("speech_too_short", Effect::note, facts_.speech_slots.value_or(0) > 0 && !is_.probabilities[audio] && expects("audio"));
    add("never_together", Effect::note,
        !is_.probabilities[sync_head] && spec_.has_head("sync") && is_.probabilities[video] && is_.probabilities[audio]);
    add("no_video_head", Effect::note, !spec_.has_head("video"));
    add("no_audio_head", Effect::note, !spec_.has_head("audio"));
    add("no_sync_head", Effect::note, !spec_.has_head("sync"));
    add("constant_offset", Effect::note, has_constant_offset() && is_suspicious(sync_head));
    add("frozen_face", Effect::note, !frozen_faces().empty() && !is_only_frozen());
    add("still_image", Effect::note, facts_.info.kind == Kind::still);
    add("several_faces", Effect::note, is_.faces.size() >= 2);
    add("faces_left_out", Effect::note, facts_.faces_left_out > 0);
  }

 private:
  [[nodiscard]] bool any_charge(const std::function<bool(const Charge&)>& is_so) const {
    return std::any_of(is_.charges.begin(), is_.charges.end(), is_so);
  }
  [[nodiscard]] bool is_read_whole() const { return facts_.coverage >= constants_.full_coverage; }
  [[nodiscard]] bool is_judged(Head stream) const { return is_.probabilities[stream] || is_.probabilities[fused]; }
  [[nodiscard]] bool too_short() const { return facts_.slots < facts_.min_slots; }
  [[nodiscard]] bool expects(const char* stream) const { return spec_.has_head(stream) && !too_short(); }
  [[nodiscard]] bool has_faces() const { return !facts_.tracks.empty(); }
  [[nodiscard]] double min_face_height() const { return constants_.min_face_height_px; }
  [[nodiscard]] double tallest() const {
    double most = 0.0;
    for (const TrackSummary& one : facts_.tracks) most = std::max(most, one.height_px);
    return most;
  }
  [[nodiscard]] bool face_too_short() const { return tallest() >= min_face_height() && !is_.probabilities[video] && expects("video"); }
  [[nodiscard]] bool picture_unreadable() const {
    return facts_.info.video && facts_.picture.decoded_frames == 0 && !is_judged(video) && facts_.tracks.empty();
  }
  // Too few pictures a second to see lips move.
  [[nodiscard]] bool sparse_picture() const {
    if (facts_.info.kind != Kind::talking_head || facts_.picture.decoded_frames == 0 || !is_read_whole()) return false;
    return facts_.picture.decoded_frames < constants_.min_pictures_per_second * seconds_of(facts_.picture.shown_slots);
  }
  [[nodiscard]] bool is_at_least(Head head, double OperatingPoint::*threshold) const {
    const auto point = point_of(spec_, head_names[head]);
    return point && is_.probabilities[head] && *is_.probabilities[head] >= (*point).*threshold;
  }
  [[nodiscard]] bool is_suspicious(Head head) const { return is_at_least(head, &OperatingPoint::real_threshold); }
  [[nodiscard]] bool looks_real(Head head) const {
    return point_of(spec_, head_names[head]) && is_.probabilities[head] && !is_suspicious(head);
  }
  [[nodiscard]] bool out_of_sync() const { return is_at_least(sync_head, &OperatingPoint::fake_threshold); }
  [[nodiscard]] bool is_proven(const FaceProbability& face) const {
    const auto point = point_of(spec_, head_names[face.head]);
    return point && face.own >= point->fake_threshold;
  }
  // Whether lips and sound do not belong together, while neither picture nor sound by itself is suspicious.
  [[nodiscard]] bool only_sync_speaks() const {
    const bool has_other = any_charge([](const Charge& one) { return one.is_proven() && one.kind != "fused"; }) ||
                           std::any_of(is_.faces.begin(), is_.faces.end(),
                                       [&](const FaceProbability& one) { return is_proven(one) && one.head != fused; });
    return out_of_sync() && !is_suspicious(video) && !is_suspicious(audio) && !has_other;
  }
  // One face of several, or one that the mean over time hides, is at or over its threshold.
  [[nodiscard]] bool face_evidence() const {
    const bool any = std::any_of(is_.faces.begin(), is_.faces.end(), [&](const FaceProbability& one) { return is_proven(one); });
    const bool is_told = is_.faces.size() == 1 && is_.proven(head_names[is_.faces.front().head]) != nullptr;
    return any && !is_told;
  }
  // A stream is at or over its threshold where the fused head judges both, and does not stand alone.
  [[nodiscard]] bool stands_alone(const char* stream) const {
    if (is_.proven(stream) != nullptr) return false;
    return std::any_of(is_.beside_fused.begin(), is_.beside_fused.end(),
                       [&](const Charge& one) { return one.kind == stream && one.is_proven(); });
  }
  // The judged faces that never move; none in a still picture, where nothing can.
  [[nodiscard]] std::set<int> frozen_faces() const {
    std::set<int> frozen;
    if (facts_.info.kind == Kind::still) return frozen;
    for (const TrackSummary& track : facts_.tracks) {
      const bool is_face = std::any_of(evidence_.faces.begin(), evidence_.faces.end(), [&](const FaceEvidence& one) { return one.track == track.track; });
      if (track.is_frozen && is_face) frozen.insert(track.track);
    }
    return frozen;
  }
  // Whether the picture that decides never moves: that of all faces, or of all that carry sound.
  [[nodiscard]] bool is_only_frozen() const {
    const std::set<int> frozen = frozen_faces();
    const bool has_carriers = std::any_of(evidence_.faces.begin(), evidence_.faces.end(), [](const FaceEvidence& one) { return one.carries_sound; });
    return !frozen.empty() && std::all_of(evidence_.faces.begin(), evidence_.faces.end(), [&](const FaceEvidence& one) {
      return (has_carriers && !one.carries_sound) || frozen.count(one.track) != 0;
    });
  }
  // Whether sound and lips are apart by the same time throughout.
  [[nodiscard]] bool has_constant_offset() const {
    const std::vector<double>& offsets = evidence_.offsets_seconds;
    if (static_cast<int>(offsets.size()) < constants_.min_offset_windows) return false;
    const double middle = median(offsets);
    const auto near = std::count_if(offsets.begin(), offsets.end(), [&](double one) { return std::abs(one - middle) <= constants_.max_offset_spread_seconds; });
    const bool is_steady = static_cast<double>(near) / static_cast<double>(offsets.size()) >= constants_.constant_share;
    return is_steady && std::abs(middle) >= constants_.min_offset_seconds;
  }

  const FileFacts& facts_;
  const Evidence& evidence_;
  const ModelSpec& spec_;
  const Calibrated& is_;
  const VerdictConstants& constants_;
};

std::string label_of(const std::set<Effect>& effects, bool is_judged) {
  if (!is_judged || effects.count(Effect::no_verdict) != 0) return "inconclusive";
  if (effects.count(Effect::fake) != 0) return "fake";
  return effects.count(Effect::not_real) != 0 ? "inconclusive" : "real";
}

}  // namespace

Verdict decide(const FileFacts& facts, const Evidence& evidence, const ModelSpec& spec, const VerdictConstants& constants) {
  const ModelSpec own = spec.for_kind(name_of(facts.info.kind));
  const Calibrated is = calibrate(evidence, own);
  Verdict verdict;
  std::set<Effect> effects;
  Rules(facts, evidence, own, is, constants).tell(verdict.reasons, effects);
  verdict.label = label_of(effects, !is.charges.empty());
  for (const Charge& charge : is.charges) {
    if (!charge.is_proven() && charge.only_accuses) continue;
    verdict.probability_fake = std::max(verdict.probability_fake.value_or(0.0), charge.probability);
  }
  for (const Head head : {video, audio, sync_head}) verdict.streams[head_names[head]] = is.probabilities[head];
  return verdict;
}

}  // namespace cad
