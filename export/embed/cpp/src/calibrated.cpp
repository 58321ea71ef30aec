// SPDX-License-Identifier: Apache-2.0
#include "calibrated.h"

#include <algorithm>
#include <cmath>

namespace cad {
namespace {

Calibration calibration_of(const ModelSpec& spec, const std::string& name) {
  const auto found = spec.calibration.find(name);
  return found == spec.calibration.end() ? Calibration{} : found->second;
}

// By how much the highest of so many genuine logits is higher than one by chance.
double expected_rise(const ModelSpec& spec, const std::string& name, double chances) {
  return calibration_of(spec, name).growth * std::log(chances);
}

// The calibrated probability of a logit that is the highest of `chances`. Source: Platt, 1999.
double probability(const ModelSpec& spec, const std::string& name, double logit, double chances = 1.0) {
  const Calibration by = calibration_of(spec, name);
  return 0.5 * (1 + std::tanh(0.5 * (by.scale * (logit - expected_rise(spec, name, chances)) + by.bias)));
}

std::string peak_key(const Peak& peak) { return std::string(head_names[peak.stream]) + "_peak"; }

double peak_probability(const ModelSpec& spec, const Peak& peak) {
  // What several faces add is known from the head, what the many places in the time of one add from the peaks.
  const double rise = expected_rise(spec, head_names[peak.stream], peak.faces);
  return probability(spec, peak_key(peak), peak.logit - rise, peak.chances);
}

std::optional<Charge> charge(const ModelSpec& spec, const std::string& kind, Head head, std::optional<double> value) {
  if (!value) return std::nullopt;
  const std::string name = head_names[head];
  return Charge{kind, *value, point_of(spec, name), spec.calibration.count(name) != 0, false};
}

// The strongest peak of every stream, over all lengths.
void add_peaks(const Evidence& evidence, const ModelSpec& spec, std::vector<Charge>& charges) {
  for (const Head stream : {video, audio}) {
    std::optional<Charge> strongest;
    for (const Peak& peak : evidence.peaks) {
      if (peak.stream != stream) continue;
      const double value = peak_probability(spec, peak);
      // A stretch of a model that chose no thresholds for stretches decides nothing.
      if (!strongest || value > strongest->probability) strongest = Charge{peak_key(peak), value, point_of(spec, peak_key(peak)), true, false};
    }
    if (strongest && strongest->point) charges.push_back(*strongest);
  }
}

}  // namespace

std::optional<OperatingPoint> point_of(const ModelSpec& spec, const std::string& name) {
  const auto found = spec.points.find(name);
  return found == spec.points.end() ? std::nullopt : std::optional(found->second);
}

const Charge* Calibrated::proven(const std::string& kind) const {
  const auto found = std::find_if(charges.begin(), charges.end(), [&](const Charge& one) { return one.kind == kind && one.is_proven(); });
  return found == charges.end() ? nullptr : &*found;
}

Calibrated calibrate(const Evidence& evidence, const ModelSpec& spec) {
  Calibrated is;
  for (std::size_t head = 0; head < head_count; ++head) {
    // The worst of several faces is chosen by the picture alone: sound has one voice, and of the others one speaks.
    const double chances = head == video ? evidence.faces_at_once : 1.0;
    if (const auto logit = evidence.clip_logits[head]) is.probabilities[head] = probability(spec, head_names[head], *logit, chances);
  }
  const auto carriers = std::count_if(evidence.faces.begin(), evidence.faces.end(), [](const FaceEvidence& one) { return one.fused.has_value(); });
  for (const FaceEvidence& face : evidence.faces) {
    const Head head = face.fused ? fused : video;
    const auto logit = face.fused ? face.fused : face.video;
    const auto chances = static_cast<double>(face.fused ? carriers : static_cast<std::ptrdiff_t>(evidence.faces.size()));
    if (logit) is.faces.push_back({face.track, face.carries_sound, head, probability(spec, head_names[head], *logit, chances)});
  }
  std::optional<double> listeners;
  if (evidence.listeners_video) listeners = probability(spec, "video", *evidence.listeners_video, evidence.faces_at_once);

  const auto add = [&](std::vector<Charge>& to, const std::optional<Charge>& one) {
    if (one) to.push_back(*one);
  };
  if (is.probabilities[fused]) {
    add(is.charges, charge(spec, "fused", fused, is.probabilities[fused]));
    add(is.beside_fused, charge(spec, "video", video, is.probabilities[video]));
    add(is.beside_fused, charge(spec, "audio", audio, is.probabilities[audio]));
  } else {
    add(is.charges, charge(spec, "video", video, is.probabilities[video]));
    add(is.charges, charge(spec, "audio", audio, is.probabilities[audio]));
  }
  add(is.charges, charge(spec, "listener", video, listeners));
  for (Charge one : is.beside_fused) {
    one.point = point_of(spec, one.kind + "_alone");
    one.only_accuses = true;
    if (one.point) is.charges.push_back(one);
  }
  add_peaks(evidence, spec, is.charges);
  return is;
}

}  // namespace cad
