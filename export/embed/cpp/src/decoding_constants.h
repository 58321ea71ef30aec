// SPDX-License-Identifier: Apache-2.0
// The constants of the contract by which files are decoded and placed on the grid. The kit states the same ones, and is
// refused if it does not: a model must be given what it was made for.
#pragma once

#include <vector>

#include "clock.h"

namespace cad {

// Stamps are believed once they stray this far from the count of samples: rounding and jitter stay below.
inline constexpr double stamp_tolerance_seconds = 0.015;
// Containers round time stamps to a millisecond or worse; a picture is not missing because of it.
inline constexpr double stamp_rounding_seconds = 0.001;
// However slow the source says that it is, below 5 pictures a second there is no movement of lips to judge.
inline constexpr double max_reach_seconds = 0.1;
// A stamp that leaps further ahead than this is believed only if the next one follows it.
inline constexpr double suspect_leap_seconds = 10.0;
// A slot of sound is present when at least this many of its samples exist.
inline constexpr int min_samples_of_slot = samples_per_slot / 2;
// How often the mix of channels is decided anew, and how many decisions of the past have a say.
inline constexpr int mix_block_samples = sample_rate_hz, mix_votes = 5;
// A shorter piece of sound decides nothing, unless it is all that there is.
inline constexpr int min_vote_samples = sample_rate_hz / 4;
// Mean square under which a channel is silent (-70 dB), and its share of the loudest channel's power under which it has
// nothing but that one's cross-talk (-40 dB).
inline constexpr double silent_power = 1e-7, cross_talk = 1e-4;
// A mix with less than this share of the power that channels without relation would add up to is cancelling; with less
// than the second the sound at hand is lost, whatever was decided before.
inline constexpr double cancelling = 0.5, gone = 0.1;
// Only a channel that is this much against those before it (a correlation) is turned over.
inline constexpr double against = -0.25;
// A mix that changes goes over into the new one for so long (20 ms), without a click.
inline constexpr int fade_samples = 320;

struct DecodingConstant {
  const char* module;
  const char* name;
  double value;
};

// Where the kit states them; the last three are what libswresample does by itself.
inline std::vector<DecodingConstant> decoding_constants() {
  return {{"cad.clock", "FRAME_RATE_HZ", frame_rate_hz},
          {"cad.clock", "SAMPLE_RATE_HZ", sample_rate_hz},
          {"cad.media.audio", "STAMP_TOLERANCE_SECONDS", stamp_tolerance_seconds},
          {"cad.media.grid", "STAMP_ROUNDING_SECONDS", stamp_rounding_seconds},
          {"cad.media.grid", "MAX_REACH_SECONDS", max_reach_seconds},
          {"cad.media.grid", "SUSPECT_LEAP_SECONDS", suspect_leap_seconds},
          {"cad.media.slots", "MIN_SAMPLES_OF_SLOT", min_samples_of_slot},
          {"cad.media.mixing", "BLOCK_SAMPLES", mix_block_samples},
          {"cad.media.mixing", "VOTES", mix_votes},
          {"cad.media.mixing", "MIN_VOTE_SAMPLES", min_vote_samples},
          {"cad.media.mixing", "SILENT_POWER", silent_power},
          {"cad.media.mixing", "CROSS_TALK", cross_talk},
          {"cad.media.mixing", "CANCELLING", cancelling},
          {"cad.media.mixing", "GONE", gone},
          {"cad.media.mixing", "AGAINST", against},
          {"cad.media.mixing", "FADE_SAMPLES", fade_samples},
          {"cad.media.resample", "FILTER_SIZE", 32},
          {"cad.media.resample", "CUTOFF", 0.97},
          {"cad.media.resample", "KAISER_BETA", 9}};
}

}  // namespace cad
