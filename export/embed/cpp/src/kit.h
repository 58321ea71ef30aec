// SPDX-License-Identifier: Apache-2.0
// The kit: the folder that export/embedding.py wrote. Its graphs, its ModelSpec, and the constants of the contract.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cad {

struct SpeechConstants {
  double floor_dbfs, below_loud_db, min_level_range_db, heard_at_dbfs, min_voice;
  int level_range_slots, max_pause_slots, min_burst_slots, voice_reach_slots;
  int block_samples, context_samples;
  std::vector<std::int64_t> state_shape;
};

struct CutConstants {
  double most_alike, least_difference, stands_out, same_shape;
  int memory;
};

struct FaceConstants {
  int look_step, search_step, deep_step, deepest_step, beside_step;
  int bridge_slots, lost_slots, min_track_slots, appearance_step, reach_slots;
  int max_faces, max_still_faces, filling_side_px;
  int every_size;  // a depth of the search that leaves no size out
  std::vector<int> long_sides_px;
  double margin, small_face_px, much_larger, uneven, line_off, known_score, same_appearance, sigma_slots, lying_score;
  double least_overlap, near, alike_height, same_face, part_of_face;
  CutConstants cuts;
};

struct LipConstants {
  double least_motion;
  int least_slots, least_overlap_slots, max_lag_slots;
};

struct StillnessConstants {
  std::vector<int> face_px;  // the part of a crop that is looked at: left, top, right, bottom
  int cell_px;
  double least_motion, least_contrast;
  int settling_slots, block_slots, least_block_slots, least_slots, blocks_a_glitch, averaged_slots;
};

struct ScoringConstants {
  double min_video_share, min_audio_share;
  int max_gap_slots;
};

struct AggregationConstants {
  double min_face_height_px, lips_logits, min_carrier_share, max_stretch_share, min_known_share;
  int shortest_stretch_slots;
};

struct VerdictConstants {
  double min_pictures_per_second, min_coverage, full_coverage;
  double min_offset_seconds, constant_share, max_offset_spread_seconds, min_face_height_px;
  int min_offset_windows;
};

// Platt scaling of one head: sigmoid(scale * (logit - growth * ln(chances)) + bias).
struct Calibration {
  double scale = 1.0, bias = 0.0, growth = 0.0;
};

// Where the label changes, on the calibrated probability.
struct OperatingPoint {
  double fake_threshold = 0.5, real_threshold = 0.5;
};

// What the model expects and what its numbers mean.
struct ModelSpec {
  std::string name;
  int window_slots = 0, hop_slots = 0, min_slots = 0;
  std::vector<std::string> heads;
  std::map<std::string, Calibration> calibration;
  std::map<std::string, OperatingPoint> points;

  [[nodiscard]] bool has_head(const std::string& name) const;
  // The spec with the numbers that hold for a kind of file, all under plain keys: `audio@recording` wins over `audio`.
  [[nodiscard]] ModelSpec for_kind(const std::string& kind) const;
};

class Kit {
 public:
  // Reads kit.json; throws KitError if it is missing or of another schema.
  explicit Kit(const std::string& folder);
  // The path of a graph of the kit, once its sha256 has been found to be right.
  [[nodiscard]] std::string path(const std::string& file) const;

  ModelSpec spec;
  SpeechConstants speech{};
  FaceConstants faces{};
  LipConstants lips{};
  StillnessConstants stillness{};
  ScoringConstants scoring{};
  AggregationConstants aggregation{};
  VerdictConstants verdict{};

 private:
  std::string folder_;
  std::map<std::string, std::string> sha256_;
};

}  // namespace cad
