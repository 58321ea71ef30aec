// SPDX-License-Identifier: Apache-2.0
#include "track.h"

#include <algorithm>
#include <cmath>

namespace cad {

Track::Track(int slot, const Face& face, GreyPicture appearance, const FaceConstants& constants)
    : constants_(&constants), first_slot_(slot), seen_{{slot, face}}, appearance_(std::move(appearance)), appearance_slot_(slot) {}

Track::Place Track::first_from(int slot) const {
  return std::lower_bound(seen_.begin(), seen_.end(), slot, [](const Sighting& one, int at) { return one.slot < at; });
}

void Track::see(int slot, const Face& face) {
  const Place at = first_from(slot);
  if (at != seen_.end() && at->slot == slot) {
    seen_[static_cast<std::size_t>(at - seen_.begin())].face = face;
  } else {
    seen_.insert(at, {slot, face});
  }
}

void Track::rescale(float factor_x, float factor_y) {
  for (Sighting& one : seen_) one.face = rescaled(one.face, factor_x, factor_y);
}

Points Track::expected(int slot) const {
  Points points = last().points;
  const int ago = slot - last_slot();
  int index = static_cast<int>(seen_.size()) - 2;
  // Sightings may lie close together where the face was looked at in between; a speed needs some distance.
  while (index > 0 && last_slot() - seen_[static_cast<std::size_t>(index)].slot < ago) --index;
  if (index < 0) return points;
  const Sighting& before = seen_[static_cast<std::size_t>(index)];
  const int gap = last_slot() - before.slot;
  if (gap > constants_->bridge_slots || ago > 2 * gap) return points;
  // Only the face as a whole is moved on, because the motion of its parts is too noisy for that.
  const float share = static_cast<float>(ago) / static_cast<float>(gap);
  float right = 0, down = 0;
  for (std::size_t point = 0; point < points.size(); ++point) {
    right += (points[point].x - before.face.points[point].x) / 5;
    down += (points[point].y - before.face.points[point].y) / 5;
  }
  for (Point& point : points) point = {point.x + right * share, point.y + down * share};
  return points;
}

bool Track::is_present(int slot) const {
  const Place after = first_from(slot);
  if (after == seen_.end()) return false;
  if (after->slot == slot) return true;
  return after != seen_.begin() && after->slot - (after - 1)->slot <= constants_->bridge_slots;
}

Face Track::between(Place start, Place stop, int slot) const {
  Place after = std::lower_bound(start, stop, slot, [](const Sighting& one, int at) { return one.slot < at; });
  if (after == stop) after = stop - 1;
  const Place before = after == start ? start : after - 1;
  const int span = std::max(1, after->slot - before->slot);
  const float share = after == before ? 0.0F : static_cast<float>(slot - before->slot) / static_cast<float>(span);
  const auto line = [share](float one, float other) { return one * (1 - share) + other * share; };
  Face face = after->face;
  for (std::size_t side = 0; side < face.box.size(); ++side) face.box[side] = line(before->face.box[side], after->face.box[side]);
  for (std::size_t point = 0; point < face.points.size(); ++point) {
    const Point &one = before->face.points[point], &other = after->face.points[point];
    face.points[point] = {line(one.x, other.x), line(one.y, other.y)};
  }
  return face;
}

Face Track::state(int slot) const {
  const int reach = constants_->reach_slots;
  const auto is_joined = [&](Place one) { return (one + 1)->slot - one->slot <= constants_->bridge_slots; };
  // The sightings about the slot that no gap separates from it.
  Place stop = first_from(slot + 1), start = stop - 1;
  while (start != seen_.begin() && is_joined(start - 1) && start->slot > slot - reach) --start;
  while (stop != seen_.end() && is_joined(stop - 1) && (stop - 1)->slot < slot + reach) ++stop;
  const int first = std::max(start->slot, slot - reach), last = std::min((stop - 1)->slot, slot + reach);
  // The value at the slot of a line fitted to those around, with Gaussian weights. Source: Cleveland, JASA 74, 1979.
  double s0 = 0.0, s1 = 0.0, s2 = 0.0;
  const auto weight = [&](int at) { return std::exp(-0.5 * std::pow((at - slot) / constants_->sigma_slots, 2)); };
  for (int at = first; at <= last; ++at) {
    const double away = at - slot;
    s0 += weight(at);
    s1 += weight(at) * away;
    s2 += weight(at) * away * away;
  }
  const double spread = s0 * s2 - s1 * s1;
  std::array<double, 14> total{};
  for (int at = first; at <= last; ++at) {
    const double share = spread < 1e-9 ? weight(at) / s0 : weight(at) * (s2 - s1 * (at - slot)) / spread;
    const Face face = between(start, stop, at);
    for (std::size_t point = 0; point < 5; ++point) {
      total[2 * point] += share * face.points[point].x;
      total[2 * point + 1] += share * face.points[point].y;
    }
    for (std::size_t side = 0; side < 4; ++side) total[10 + side] += share * face.box[side];
  }
  Face face = last_slot() == slot ? this->last() : (stop - 1)->face;
  for (std::size_t point = 0; point < 5; ++point) {
    face.points[point] = {static_cast<float>(total[2 * point]), static_cast<float>(total[2 * point + 1])};
  }
  for (std::size_t side = 0; side < 4; ++side) face.box[side] = static_cast<float>(total[10 + side]);
  return face;
}

void Track::forget_before(int slot) {
  while (seen_.size() > 2 && seen_[1].slot < slot - constants_->reach_slots) seen_.erase(seen_.begin());
}

void Track::remember(int slot, const GreyPicture& appearance) {
  appearance_slot_ = slot;
  for (std::size_t index = 0; index < appearance_.values.size(); ++index) {
    appearance_.values[index] = 0.7F * appearance_.values[index] + 0.3F * appearance.values[index];
  }
}

bool Track::looks_like(const GreyPicture& appearance) const { return likeness(appearance_, appearance) >= constants_->same_appearance; }

}  // namespace cad
