// SPDX-License-Identifier: Apache-2.0
// Pools the windows of a file into the evidence that is calibrated: one raw logit a head, and one a face.
//
// The picture of a file is, in every slot, that of the most suspicious face seen in it, each face at its own mean.
// Synchrony is that of the face that speaks: the one whose sync logit, less a little for lips that move with the loudness,
// is lowest. Fused is that of the faces that carry the sound, while they do. A face that never moves has no part where
// another one moves. Of picture and sound the highest stretches (peaks) are kept too: a mean over a long file drowns a
// short forgery.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "kit.h"
#include "lines.h"

namespace cad {

// A face as it was seen.
struct TrackSummary {
  int track = 0;
  int first_slot = 0, stop_slot = 0;
  int seen_slots = 0;
  double height_px = 0.0;  // median, in the file's pixels
  double lips_score = 0.0;  // how well its lips follow the loudness, in [0, 1]
  bool is_frozen = false;   // whether it never moves
};

struct FaceEvidence {
  int track = 0;
  bool carries_sound = false;
  std::optional<double> video, sync, fused;
};

// The most suspicious stretch of a stream among those of one length.
struct Peak {
  Head stream = video;
  int first_slot = 0, stop_slot = 0;
  double logit = 0.0;
  double chances = 1.0;  // among how many places it is the highest, to the power of how much noise its mean keeps
  double faces = 1.0;    // among how many faces
};

struct Evidence {
  std::array<std::optional<double>, head_count> clip_logits;
  std::vector<FaceEvidence> faces;
  std::optional<double> listeners_video;
  std::vector<double> offsets_seconds;
  std::vector<Peak> peaks;
  double faces_at_once = 1.0;
};

Evidence aggregate(const std::vector<WindowScore>& scores, const std::vector<TrackSummary>& tracks, int slots,
                   int min_slots, const AggregationConstants& constants);

}  // namespace cad
