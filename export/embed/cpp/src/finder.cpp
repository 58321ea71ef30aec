// SPDX-License-Identifier: Apache-2.0
#include "finder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

namespace cad {
namespace {

Ort::Value tensor_of(const Picture& picture) {
  return view_of(picture.pixels.data(), picture.pixels.size(), {picture.height, picture.width, 3});
}

Ort::Value tensor_of(const std::vector<Points>& points) {
  static_assert(sizeof(Points) == 10 * sizeof(float));
  const auto count = static_cast<std::int64_t>(points.size());
  return view_of(reinterpret_cast<const float*>(points.data()), points.size() * 10, {count, 5, 2});
}

// Faces from the tensors boxes (faces, 4), points (faces, 5, 2) and scores (faces,).
std::vector<Face> faces_of(const Ort::Value& boxes, const Ort::Value& points, const Ort::Value& scores) {
  std::vector<Face> faces(scores.GetTensorTypeAndShapeInfo().GetElementCount());
  for (std::size_t index = 0; index < faces.size(); ++index) {
    std::memcpy(faces[index].box.data(), boxes.GetTensorData<float>() + index * 4, 4 * sizeof(float));
    std::memcpy(faces[index].points.data(), points.GetTensorData<float>() + index * 10, 10 * sizeof(float));
    faces[index].score = scores.GetTensorData<float>()[index];
  }
  return faces;
}

// The picture with a black margin on every side.
Picture with_margin(const Picture& picture, int margin) {
  Picture wide;
  wide.width = picture.width + 2 * margin;
  wide.height = picture.height + 2 * margin;
  wide.pixels.resize(static_cast<std::size_t>(wide.width) * static_cast<std::size_t>(wide.height) * 3);
  const std::size_t row = static_cast<std::size_t>(picture.width) * 3;
  for (int y = 0; y < picture.height; ++y) {
    const std::size_t at = (static_cast<std::size_t>(y + margin) * static_cast<std::size_t>(wide.width) + static_cast<std::size_t>(margin)) * 3;
    std::memcpy(wide.pixels.data() + at, picture.pixels.data() + static_cast<std::size_t>(y) * row, row);
  }
  return wide;
}

}  // namespace

double likeness(const GreyPicture& one, const GreyPicture& other) {
  const auto mean = [](const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  const double x_mean = mean(one.values), y_mean = mean(other.values);
  double xx = 0.0, yy = 0.0, xy = 0.0, x_most = 0.0, y_most = 0.0;
  for (std::size_t index = 0; index < one.values.size(); ++index) {
    const double x = one.values[index] - x_mean, y = other.values[index] - y_mean;
    xx += x * x;
    yy += y * y;
    xy += x * y;
    x_most = std::max(x_most, std::abs(x));
    y_most = std::max(y_most, std::abs(y));
  }
  const double size = std::sqrt(xx * yy);
  if (size < 1e-3) return x_most < 1e-3 && y_most < 1e-3 ? 1.0 : 0.0;
  return xy / size;
}

Finder::Finder(const Kit& kit, int threads)
    : constants_(kit.faces),
      find_(kit.path("face_find.onnx"), {"picture", "long_side"}, {"boxes", "points", "scores"}, threads),
      look_(kit.path("face_look.onnx"), {"picture", "points"}, {"boxes", "points_seen", "scores"}, threads),
      crop_(kit.path("face_crop.onnx"), {"picture", "points"}, {"crops"}, threads),
      coarse_(kit.path("picture_coarse.onnx"), {"picture"}, {"coarse"}, threads),
      lips_(kit.path("lip_motion.onnx"), {"crops"}, {"motion"}, threads) {}

std::vector<Face> Finder::find(const Picture& picture, int depth, const std::vector<Face>& known) {
  const int longest = std::max(picture.width, picture.height);
  std::vector<Face> found, all = known;
  for (std::size_t index = 0; index < constants_.long_sides_px.size() && static_cast<int>(index) < depth; ++index) {
    const int side = constants_.long_sides_px[index];
    // A picture smaller than a side is searched as it is, once.
    if (index > 0 && constants_.long_sides_px[index - 1] >= longest) break;
    std::vector<Face> fresh;
    for (const Face& face : search(picture, side)) {
      if (!is_among(face, all, constants_)) fresh.push_back(face);
    }
    found.insert(found.end(), fresh.begin(), fresh.end());
    all.insert(all.end(), fresh.begin(), fresh.end());
    const double scale = std::min(1.0, static_cast<double>(side) / longest);
    const bool has_large = std::any_of(all.begin(), all.end(), [&](const Face& face) { return face.height() * scale >= constants_.small_face_px; });
    if (depth < constants_.every_size && has_large) break;
  }
  if (all.empty()) found = filling(picture);
  if (all.empty() && found.empty() && depth >= constants_.every_size) found = lying(picture);
  std::stable_sort(found.begin(), found.end(), [](const Face& one, const Face& other) { return one.height() > other.height(); });
  return found;
}

// The face that fills a picture, which is seen whole only from afar and with room around it.
std::vector<Face> Finder::filling(const Picture& picture) {
  const int margin = static_cast<int>(std::nearbyint(constants_.margin * std::max(picture.width, picture.height)));
  std::vector<Face> found;
  for (const Face& face : search(with_margin(picture, margin), constants_.filling_side_px)) {
    found.push_back(shifted(face, static_cast<float>(-margin)));
  }
  return found;
}

// The faces of a picture that lies on its side or head, as turned phones and cameras leave it.
std::vector<Face> Finder::lying(const Picture& picture) {
  const auto right = static_cast<float>(picture.width - 1), bottom = static_cast<float>(picture.height - 1);
  // How the picture is turned upright, and where a place of the upright picture lies in it.
  const std::array<std::pair<Orientation, std::function<Point(Point)>>, 3> turns = {
      {{{true, true, false}, [=](Point at) { return Point{right - at.y, at.x}; }},
       {{true, false, true}, [=](Point at) { return Point{at.y, bottom - at.x}; }},
       {{false, true, true}, [=](Point at) { return Point{right - at.x, bottom - at.y}; }}}};
  for (const auto& [turn, back] : turns) {
    const Picture upright = turned(picture.pixels.data(), picture.width * 3, picture.width, picture.height, turn);
    std::vector<Face> found;
    for (std::size_t size = 0; size < std::min<std::size_t>(2, constants_.long_sides_px.size()); ++size) {
      for (Face face : search(upright, constants_.long_sides_px[size])) {
        if (face.score < constants_.lying_score) continue;
        for (Point& point : face.points) point = back(point);
        const Point one = back({face.box[0], face.box[1]}), other = back({face.box[2], face.box[3]});
        face.box = {std::min(one.x, other.x), std::min(one.y, other.y), std::max(one.x, other.x), std::max(one.y, other.y)};
        if (!is_among(face, found, constants_)) found.push_back(face);
      }
    }
    if (!found.empty()) return found;
  }
  return {};
}

std::vector<Face> Finder::search(const Picture& picture, int long_side) {
  const std::int64_t side = long_side;
  std::vector<Ort::Value> given;
  given.push_back(tensor_of(picture));
  given.push_back(view_of(&side, 1, {}));
  const auto said = find_.run(given);
  return faces_of(said[0], said[1], said[2]);
}

std::vector<std::optional<Face>> Finder::look(const Picture& picture, const std::vector<Points>& expected) {
  if (expected.empty()) return {};
  std::vector<Ort::Value> given;
  given.push_back(tensor_of(picture));
  given.push_back(tensor_of(expected));
  const auto said = look_.run(given);
  std::vector<std::optional<Face>> seen;
  for (const Face& face : faces_of(said[0], said[1], said[2])) {
    const bool is_seen = face.score >= constants_.known_score && is_a_shape(face.points);
    seen.push_back(is_seen ? std::optional(face) : std::nullopt);
  }
  return seen;
}

std::vector<SharedCrop> Finder::crops(const Picture& picture, const std::vector<Points>& faces) {
  if (faces.empty()) return {};
  std::vector<Ort::Value> given;
  given.push_back(tensor_of(picture));
  given.push_back(tensor_of(faces));
  const auto said = crop_.run(given);
  const auto* pixels = said[0].GetTensorData<std::uint8_t>();
  std::vector<SharedCrop> cut;
  for (std::size_t index = 0; index < faces.size(); ++index) {
    auto crop = std::make_shared<Crop>();
    std::memcpy(crop->data(), pixels + index * crop_bytes, crop_bytes);
    cut.push_back(std::move(crop));
  }
  return cut;
}

GreyPicture Finder::appearance(const Picture& picture, const Face& face) {
  // The mean of 8 x 8 pixels of the crop, which is soft enough to compare by.
  constexpr int cell = 8, side = crop_side / cell;
  const SharedCrop crop = crops(picture, {face.points}).front();
  GreyPicture grey{side, side, std::vector<float>(side * side)};
  for (int y = 0; y < crop_side; ++y) {
    for (int x = 0; x < crop_side; ++x) {
      const std::uint8_t* rgb = crop->data() + static_cast<std::size_t>(y * crop_side + x) * 3;
      const float luma = 0.299F * rgb[0] + 0.587F * rgb[1] + 0.114F * rgb[2];
      grey.values[static_cast<std::size_t>(y / cell * side + x / cell)] += luma / (cell * cell);
    }
  }
  return grey;
}

GreyPicture Finder::coarse(const Picture& picture) {
  std::vector<Ort::Value> given;
  given.push_back(tensor_of(picture));
  const auto said = coarse_.run(given);
  const auto shape = said[0].GetTensorTypeAndShapeInfo().GetShape();
  return {static_cast<int>(shape[0]), static_cast<int>(shape[1]), values_of<float>(said[0])};
}

std::vector<float> Finder::lip_motion(const std::vector<SharedCrop>& crops) {
  std::vector<std::uint8_t> pixels;
  for (const SharedCrop& crop : crops) pixels.insert(pixels.end(), crop->begin(), crop->end());
  std::vector<Ort::Value> given;
  given.push_back(view_of(pixels.data(), pixels.size(), {static_cast<std::int64_t>(crops.size()), crop_side, crop_side, 3}));
  return values_of<float>(lips_.run(given)[0]);
}

}  // namespace cad
