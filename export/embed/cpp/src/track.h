// SPDX-License-Identifier: Apache-2.0
// One person within one shot: sightings at some slots, and states at those between.
#pragma once

#include <optional>
#include <vector>

#include "face.h"
#include "finder.h"

namespace cad {

class Track {
 public:
  Track(int slot, const Face& face, GreyPicture appearance, const FaceConstants& constants);

  [[nodiscard]] int first_slot() const { return first_slot_; }
  [[nodiscard]] int last_slot() const { return seen_.back().slot; }
  [[nodiscard]] const Face& last() const { return seen_.back().face; }

  // Adds a sighting in its place by time; it replaces one at the same slot.
  void see(int slot, const Face& face);
  void rescale(float factor_x, float factor_y);
  // Where the points should be: moved on for a moment as between the last sightings.
  [[nodiscard]] Points expected(int slot) const;
  // Whether the face is there: seen, or between two near sightings.
  [[nodiscard]] bool is_present(int slot) const;
  // Box and points at a slot at which the face is present: straight lines between sightings, then a smooth line.
  [[nodiscard]] Face state(int slot) const;
  // Drops the sightings on which no slot from `slot` on depends.
  void forget_before(int slot);

  // Now and then the remembered appearance follows the face as it turns.
  [[nodiscard]] bool wants_appearance(int slot) const { return slot >= appearance_slot_ + constants_->appearance_step; }
  void remember(int slot, const GreyPicture& appearance);
  [[nodiscard]] bool looks_like(const GreyPicture& appearance) const;

  std::optional<int> number;  // in order of appearance, once it has lasted long enough

 private:
  struct Sighting {
    int slot;
    Face face;
  };
  using Place = std::vector<Sighting>::const_iterator;

  [[nodiscard]] Place first_from(int slot) const;
  [[nodiscard]] Face between(Place start, Place stop, int slot) const;

  const FaceConstants* constants_;
  int first_slot_;
  std::vector<Sighting> seen_;
  GreyPicture appearance_;
  int appearance_slot_;
};

}  // namespace cad
