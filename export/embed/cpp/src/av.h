// SPDX-License-Identifier: Apache-2.0
// Owners of what libav allocates.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <string>

namespace cad {

struct AvFree {
  void operator()(AVFormatContext* one) const { avformat_close_input(&one); }
  void operator()(AVCodecContext* one) const { avcodec_free_context(&one); }
  void operator()(AVFrame* one) const { av_frame_free(&one); }
  void operator()(AVPacket* one) const { av_packet_free(&one); }
  void operator()(SwrContext* one) const { swr_free(&one); }
  void operator()(SwsContext* one) const { sws_freeContext(one); }
};

template <typename T>
using AvOwner = std::unique_ptr<T, AvFree>;

// What libav says of an error.
inline std::string av_text(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

}  // namespace cad
