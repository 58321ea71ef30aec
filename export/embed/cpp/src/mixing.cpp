// SPDX-License-Identifier: Apache-2.0
#include "mixing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "decoding_constants.h"

namespace cad {
namespace {

// Weights of loudspeaker positions. Source: ITU-R BS.775; of a sound field (ambisonic) the first channel is what a
// microphone without direction hears.
float weight_of(const std::string& channel) {
  static const std::map<std::string, float> known = {{"FC", 1.0F},  {"FL", 0.7071F},  {"FR", 0.7071F},
                                                     {"LFE", 0.0F}, {"LFE2", 0.0F}, {"AMBI0", 1.0F}};
  const auto found = known.find(channel);
  if (found != known.end()) return found->second;
  return channel.compare(0, 4, "AMBI") == 0 ? 0.0F : 0.5F;
}

void normalise(std::vector<float>& weights) {
  const float sum = std::accumulate(weights.begin(), weights.end(), 0.0F);
  for (float& one : weights) one /= sum;
}

}  // namespace

MonoMixer::MonoMixer(const std::vector<std::string>& channels) : channels_(channels.size()), heard_(channels.size()) {
  for (const std::string& channel : channels) plain_.push_back(weight_of(channel));
  if (std::accumulate(plain_.begin(), plain_.end(), 0.0F) <= 0) std::fill(plain_.begin(), plain_.end(), 1.0F);
  normalise(plain_);
  weights_ = plain_;
}

void MonoMixer::mix(const float* samples, std::size_t count, std::vector<float>& mono) {
  if (channels_ == 1) {
    mono.insert(mono.end(), samples, samples + count);
    return;
  }
  waiting_.insert(waiting_.end(), samples, samples + count * channels_);
  constexpr std::size_t block = mix_block_samples;
  std::size_t done = 0;
  for (; (done + block) * channels_ <= waiting_.size(); done += block) {
    mix_block(waiting_.data() + done * channels_, block, mono);
  }
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(done * channels_));
}

void MonoMixer::flush(std::vector<float>& mono) {
  if (!waiting_.empty()) mix_block(waiting_.data(), waiting_.size() / channels_, mono);
  waiting_.clear();
}

void MonoMixer::mix_block(const float* samples, std::size_t count, std::vector<float>& mono) {
  std::vector<float> finite(samples, samples + count * channels_);
  for (float& one : finite) {
    if (!std::isfinite(one)) one = std::isnan(one) ? 0.0F : std::copysign(std::numeric_limits<float>::max(), one);
  }
  const Weights before = weights_;
  const bool is_first = votes_.empty();
  weights_ = decide(finite, count);
  const bool fades = !is_first && before != weights_;
  const std::size_t fade = std::min<std::size_t>(fade_samples, count);
  for (std::size_t index = 0; index < count; ++index) {
    const float* from = finite.data() + index * channels_;
    float value = std::inner_product(from, from + channels_, weights_.begin(), 0.0F);
    if (fades && index < fade) {
      const float old = std::inner_product(from, from + channels_, before.begin(), 0.0F);
      const float share = fade > 1 ? 1.0F - static_cast<float>(index) / static_cast<float>(fade - 1) : 1.0F;
      value += share * (old - value);
    }
    mono.push_back(value);
  }
}

MonoMixer::Weights MonoMixer::decide(const std::vector<float>& samples, std::size_t count) {
  if (count < min_vote_samples && !votes_.empty()) return weights_;
  std::vector<double> mean(channels_);
  for (std::size_t index = 0; index < samples.size(); ++index) mean[index % channels_] += samples[index];
  for (double& one : mean) one /= static_cast<double>(count);
  Powers powers(channels_ * channels_);
  for (std::size_t index = 0; index < count; ++index) {
    const float* at = samples.data() + index * channels_;
    for (std::size_t row = 0; row < channels_; ++row) {
      for (std::size_t column = 0; column <= row; ++column) {
        powers[row * channels_ + column] += (at[row] - mean[row]) * (at[column] - mean[column]);
      }
    }
  }
  double loudest = 0.0, trace = 0.0;
  for (std::size_t row = 0; row < channels_; ++row) {
    for (std::size_t column = 0; column <= row; ++column) {
      powers[row * channels_ + column] /= static_cast<double>(count);
      powers[column * channels_ + row] = powers[row * channels_ + column];
    }
    loudest = std::max(loudest, powers[row * channels_ + row]);
    trace += powers[row * channels_ + row];
  }
  if (loudest < silent_power) return weights_;
  Weights weights = plain_;
  for (std::size_t row = 0; row < channels_; ++row) {
    if (powers[row * channels_ + row] > std::max(silent_power, loudest * cross_talk)) heard_[row] = true;
    if (!heard_[row]) weights[row] = 0.0F;
  }
  if (std::accumulate(weights.begin(), weights.end(), 0.0F) <= 0) {  // nothing but low frequency, so named, is heard
    for (std::size_t row = 0; row < channels_; ++row) weights[row] = heard_[row] ? 1.0F : 0.0F;
  }
  normalise(weights);
  Powers vote = powers;
  for (double& one : vote) one /= trace;
  votes_.push_back(vote);
  if (votes_.size() > mix_votes) votes_.pop_front();
  Powers usual(powers.size());
  for (const Powers& one : votes_) {
    for (std::size_t index = 0; index < usual.size(); ++index) usual[index] += one[index] / static_cast<double>(votes_.size());
  }
  Weights mixed = turned(weights, usual);
  if (kept_share(mixed, powers) < gone) mixed = turned(weights, powers);
  // Which of two opposite mixes it is does not matter, only that it stays the same one.
  double along = 0.0;
  for (std::size_t row = 0; row < channels_; ++row) {
    for (std::size_t column = 0; column < channels_; ++column) along += mixed[row] * powers[row * channels_ + column] * weights_[column];
  }
  if (along < 0 && std::any_of(mixed.begin(), mixed.end(), [](float one) { return one < 0; })) {
    for (float& one : mixed) one = -one;
  }
  return mixed;
}

double MonoMixer::kept_share(const Weights& weights, const Powers& powers) const {
  double mixed = 0.0, apart = 0.0;
  for (std::size_t row = 0; row < channels_; ++row) {
    for (std::size_t column = 0; column < channels_; ++column) mixed += weights[row] * powers[row * channels_ + column] * weights[column];
    apart += static_cast<double>(weights[row]) * weights[row] * powers[row * channels_ + row];
  }
  return mixed / std::max(apart, std::numeric_limits<double>::min());
}

MonoMixer::Weights MonoMixer::turned(const Weights& weights, const Powers& powers) const {
  if (kept_share(weights, powers) >= cancelling) return weights;
  const auto share = [&](std::size_t row, std::size_t column) {
    return static_cast<double>(weights[row]) * weights[column] * powers[row * channels_ + column];
  };
  std::vector<std::size_t> loudest_first(channels_);
  std::iota(loudest_first.begin(), loudest_first.end(), 0U);
  std::stable_sort(loudest_first.begin(), loudest_first.end(),
                   [&](std::size_t one, std::size_t other) { return share(one, one) > share(other, other); });
  std::vector<double> signs(channels_);
  for (std::size_t channel : loudest_first) {
    double power = 0.0, with = 0.0;
    for (std::size_t row = 0; row < channels_; ++row) {
      for (std::size_t column = 0; column < channels_; ++column) power += signs[row] * share(row, column) * signs[column];
      with += signs[row] * share(channel, row);
    }
    signs[channel] = with < against * std::sqrt(std::max(0.0, power) * share(channel, channel)) ? -1.0 : 1.0;
  }
  Weights turned_over = weights;
  for (std::size_t row = 0; row < channels_; ++row) turned_over[row] *= static_cast<float>(signs[row]);
  return turned_over;
}

}  // namespace cad
