// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "errors.h"

namespace cad {
namespace {

// Pixel shapes outside this range are taken for damage.
constexpr double max_pixel_aspect = 4.0;
// Larger pictures are scaled down.
constexpr double max_video_side = 4096, max_still_side = 16384, max_still_pixels = 64e6;
constexpr std::size_t exif_head_bytes = 1 << 17;
constexpr int exif_orientation_tag = 0x0112;

// The side lengths at which a stored picture is handed over, with square pixels; never enlarged but for that.
std::pair<int, int> handed_size(const AVFrame& frame, double aspect, bool is_still) {
  if (aspect < 1 / max_pixel_aspect || aspect > max_pixel_aspect) aspect = 1.0;
  const double width = aspect >= 1 ? frame.width * aspect : frame.width;
  const double height = aspect >= 1 ? frame.height : frame.height / aspect;
  const double side = is_still ? max_still_side : max_video_side;
  const double pixels = is_still ? max_still_pixels : side * side * 9 / 16;
  const double scale = std::min({1.0, side / std::max(width, height), std::sqrt(pixels / (width * height))});
  // To the nearest, halves to the even number.
  return {std::max(1, static_cast<int>(std::nearbyint(width * scale))),
          std::max(1, static_cast<int>(std::nearbyint(height * scale)))};
}

// What takes frames of this form to RGB of a size. Where it scales, colours must lie where the frame says: at the left
// edge between two pixels if it says nothing.
AvOwner<SwsContext> scaler_for(const AVFrame& frame, int width, int height) {
  AvOwner<SwsContext> scaler(sws_alloc_context());
  const auto set = [&](const char* name, int value) {
    if (!scaler || av_opt_set_int(scaler.get(), name, value, 0) < 0) throw MediaError("has pictures that cannot be converted");
  };
  const bool is_scaled = width != frame.width || height != frame.height;
  set("srcw", frame.width);
  set("srch", frame.height);
  set("src_format", frame.format);
  set("dstw", width);
  set("dsth", height);
  set("dst_format", AV_PIX_FMT_RGB24);
  set("sws_flags", is_scaled ? SWS_BICUBIC : SWS_BILINEAR);
  if (is_scaled) {
    const bool is_centred = frame.chroma_location == AVCHROMA_LOC_CENTER;
    const bool is_at_top = frame.chroma_location == AVCHROMA_LOC_TOPLEFT;
    set("src_h_chr_pos", is_centred ? 128 : 0);
    set("src_v_chr_pos", is_at_top ? 0 : 128);
  }
  if (sws_init_context(scaler.get(), nullptr, nullptr) < 0) throw MediaError("has pictures in a form that cannot be converted");
  return scaler;
}

// Reads numbers of a TIFF header in its own byte order; nothing beyond its end.
class Tiff {
 public:
  explicit Tiff(std::string bytes) : bytes_(std::move(bytes)) {
    if (bytes_.compare(0, 4, std::string("II*\0", 4)) == 0) little_ = true;
    if (bytes_.compare(0, 4, std::string("MM\0*", 4)) == 0) little_ = false;
  }
  [[nodiscard]] bool is_known() const { return little_.has_value(); }
  [[nodiscard]] std::optional<std::uint32_t> number(std::size_t at, std::size_t size) const {
    if (at + size > bytes_.size()) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t index = 0; index < size; ++index) {
      const std::size_t place = *little_ ? at + size - 1 - index : at + index;
      value = value << 8 | static_cast<unsigned char>(bytes_[place]);
    }
    return value;
  }

 private:
  std::string bytes_;
  std::optional<bool> little_;
};

std::optional<std::uint32_t> orientation_tag(const Tiff& tiff) {
  if (!tiff.is_known()) return std::nullopt;
  const auto directory = tiff.number(4, 4);
  if (!directory) return std::nullopt;
  const auto count = tiff.number(*directory, 2);
  for (std::uint32_t index = 0; count && index < *count; ++index) {
    const std::size_t entry = static_cast<std::size_t>(*directory) + 2 + 12 * static_cast<std::size_t>(index);
    const auto tag = tiff.number(entry, 2);
    if (!tag) return std::nullopt;
    if (*tag == exif_orientation_tag) return tiff.number(entry + 8, 2);
  }
  return std::nullopt;
}

}  // namespace

Orientation orientation_of_matrix(const std::int32_t* matrix) {
  const double a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
  if (std::abs(b) + std::abs(c) > std::abs(a) + std::abs(d)) return {true, b < 0, c < 0};
  return {false, d < 0, a < 0};
}

Orientation exif_orientation(const std::string& path, const Orientation& otherwise) {
  std::ifstream file(path, std::ios::binary);
  std::string head(exif_head_bytes, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  // The marks of the tags in a JPEG, a PNG and a WebP file, and how far behind them the TIFF header begins.
  const std::array<std::pair<std::string, std::size_t>, 3> marks = {
      {{std::string("Exif\0\0", 6), 0}, {"eXIf", 0}, {"EXIF", 4}}};
  std::optional<std::uint32_t> stated;
  if (Tiff whole(head); whole.is_known()) {
    stated = orientation_tag(whole);
  } else {
    for (const auto& [mark, skip] : marks) {
      const std::size_t at = head.find(mark);
      if (at == std::string::npos) continue;
      const std::size_t begin = at + mark.size() + skip;
      if (begin < head.size()) stated = orientation_tag(Tiff(head.substr(begin)));
      break;
    }
  }
  // Source: CIPA DC-008 (Exif 2.32), tag 0x0112.
  static const std::array<Orientation, 8> by_value = {{{false, false, false},
                                                       {false, false, true},
                                                       {false, true, true},
                                                       {false, true, false},
                                                       {true, false, false},
                                                       {true, false, true},
                                                       {true, true, true},
                                                       {true, true, false}}};
  return stated && *stated >= 1 && *stated <= by_value.size() ? by_value[*stated - 1] : otherwise;
}

Picture turned(const std::uint8_t* pixels, int stride, int width, int height, const Orientation& how) {
  Picture out;
  out.width = how.transpose ? height : width;
  out.height = how.transpose ? width : height;
  out.pixels.resize(static_cast<std::size_t>(out.width) * static_cast<std::size_t>(out.height) * 3);
  std::uint8_t* to = out.pixels.data();
  for (int y = 0; y < out.height; ++y) {
    const int row = how.flip_rows ? out.height - 1 - y : y;
    if (!how.transpose && !how.flip_columns) {
      std::memcpy(to, pixels + static_cast<std::ptrdiff_t>(row) * stride, static_cast<std::size_t>(width) * 3);
      to += static_cast<std::ptrdiff_t>(width) * 3;
      continue;
    }
    for (int x = 0; x < out.width; ++x, to += 3) {
      const int column = how.flip_columns ? out.width - 1 - x : x;
      const int stored_row = how.transpose ? column : row, stored_column = how.transpose ? row : column;
      std::memcpy(to, pixels + static_cast<std::ptrdiff_t>(stored_row) * stride + static_cast<std::ptrdiff_t>(stored_column) * 3, 3);
    }
  }
  return out;
}

PictureConverter::PictureConverter(double pixel_aspect, Orientation orientation, bool is_still)
    : pixel_aspect_(pixel_aspect), orientation_(orientation), is_still_(is_still) {}

SharedPicture PictureConverter::convert(const AVFrame& frame) {
  const auto [width, height] = handed_size(frame, pixel_aspect_, is_still_);
  const auto format = static_cast<AVPixelFormat>(frame.format);
  const std::array<int, 6> form = {frame.width, frame.height, frame.format, width, height, frame.chroma_location};
  if (!scaler_ || form != form_) {
    scaler_ = scaler_for(frame, width, height);
    form_ = form;
  }
  // A frame that does not say so is taken for BT.601 of limited range, as FFmpeg does by default.
  const int matrix = frame.colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : frame.colorspace;
  const bool is_full = frame.color_range == AVCOL_RANGE_JPEG || format == AV_PIX_FMT_YUVJ420P ||
                       format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ444P || format == AV_PIX_FMT_YUVJ440P;
  sws_setColorspaceDetails(scaler_.get(), sws_getCoefficients(matrix), is_full ? 1 : 0,
                           sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
  AvOwner<AVFrame> rgb(av_frame_alloc());
  rgb->format = AV_PIX_FMT_RGB24;
  rgb->width = width;
  rgb->height = height;
  if (av_frame_get_buffer(rgb.get(), 64) < 0) throw MediaError("needs more memory than there is");
  sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, rgb->data, rgb->linesize);
  auto picture = std::make_shared<Picture>(turned(rgb->data[0], rgb->linesize[0], width, height, orientation_));
  // Of a pixel that is not square the longer side counts, as in handed_size.
  double file_height = frame.height, file_width = frame.width;
  if (pixel_aspect_ >= 1 / max_pixel_aspect && pixel_aspect_ <= max_pixel_aspect) {
    (pixel_aspect_ >= 1 ? file_width : file_height) *= pixel_aspect_ >= 1 ? pixel_aspect_ : 1 / pixel_aspect_;
  }
  const double upright = std::max(1.0, std::nearbyint(orientation_.transpose ? file_width : file_height));
  picture->file_scale = upright / picture->height;
  return picture;
}

}  // namespace cad
