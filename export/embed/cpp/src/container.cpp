// SPDX-License-Identifier: Apache-2.0
#include "container.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>

#include "errors.h"

namespace cad {
namespace {

// Without playlists and scripts that name other files, devices, subtitles, and data that is known only by its name.
constexpr const char* demuxers =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,live_flv,asf,ogg,wav,w64,flac,mp3,aac,ac3,"
    "eac3,aiff,au,caf,amr,amrnb,amrwb,h264,hevc,m4v,av1,obu,ivf,vc1,rm,mxf,nut,dv,gif,apng,mjpeg,opus,tta,wv,ape,adts,"
    "jpeg_pipe,jpegls_pipe,png_pipe,webp_pipe,bmp_pipe,tiff_pipe,ppm_pipe,pgm_pipe,jpegxl_pipe,gif_pipe,j2k_pipe,"
    "psd_pipe";
// They state no duration; FFmpeg's is an estimate.
const std::set<std::string> formats_without_duration = {"aac",  "ac3",  "adts", "amr",  "amrnb",  "amrwb",
                                                        "eac3", "h264", "hevc", "m4v",  "mjpeg",  "mp3",
                                                        "mpeg", "mpegts", "mpegvideo", "obu"};
constexpr int max_read_errors_in_a_row = 50;
constexpr long long max_pixels = 64'000'000;
constexpr double max_seconds = 4 * 3600.0;

// The first bytes of a file; a JPEG is not guessed at, since FFmpeg may take the film behind a photograph for the file.
std::string head_of(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw MediaError("is a directory");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw MediaError("cannot be opened; check its path and its rights");
  std::string head(512, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head;
}

bool is_jpeg(const std::string& head) {
  return head.size() > 3 && head.compare(0, 3, "\xff\xd8\xff") == 0 && static_cast<unsigned char>(head[3]) != 0xF7;
}

std::string why_unreadable(const std::string& head, int error) {
  const auto is_text = [](unsigned char byte) { return std::isprint(byte) || byte == '\r' || byte == '\n' || byte == '\t'; };
  if (head.empty()) return "is empty";
  if (std::all_of(head.begin(), head.end(), is_text)) return "is not a media file: its content is plain text";
  if (std::all_of(head.begin(), head.end(), [](char byte) { return byte == '\0'; })) {
    return "is not a media file: it begins with nothing but zeros";
  }
  return "is not a media file that can be decoded, or its header is damaged (" + av_text(error) + ")";
}

bool is_cover(const AVStream& stream) {
  return (stream.disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS)) != 0;
}

}  // namespace

Container::Container(const std::string& path) : path_(path), frame_(av_frame_alloc()) {
  const std::string head = head_of(path);
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", "file", 0);
  av_dict_set(&options, "format_whitelist", demuxers, 0);
  AVFormatContext* opened = nullptr;
  const std::string url = "file:" + path;  // so that no path is taken for the name of a protocol
  const AVInputFormat* known = is_jpeg(head) ? av_find_input_format("jpeg_pipe") : nullptr;
  int error = avformat_open_input(&opened, url.c_str(), known, &options);
  av_dict_free(&options);
  if (error < 0) throw MediaError(why_unreadable(head, error));
  format_.reset(opened);
  error = avformat_find_stream_info(opened, nullptr);
  if (error < 0) throw MediaError(why_unreadable(head, error));
  find_streams();
}

void Container::find_streams() {
  decoders_.resize(format_->nb_streams);
  const auto is_usable = [&](int index) {
    return index >= 0 && std::find(usable_.begin(), usable_.end(), index) != usable_.end();
  };
  std::array<std::optional<int>, 2> first;
  for (int index = 0; index < static_cast<int>(format_->nb_streams); ++index) {
    const AVStream& one = *stream(index);
    const AVMediaType type = one.codecpar->codec_type;
    if (type != AVMEDIA_TYPE_VIDEO && type != AVMEDIA_TYPE_AUDIO) continue;
    if ((type == AVMEDIA_TYPE_VIDEO && is_cover(one)) || avcodec_find_decoder(one.codecpar->codec_id) == nullptr) continue;
    usable_.push_back(index);
    auto& earlier = first[type == AVMEDIA_TYPE_AUDIO];
    if (!earlier) earlier = index;
  }
  const int best = av_find_best_stream(format_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  video_ = is_usable(best) ? std::optional(best) : first[0];
  const int heard = av_find_best_stream(format_.get(), AVMEDIA_TYPE_AUDIO, -1, video_.value_or(-1), nullptr, 0);
  audio_ = is_usable(heard) ? std::optional(heard) : first[1];
  if (usable_.empty()) {
    const bool has_other = has_undecodable(AVMEDIA_TYPE_VIDEO) || has_undecodable(AVMEDIA_TYPE_AUDIO);
    throw MediaError(has_other ? "has no stream that can be decoded" : "has neither picture nor sound");
  }
  if (video_) {
    const AVCodecParameters& of = *stream(*video_)->codecpar;
    const long long pixels = static_cast<long long>(of.width) * of.height;
    if (pixels > max_pixels) throw MediaError("has pictures of more than " + std::to_string(max_pixels) + " pixels");
  }
  if (stated_seconds() > max_seconds) throw MediaError("lasts longer than four hours");
  for (int index = 0; index < static_cast<int>(format_->nb_streams); ++index) {
    if (!is_usable(index)) stream(index)->discard = AVDISCARD_ALL;
  }
}

bool Container::has_still_format() const {
  const std::string name = format(), end = "_pipe";
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

bool Container::has_undecodable(AVMediaType type) const {
  for (unsigned index = 0; index < format_->nb_streams; ++index) {
    const AVStream& one = *format_->streams[index];
    if (one.codecpar->codec_type == type && !is_cover(one) && avcodec_find_decoder(one.codecpar->codec_id) == nullptr) {
      return true;
    }
  }
  return false;
}

double Container::stated_seconds() const {
  if (formats_without_duration.count(format()) != 0 || format_->duration <= 0) return 0.0;
  if (format_->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE) return 0.0;
  return static_cast<double>(format_->duration) / AV_TIME_BASE;
}

double Container::stated_fps(int index) const {
  const AVStream& one = *stream(index);
  if (one.avg_frame_rate.num > 0 && one.avg_frame_rate.den > 0) return av_q2d(one.avg_frame_rate);
  const AVRational guessed = av_guess_frame_rate(format_.get(), stream(index), nullptr);
  return guessed.num > 0 && guessed.den > 0 ? av_q2d(guessed) : 0.0;
}

double Container::pixel_aspect(int index) const {
  const AVRational aspect = av_guess_sample_aspect_ratio(format_.get(), stream(index), nullptr);
  return aspect.num > 0 && aspect.den > 0 ? av_q2d(aspect) : 1.0;
}

void Container::for_each_packet(const std::function<void(AVPacket&)>& take) {
  AvOwner<AVPacket> packet(av_packet_alloc());
  for (int errors = 0; errors < max_read_errors_in_a_row;) {
    const int error = av_read_frame(format_.get(), packet.get());
    if (error == AVERROR_EOF) return;
    if (error < 0) {
      ++errors;
      continue;
    }
    errors = 0;
    const bool is_usable = std::find(usable_.begin(), usable_.end(), packet->stream_index) != usable_.end();
    if (is_usable && packet->size > 0) take(*packet);
    av_packet_unref(packet.get());
  }
}

AVCodecContext& Container::decoder(int index) {
  auto& owner = decoders_[static_cast<std::size_t>(index)];
  if (owner) return *owner;
  const AVCodecParameters& of = *stream(index)->codecpar;
  const AVCodec* codec = avcodec_find_decoder(of.codec_id);
  owner.reset(avcodec_alloc_context3(codec));
  if (!owner || avcodec_parameters_to_context(owner.get(), &of) < 0) throw MediaError("has a stream that cannot be decoded");
  owner->pkt_timebase = stream(index)->time_base;
  owner->thread_count = 1;  // with more, what a decoder patches up after damage differs from run to run
  owner->max_pixels = max_pixels;
  const int error = avcodec_open2(owner.get(), codec, nullptr);
  if (error < 0) throw MediaError("has a stream that cannot be decoded (" + av_text(error) + ")");
  return *owner;
}

void Container::decode(int index, AVPacket* packet, const std::function<void(AVFrame&)>& take, PacketTally& tally) {
  AVCodecContext& with = decoder(index);
  bool is_bad = false;
  const int sent = avcodec_send_packet(&with, packet);
  if (sent < 0 && sent != AVERROR(EAGAIN) && sent != AVERROR_EOF) is_bad = true;
  for (;;) {
    const int got = avcodec_receive_frame(&with, frame_.get());
    if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) break;
    if (got < 0) {
      is_bad = true;
      break;
    }
    take(*frame_);
    av_frame_unref(frame_.get());
  }
  if (packet != nullptr && (packet->flags & AV_PKT_FLAG_DISCARD) == 0) ++(is_bad ? tally.bad : tally.good);
}

PacketTally Container::for_each_frame(int index, const std::function<void(AVFrame&)>& take) {
  PacketTally tally;
  for (int other : usable_) {
    if (other != index) stream(other)->discard = AVDISCARD_ALL;
  }
  for_each_packet([&](AVPacket& packet) {
    if (packet.stream_index == index) decode(index, &packet, take, tally);
  });
  decode(index, nullptr, take, tally);
  return tally;
}

}  // namespace cad
