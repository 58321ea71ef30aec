// SPDX-License-Identifier: Apache-2.0
// Runs in a mask over slots: unbroken stretches of true.
#pragma once

#include <utility>
#include <vector>

namespace cad {

using Mask = std::vector<bool>;

// The runs of `value` in a mask as (start, stop), half open.
inline std::vector<std::pair<int, int>> runs_of(const Mask& mask, bool value = true) {
  std::vector<std::pair<int, int>> runs;
  const int slots = static_cast<int>(mask.size());
  for (int start = 0; start < slots;) {
    int stop = start;
    while (stop < slots && mask[static_cast<std::size_t>(stop)] == value) ++stop;
    if (stop > start) runs.emplace_back(start, stop);
    start = stop > start ? stop : start + 1;
  }
  return runs;
}

// The mask with runs of `value` that are at most `max_slots` long flipped; at its edges only if `at_edges` says so.
inline Mask flip_short_runs(Mask mask, bool value, int max_slots, bool at_edges) {
  for (const auto& [start, stop] : runs_of(mask, value)) {
    const bool is_inside = start > 0 && stop < static_cast<int>(mask.size());
    if (stop - start > max_slots || !(is_inside || at_edges)) continue;
    for (int slot = start; slot < stop; ++slot) mask[static_cast<std::size_t>(slot)] = !value;
  }
  return mask;
}

}  // namespace cad
