// SPDX-License-Identifier: Apache-2.0
// One open media file: its streams, its packets, and the frames that its decoders give, however damaged it is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "av.h"

namespace cad {

// How many packets of a stream gave frames, and how many did not.
struct PacketTally {
  int good = 0;
  int bad = 0;
};

class Container {
 public:
  // Opens a file by its path, never by another protocol, and only with demuxers that open no other file.
  explicit Container(const std::string& path);

  [[nodiscard]] std::string format() const { return format_->iformat->name; }
  // Whether it is a format of still pictures.
  [[nodiscard]] bool has_still_format() const;
  [[nodiscard]] AVStream* stream(int index) const { return format_->streams[index]; }
  // The picture that a player shows, and the sound that it plays with it.
  [[nodiscard]] std::optional<int> video() const { return video_; }
  [[nodiscard]] std::optional<int> audio() const { return audio_; }
  // Every picture and sound that can be decoded and is no cover.
  [[nodiscard]] const std::vector<int>& usable() const { return usable_; }
  [[nodiscard]] bool has_undecodable(AVMediaType type) const;
  // The length that the container states, 0 without any; FFmpeg's guess by the bit rate does not count.
  [[nodiscard]] double stated_seconds() const;
  // The mean rate of a picture as the container or the codec states it, 0 without any.
  [[nodiscard]] double stated_fps(int index) const;
  // The shape of a stored pixel (width over height) by the container.
  [[nodiscard]] double pixel_aspect(int index) const;

  // Calls `take` for every packet of the usable streams, in the order of the file.
  void for_each_packet(const std::function<void(AVPacket&)>& take);
  // Gives a packet to its decoder, or nullptr for its end, and calls `take` for every frame that comes out. Damage is
  // counted in `tally`.
  void decode(int index, AVPacket* packet, const std::function<void(AVFrame&)>& take, PacketTally& tally);
  // Calls `take` for every frame of one stream.
  PacketTally for_each_frame(int index, const std::function<void(AVFrame&)>& take);

 private:
  void find_streams();
  AVCodecContext& decoder(int index);

  std::string path_;
  AvOwner<AVFormatContext> format_;
  std::vector<AvOwner<AVCodecContext>> decoders_;
  std::vector<int> usable_;
  std::optional<int> video_, audio_;
  AvOwner<AVFrame> frame_;
};

}  // namespace cad
