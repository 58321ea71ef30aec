// SPDX-License-Identifier: Apache-2.0
#include "kit.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "clock.h"
#include "decoding_constants.h"
#include "errors.h"

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/sha.h>
}

namespace cad {
namespace {

using nlohmann::json;

constexpr const char* schema = "cad.kit/1";
constexpr int spec_version = 1;

std::string sha256_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw KitError(path + " cannot be read");
  struct Free {
    void operator()(AVSHA* one) const { av_free(one); }
  };
  const std::unique_ptr<AVSHA, Free> sha(av_sha_alloc());
  av_sha_init(sha.get(), 256);
  std::vector<char> block(1 << 20);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    av_sha_update(sha.get(), reinterpret_cast<const std::uint8_t*>(block.data()), static_cast<std::size_t>(file.gcount()));
  }
  std::array<std::uint8_t, 32> digest{};
  av_sha_final(sha.get(), digest.data());
  std::string text;
  for (const std::uint8_t byte : digest) {
    constexpr const char* digits = "0123456789abcdef";
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

json read_json(const std::string& folder) {
  const std::string path = folder + "/kit.json";
  std::ifstream file(path);
  if (!file) throw KitError(folder + " is no kit: there is no kit.json in it that can be read");
  try {
    return json::parse(file);
  } catch (const json::exception&) {
    throw KitError(path + " is not JSON");
  }
}

ModelSpec spec_of(const json& from) {
  if (from.at("version").get<int>() != spec_version) throw KitError("the kit's ModelSpec has another version than 1");
  ModelSpec spec;
  spec.name = from.at("name").get<std::string>();
  spec.window_slots = from.at("window_frames").get<int>();
  spec.hop_slots = from.at("hop_frames").get<int>();
  spec.min_slots = from.at("min_frames").get<int>();
  spec.heads = from.at("heads").get<std::vector<std::string>>();
  if (from.at("frame_rate_hz").get<int>() != frame_rate_hz || from.at("sample_rate_hz").get<int>() != sample_rate_hz) {
    throw KitError("the kit's model works on another clock than 25 Hz and 16 kHz");
  }
  for (const auto& [name, value] : from.at("calibration").items()) {
    spec.calibration[name] = {value.at("scale").get<double>(), value.at("bias").get<double>(), value.value("growth", 0.0)};
  }
  for (const auto& [name, value] : from.at("operating_points").items()) {
    spec.points[name] = {value.at("fake_threshold").get<double>(), value.at("real_threshold").get<double>()};
  }
  return spec;
}

template <typename Number>
std::map<std::string, Number> plain_numbers(const std::map<std::string, Number>& numbers, const std::string& kind) {
  std::map<std::string, Number> plain;
  for (const auto& [key, value] : numbers) {
    const std::size_t mark = key.find('@');
    if (mark == std::string::npos) plain.emplace(key, value);
    else if (key.substr(mark + 1) == kind) plain[key.substr(0, mark)] = value;  // '@' sorts behind the plain key
  }
  return plain;
}

// Constants under the names that they have in the package's modules.
void read_constants(const json& all, Kit& kit) {
  const json* module = nullptr;
  const auto take = [&](const char* name, auto& into) { module->at(name).get_to(into); };

  module = &all.at("cad.speech");
  take("FLOOR_DBFS", kit.speech.floor_dbfs);
  take("BELOW_LOUD_DB", kit.speech.below_loud_db);
  take("MIN_LEVEL_RANGE_DB", kit.speech.min_level_range_db);
  take("HEARD_AT_DBFS", kit.speech.heard_at_dbfs);
  take("MIN_VOICE", kit.speech.min_voice);
  take("LEVEL_RANGE_SLOTS", kit.speech.level_range_slots);
  take("MAX_PAUSE_SLOTS", kit.speech.max_pause_slots);
  take("MIN_BURST_SLOTS", kit.speech.min_burst_slots);
  take("VOICE_REACH_SLOTS", kit.speech.voice_reach_slots);
  module = &all.at("cad.speech_net");
  take("BLOCK_SAMPLES", kit.speech.block_samples);
  take("CONTEXT_SAMPLES", kit.speech.context_samples);
  take("STATE_SHAPE", kit.speech.state_shape);

  module = &all.at("cad.faces.shot");
  take("LOOK_STEP", kit.faces.look_step);
  take("SEARCH_STEP", kit.faces.search_step);
  take("DEEP_STEP", kit.faces.deep_step);
  take("DEEPEST_STEP", kit.faces.deepest_step);
  take("BESIDE_STEP", kit.faces.beside_step);
  take("MUCH_LARGER", kit.faces.much_larger);
  take("UNEVEN", kit.faces.uneven);
  take("LINE_OFF", kit.faces.line_off);
  take("KNOWN_SCORE", kit.faces.known_score);
  module = &all.at("cad.faces.finder");
  take("MAX_FACES", kit.faces.max_faces);
  take("MAX_STILL_FACES", kit.faces.max_still_faces);
  take("LONG_SIDES_PX", kit.faces.long_sides_px);
  take("FILLING_SIDE_PX", kit.faces.filling_side_px);
  take("MARGIN", kit.faces.margin);
  take("EVERY_SIZE", kit.faces.every_size);
  take("SMALL_FACE_PX", kit.faces.small_face_px);
  take("LYING_SCORE", kit.faces.lying_score);
  module = &all.at("cad.faces.overlap");
  take("LEAST_OVERLAP", kit.faces.least_overlap);
  take("NEAR", kit.faces.near);
  take("ALIKE_HEIGHT", kit.faces.alike_height);
  take("SAME_FACE", kit.faces.same_face);
  take("PART_OF_FACE", kit.faces.part_of_face);
  module = &all.at("cad.faces.smooth");
  take("SIGMA_SLOTS", kit.faces.sigma_slots);
  take("REACH_SLOTS", kit.faces.reach_slots);
  module = &all.at("cad.faces.track");
  take("BRIDGE_SLOTS", kit.faces.bridge_slots);
  take("LOST_SLOTS", kit.faces.lost_slots);
  take("SAME_APPEARANCE", kit.faces.same_appearance);
  take("APPEARANCE_STEP", kit.faces.appearance_step);
  module = &all.at("cad.faces.tracker");
  take("MIN_TRACK_SLOTS", kit.faces.min_track_slots);
  module = &all.at("cad.faces.cuts");
  take("MOST_ALIKE", kit.faces.cuts.most_alike);
  take("LEAST_DIFFERENCE", kit.faces.cuts.least_difference);
  take("STANDS_OUT", kit.faces.cuts.stands_out);
  take("SAME_SHAPE", kit.faces.cuts.same_shape);
  take("MEMORY", kit.faces.cuts.memory);
  module = &all.at("cad.faces.active_speaker");
  take("LEAST_MOTION", kit.lips.least_motion);
  take("LEAST_SLOTS", kit.lips.least_slots);
  take("LEAST_OVERLAP_SLOTS", kit.lips.least_overlap_slots);
  take("MAX_LAG_SLOTS", kit.lips.max_lag_slots);

  module = &all.at("cad.faces.stillness");
  take("FACE_PX", kit.stillness.face_px);
  take("CELL_PX", kit.stillness.cell_px);
  take("LEAST_MOTION", kit.stillness.least_motion);
  take("LEAST_CONTRAST", kit.stillness.least_contrast);
  take("SETTLING_SLOTS", kit.stillness.settling_slots);
  take("BLOCK_SLOTS", kit.stillness.block_slots);
  take("LEAST_BLOCK_SLOTS", kit.stillness.least_block_slots);
  take("LEAST_SLOTS", kit.stillness.least_slots);
  take("BLOCKS_A_GLITCH", kit.stillness.blocks_a_glitch);
  take("AVERAGED_SLOTS", kit.stillness.averaged_slots);

  module = &all.at("cad.windows");
  take("MAX_GAP_SLOTS", kit.scoring.max_gap_slots);
  module = &all.at("cad.runtime.feeding");
  take("MIN_VIDEO_SHARE", kit.scoring.min_video_share);
  take("MIN_AUDIO_SHARE", kit.scoring.min_audio_share);

  module = &all.at("cad.verdict.aggregate");
  take("MIN_FACE_HEIGHT_PX", kit.aggregation.min_face_height_px);
  take("LIPS_LOGITS", kit.aggregation.lips_logits);
  take("MIN_CARRIER_SHARE", kit.aggregation.min_carrier_share);
  kit.verdict.min_face_height_px = kit.aggregation.min_face_height_px;
  module = &all.at("cad.verdict.stretches");
  take("SHORTEST_STRETCH_SLOTS", kit.aggregation.shortest_stretch_slots);
  take("MAX_STRETCH_SHARE", kit.aggregation.max_stretch_share);
  take("MIN_KNOWN_SHARE", kit.aggregation.min_known_share);
  module = &all.at("cad.verdict.validity");
  take("MIN_COVERAGE", kit.verdict.min_coverage);
  take("FULL_COVERAGE", kit.verdict.full_coverage);
  take("MIN_PICTURES_PER_SECOND", kit.verdict.min_pictures_per_second);
  module = &all.at("cad.verdict.reasons");
  take("MIN_OFFSET_SECONDS", kit.verdict.min_offset_seconds);
  take("CONSTANT_SHARE", kit.verdict.constant_share);
  take("MAX_OFFSET_SPREAD_SECONDS", kit.verdict.max_offset_spread_seconds);
  take("MIN_OFFSET_WINDOWS", kit.verdict.min_offset_windows);

  // What decodes files is fixed in this program; a kit that was made for another way of decoding must not be run by it.
  for (const DecodingConstant& one : decoding_constants()) {
    if (all.at(one.module).at(one.name).get<double>() != one.value) {
      throw KitError("the kit has another " + std::string(one.module) + "." + one.name + " than this program");
    }
  }
}

}  // namespace

bool ModelSpec::has_head(const std::string& head) const { return std::find(heads.begin(), heads.end(), head) != heads.end(); }

ModelSpec ModelSpec::for_kind(const std::string& kind) const {
  ModelSpec own = *this;
  own.calibration = plain_numbers(calibration, kind);
  own.points = plain_numbers(points, kind);
  return own;
}

Kit::Kit(const std::string& folder) : folder_(folder) {
  const json document = read_json(folder);
  try {
    if (document.at("schema") != schema) throw KitError("the kit's schema is not " + std::string(schema));
    for (const auto& [file, facts] : document.at("files").items()) sha256_[file] = facts.at("sha256").get<std::string>();
    spec = spec_of(document.at("spec"));
    read_constants(document.at("constants"), *this);
  } catch (const json::exception& error) {
    throw KitError(folder + "/kit.json lacks something: " + error.what());
  }
}

std::string Kit::path(const std::string& file) const {
  const auto stated = sha256_.find(file);
  if (stated == sha256_.end()) throw KitError("the kit has no " + file);
  const std::string path = folder_ + "/" + file;
  if (sha256_of(path) != stated->second) throw KitError(path + " is damaged: its sha256 is not that of kit.json");
  return path;
}

}  // namespace cad
