// SPDX-License-Identifier: Apache-2.0
#include "media.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "clock.h"
#include "container.h"
#include "errors.h"
#include "placed_sound.h"

namespace cad {
namespace {

// Containers that store no presentation stamps: FFmpeg makes up what it reports for their reordered pictures.
const std::set<std::string> formats_without_stamps = {"avi"};
// A file that declares to last longer than this many pictures, and shows one, has lost the others.
constexpr double length_of_one_picture = 1.5;
// Pictures that stand for longer than this are slides and have no rate; fewer steps than this measure none.
constexpr double longest_step_seconds = 1.0;
constexpr std::size_t fewest_steps = 4;
// A file whose packets end this much before the length that its container states has been cut off.
constexpr double length_tolerance_seconds = 0.5;
// Packets of a stream that are decoded in search of its first frame.
constexpr int probe_packets = 300;
constexpr double sound_packet_seconds = 0.02;

// The time of each frame of a stream, in order of presentation, on the file's clock.
class StampReader {
 public:
  StampReader(const AVStream& stream, const std::string& format, double start_seconds, double fps)
      : stream_(stream), expected_(start_seconds), fps_(fps) {
    by_count_ = stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO && formats_without_stamps.count(format) != 0;
  }

  // A frame without a stamp follows the frame before it.
  double seconds(const AVFrame& frame) {
    std::int64_t stamp = frame.pts == AV_NOPTS_VALUE ? frame.pkt_dts : frame.pts;
    if (by_count_) stamp = decoding_stamp(frame);
    const double at = stamp == AV_NOPTS_VALUE ? expected_ : static_cast<double>(stamp) * av_q2d(stream_.time_base);
    const bool is_sound = stream_.codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    const double length = is_sound ? static_cast<double>(frame.nb_samples) / std::max(1, frame.sample_rate) : period_seconds(fps_);
    expected_ = at + length;
    return at;
  }

 private:
  // Without presentation stamps all that is certain is that the n-th picture shown belongs to the n-th packet.
  std::int64_t decoding_stamp(const AVFrame& frame) {
    if (frame.pkt_dts == AV_NOPTS_VALUE) return AV_NOPTS_VALUE;
    if (!delay_) delay_ = frame.pkt_dts - (stream_.start_time == AV_NOPTS_VALUE ? 0 : stream_.start_time);
    return frame.pkt_dts - *delay_;
  }

  const AVStream& stream_;
  double expected_;
  double fps_;
  bool by_count_ = false;
  std::optional<std::int64_t> delay_;
};

// What all packets of a stream and its first frames tell.
struct StreamLook {
  double start_seconds = std::numeric_limits<double>::infinity();
  double last_seconds = -std::numeric_limits<double>::infinity();
  double end_seconds = -std::numeric_limits<double>::infinity();
  std::vector<double> shown_seconds;
  std::optional<double> first_frame_seconds;
  Orientation orientation;
  int packets = 0;
  int frames = 0;  // decoded so far, of one size
  int others = 0;  // of another size
  int width = 0, height = 0;
};

// The usual rate of pictures by their time stamps, 0 if there is none.
double measured_fps(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  std::vector<double> steps;
  for (std::size_t index = 1; index < seconds.size(); ++index) {
    const double step = seconds[index] - seconds[index - 1];
    if (step > 1e-4 && step <= longest_step_seconds) steps.push_back(step);
  }
  if (steps.size() < fewest_steps) return 0.0;
  std::sort(steps.begin(), steps.end());
  return 1 / steps[steps.size() / 2];
}

Orientation orientation_of(const AVStream& stream, const AVFrame& frame) {
  if (const AVFrameSideData* data = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
      data != nullptr && data->size >= 9 * sizeof(std::int32_t)) {
    return orientation_of_matrix(reinterpret_cast<const std::int32_t*>(data->data));
  }
  std::size_t size = 0;
  const std::uint8_t* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (data != nullptr && size >= 9 * sizeof(std::int32_t)) {
    return orientation_of_matrix(reinterpret_cast<const std::int32_t*>(data));
  }
  return {};
}

void note_packet(StreamLook& look, const AVPacket& packet, const AVStream& stream, double period) {
  const std::int64_t stamp = packet.pts == AV_NOPTS_VALUE ? packet.dts : packet.pts;
  if (stamp == AV_NOPTS_VALUE || (packet.flags & AV_PKT_FLAG_DISCARD) != 0) return;
  const double tick = av_q2d(stream.time_base), at = static_cast<double>(stamp) * tick;
  look.start_seconds = std::min(look.start_seconds, at);
  look.end_seconds = std::max(look.end_seconds, at + (packet.duration > 0 ? static_cast<double>(packet.duration) * tick : period));
  if (stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO) look.shown_seconds.push_back(at);
}

void note_frame(StreamLook& look, const AVFrame& frame, const AVStream& stream, StampReader& stamps) {
  const double at = stamps.seconds(frame);
  if (!look.first_frame_seconds) {
    look.first_frame_seconds = at;
    look.orientation = orientation_of(stream, frame);
    look.width = frame.width;
    look.height = frame.height;
  }
  ++(frame.width == look.width && frame.height == look.height ? look.frames : look.others);
}

// Goes over all packets once; decodes each stream as far as its first frame, and a picture without sound to its second.
std::map<int, StreamLook> look_over(Container& file, PacketTally& tally) {
  std::map<int, StreamLook> looks;
  std::map<int, StampReader> stamps;
  const bool is_single = file.video() && !file.audio();
  for (int index : file.usable()) {
    looks[index];
    stamps.emplace(index, StampReader(*file.stream(index), file.format(), 0.0, 0.0));
  }
  const auto is_known = [&](int index, const StreamLook& look) {
    const bool wants_more = is_single && index == *file.video() && look.frames + look.others < 2;
    return look.first_frame_seconds.has_value() && !wants_more;
  };
  file.for_each_packet([&](AVPacket& packet) {
    const int index = packet.stream_index;
    const AVStream& stream = *file.stream(index);
    StreamLook& look = looks[index];
    const bool is_video = stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    note_packet(look, packet, stream, is_video ? period_seconds(file.stated_fps(index)) : sound_packet_seconds);
    if (look.packets++ >= probe_packets || is_known(index, look)) return;
    file.decode(index, &packet, [&](AVFrame& frame) { note_frame(look, frame, stream, stamps.at(index)); }, tally);
  });
  for (auto& [index, look] : looks) {  // a decoder may hold all that there is of a short stream
    if (is_known(index, look) || look.packets > probe_packets) continue;
    StreamLook& of = look;
    const AVStream& stream = *file.stream(index);
    StampReader& reader = stamps.at(index);
    file.decode(index, nullptr, [&](AVFrame& frame) { note_frame(of, frame, stream, reader); }, tally);
  }
  return looks;
}

double start_of(const StreamLook& look) {
  if (look.first_frame_seconds) return *look.first_frame_seconds;
  return std::isfinite(look.start_seconds) ? look.start_seconds : 0.0;
}

// How much of the length that a container states is there.
double stated_share(const Container& file, const std::map<int, StreamLook>& looks) {
  double start = std::numeric_limits<double>::infinity(), end = -start;
  for (const auto& one : looks) {
    start = std::min(start, one.second.start_seconds);
    end = std::max(end, one.second.end_seconds);
  }
  const double stated = file.stated_seconds(), there = end > start ? end - start : 0.0;
  return there >= stated - length_tolerance_seconds ? 1.0 : there / stated;
}

// A single picture without sound is a still, whatever carries it, unless there was more of it.
Kind kind_of(const Container& file, const MediaInfo& info, const StreamLook* picture, bool has_damage) {
  if (picture == nullptr) return Kind::recording;
  if (file.has_still_format()) return picture->frames > 1 ? Kind::talking_head : Kind::still;
  const AVStream& stream = *file.stream(*info.video);
  const double stated = stream.duration > 0 ? static_cast<double>(stream.duration) * av_q2d(stream.time_base) : file.stated_seconds();
  const bool has_one = stream.nb_frames == 1 ||
                       (stream.nb_frames == 0 && stated <= length_of_one_picture * period_seconds(info.fps));
  const bool is_whole = picture->frames == 1 && picture->others == 0 && !has_damage;
  return !info.audio && is_whole && has_one ? Kind::still : Kind::talking_head;
}

double coverage_of(const PacketTally& tally) {
  const int all = tally.good + tally.bad;
  return all > 0 ? static_cast<double>(tally.good) / all : 0.0;
}

}  // namespace

std::string name_of(Kind kind) {
  switch (kind) {
    case Kind::recording: return "recording";
    case Kind::talking_head: return "talking_head";
    case Kind::still: return "still";
  }
  return "";
}

MediaInfo probe(const std::string& path) {
  Container file(path);
  PacketTally tally;
  const auto looks = look_over(file, tally);
  MediaInfo info;
  info.format = file.format();
  info.video = file.video();
  info.audio = file.audio();
  info.has_undecodable_sound = file.has_undecodable(AVMEDIA_TYPE_AUDIO);
  double first = std::numeric_limits<double>::infinity();
  for (const auto& one : looks) first = std::min(first, start_of(one.second));
  info.origin_seconds = first;
  if (info.audio) {
    info.audio_start_seconds = looks.at(*info.audio).start_seconds;
    info.audio_end_seconds = looks.at(*info.audio).end_seconds;
  }
  const StreamLook* picture = info.video ? &looks.at(*info.video) : nullptr;
  if (picture != nullptr) {
    const double start = start_of(*picture);
    // The pictures lie on slots, also where the sound comes first: most encoders let it begin some 20 ms before.
    info.origin_seconds = start - seconds_of(slot_of(start - first));
    const AVRational mean = file.stream(*info.video)->avg_frame_rate;
    const double measured = measured_fps(picture->shown_seconds);
    info.fps = mean.num > 0 && mean.den > 0 ? av_q2d(mean) : measured > 0 ? measured : file.stated_fps(*info.video);
    info.video_start_seconds = picture->start_seconds;
    info.video_end_seconds = picture->end_seconds;
    info.pixel_aspect = file.pixel_aspect(*info.video);
    info.orientation = picture->orientation;
    if (file.has_still_format()) info.orientation = exif_orientation(path, info.orientation);
  }
  info.stated_share = stated_share(file, looks);
  info.kind = kind_of(file, info, picture, tally.bad > 0);
  return info;
}

std::optional<Sound> read_sound(const std::string& path, const MediaInfo& info) {
  if (!info.audio) return std::nullopt;
  Container file(path);
  StampReader stamps(*file.stream(*info.audio), info.format,
                     std::isfinite(info.audio_start_seconds) ? info.audio_start_seconds : info.origin_seconds, 0.0);
  StampFilter<AvOwner<AVFrame>> filter(info.audio_end_seconds - info.origin_seconds);
  PlacedSound placed;
  const auto keep = [&](double seconds, AvOwner<AVFrame> frame) { placed.push(seconds, *frame); };
  const PacketTally tally = file.for_each_frame(*info.audio, [&](AVFrame& frame) {
    filter.push(stamps.seconds(frame) - info.origin_seconds, AvOwner<AVFrame>(av_frame_clone(&frame)), keep);
  });
  filter.end(keep);
  std::optional<Sound> sound = placed.close();
  if (sound) sound->report.coverage = coverage_of(tally);
  return sound;
}

ReadReport read_pictures(const std::string& path, const MediaInfo& info,
                         const std::function<void(const Placement&, const SharedPicture&)>& take) {
  ReadReport report;
  if (!info.video) return report;
  Container file(path);
  StampReader stamps(*file.stream(*info.video), info.format,
                     std::isfinite(info.video_start_seconds) ? info.video_start_seconds : info.origin_seconds, info.fps);
  StampFilter<AvOwner<AVFrame>> filter(info.video_end_seconds - info.origin_seconds);
  PictureConverter converter(info.pixel_aspect, info.orientation, info.kind == Kind::still);
  FramePlacer placer(reach_seconds(info.fps));
  AvOwner<AVFrame> held;
  bool is_done = false;
  const auto show = [&](const std::optional<Placement>& place) {
    if (!place || !held) return;
    report.shown_slots += place->count;
    take(*place, converter.convert(*held));
  };
  const auto keep = [&](double seconds, AvOwner<AVFrame> frame) {
    if (is_done || placer.is_late(seconds)) return;
    ++report.decoded_frames;
    if (info.kind == Kind::still) {
      held = std::move(frame);
      show(Placement{0, 0, 1});
      is_done = true;
      return;
    }
    show(placer.next(seconds));
    held = std::move(frame);
  };
  const PacketTally tally = file.for_each_frame(*info.video, [&](AVFrame& frame) {
    filter.push(stamps.seconds(frame) - info.origin_seconds, AvOwner<AVFrame>(av_frame_clone(&frame)), keep);
  });
  filter.end(keep);
  if (!is_done) show(placer.end());
  report.coverage = coverage_of(tally);
  return report;
}

}  // namespace cad
