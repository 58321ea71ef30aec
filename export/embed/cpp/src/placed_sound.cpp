// SPDX-License-Identifier: Apache-2.0
#include "placed_sound.h"

#include <algorithm>
#include <cmath>

#include "decoding_constants.h"
#include "errors.h"

namespace cad {
namespace {

constexpr double max_seconds = 4 * 3600.0;

// The layout of a frame; one that does not say which is FFmpeg's default for so many channels.
void copy_layout(const AVFrame& frame, AVChannelLayout& layout) {
  if (av_channel_layout_copy(&layout, &frame.ch_layout) < 0) throw MediaError("needs more memory than there is");
  if (layout.order == AV_CHANNEL_ORDER_UNSPEC) {
    const int count = layout.nb_channels;
    av_channel_layout_uninit(&layout);
    av_channel_layout_default(&layout, count);
  }
}

std::vector<std::string> channel_names(const AVChannelLayout& layout) {
  std::vector<std::string> names;
  for (int index = 0; index < layout.nb_channels; ++index) {
    char name[64] = {};
    av_channel_name(name, sizeof name, av_channel_layout_channel_from_index(&layout, static_cast<unsigned>(index)));
    names.emplace_back(name);
  }
  return names;
}

std::string signature_of(const AVFrame& frame) {
  char layout[256] = {};
  av_channel_layout_describe(&frame.ch_layout, layout, sizeof layout);
  return std::to_string(frame.format) + " " + layout + " " + std::to_string(frame.sample_rate);
}

}  // namespace

void PlacedSound::push(double seconds, const AVFrame& frame) {
  if (frame.sample_rate <= 0 || frame.nb_samples <= 0 || seconds > max_seconds) return;
  const double expected = run_start_seconds_ + static_cast<double>(run_samples_) / frame.sample_rate;
  if (signature_of(frame) != signature_ || std::abs(seconds - expected) > stamp_tolerance_seconds) start_run(seconds, frame);
  run_samples_ += frame.nb_samples;
  ++decoded_frames_;
  resample(&frame);
}

std::optional<Sound> PlacedSound::close() {
  drain();
  if (decoded_frames_ == 0) return std::nullopt;
  // A last slot that is mostly empty is dropped.
  const auto slots = static_cast<std::size_t>((position_ + samples_per_slot - min_samples_of_slot) / samples_per_slot);
  Sound sound;
  sound.samples = std::move(samples_);
  sound.samples.resize(slots * samples_per_slot);
  is_filled_.resize(slots * samples_per_slot);
  sound.is_there.resize(slots);
  for (std::size_t slot = 0; slot < slots; ++slot) {
    const auto begin = static_cast<std::ptrdiff_t>(slot * samples_per_slot);
    const auto filled = std::count(is_filled_.begin() + begin, is_filled_.begin() + begin + samples_per_slot, 1);
    sound.is_there[slot] = filled >= min_samples_of_slot;
    for (std::ptrdiff_t index = begin; index < begin + samples_per_slot; ++index) {
      float& one = sound.samples[static_cast<std::size_t>(index)];
      one = sound.is_there[slot] && !std::isnan(one) ? std::clamp(one, -1.0F, 1.0F) : 0.0F;
    }
  }
  sound.report.decoded_frames = decoded_frames_;
  return sound;
}

void PlacedSound::start_run(double seconds, const AVFrame& frame) {
  drain();
  signature_ = signature_of(frame);
  AVChannelLayout layout = {};
  copy_layout(frame, layout);
  const std::vector<std::string> names = channel_names(layout);
  SwrContext* made = nullptr;
  // FFmpeg's defaults: filter_size 32, cutoff 0.97, kaiser_beta 9.
  const int error = swr_alloc_set_opts2(&made, &layout, AV_SAMPLE_FMT_FLT, sample_rate_hz, &layout,
                                        static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
  av_channel_layout_uninit(&layout);
  resampler_.reset(made);
  if (error < 0 || swr_init(made) < 0) throw MediaError("has sound in a form that cannot be resampled");
  if (!mixer_ || channels_ != names) mixer_.emplace(names);
  channels_ = names;
  run_start_seconds_ = seconds;
  run_samples_ = 0;
  write_position_ = std::llrint(seconds * sample_rate_hz);
}

void PlacedSound::drain() {
  if (!resampler_) return;
  resample(nullptr);
  std::vector<float> mono;
  mixer_->flush(mono);
  place(mono);
  resampler_.reset();
}

void PlacedSound::resample(const AVFrame* frame) {
  const int given = frame == nullptr ? 0 : frame->nb_samples;
  const std::size_t channels = channels_.size();
  std::vector<float> mono;
  // At the end the resampler gives what it holds until there is no more.
  for (bool is_first = true;; is_first = false) {
    const int room = std::max(swr_get_out_samples(resampler_.get(), is_first ? given : 0), 1024);
    std::vector<float> out(static_cast<std::size_t>(room) * channels);
    auto* to = reinterpret_cast<std::uint8_t*>(out.data());
    const std::uint8_t** from = nullptr;
    if (frame != nullptr) from = const_cast<const std::uint8_t**>(frame->extended_data);
    const int got = swr_convert(resampler_.get(), &to, room, from, given);
    if (got < 0) throw MediaError("has sound that cannot be resampled (" + av_text(got) + ")");
    mixer_->mix(out.data(), static_cast<std::size_t>(got), mono);
    if (frame != nullptr || got == 0) break;
  }
  place(mono);
}

void PlacedSound::place(const std::vector<float>& mono) {
  const std::int64_t end = write_position_ + static_cast<std::int64_t>(mono.size());
  // What lies before slot 0 or is already written is cut off.
  const std::int64_t begin = std::max(write_position_, position_);
  if (end > begin) {
    if (samples_.size() < static_cast<std::size_t>(end)) {
      samples_.resize(static_cast<std::size_t>(end));
      is_filled_.resize(static_cast<std::size_t>(end));
    }
    std::copy(mono.begin() + (begin - write_position_), mono.end(), samples_.begin() + begin);
    std::fill(is_filled_.begin() + begin, is_filled_.begin() + end, std::uint8_t{1});
    position_ = end;
  }
  write_position_ = end;
}

}  // namespace cad
