// SPDX-License-Identifier: Apache-2.0
// Gives a track its points without jitter: straight lines between sightings, then a weighted local line.
// As cad/faces/smooth.py. Source: Cleveland, JASA 74(368), 1979.

/** Returns the values at a slot on the straight line between two sightings. */
export function between(slots, values, wanted) {
  let after = 1;
  while (after < slots.length - 1 && slots[after] < wanted) after += 1;
  const before = after - 1;
  after = Math.min(after, slots.length - 1);
  // In float32 throughout, as in the package: the model tells crops apart that differ in a single bit.
  const { fround } = Math;
  const share = fround((wanted - slots[before]) / Math.max(slots[after] - slots[before], 1));
  const rest = fround(1 - share);
  return values[before].map((value, i) => fround(fround(value * rest) + fround(values[after][i] * share)));
}

/** Returns how much each known slot, by its distance, counts in the value of the line at distance 0. */
function shares(offsets, sigma) {
  const weights = offsets.map((away) => Math.exp(-0.5 * (away / sigma) ** 2));
  let [s0, s1, s2] = [0, 0, 0];
  offsets.forEach((away, i) => {
    s0 += weights[i];
    s1 += weights[i] * away;
    s2 += weights[i] * away * away;
  });
  const spread = s0 * s2 - s1 * s1;
  if (spread < 1e-9) return weights.map((weight) => weight / s0);
  return weights.map((weight, i) => (weight * (s2 - s1 * offsets[i])) / spread);
}

/** Returns the value at `slot` of the weighted line through `values`, which are known at `slots`. */
export function smoothAt(slots, values, slot, c) {
  const near = slots.map((one, i) => [one - slot, values[i]]).filter(([away]) => Math.abs(away) <= c.REACH_SLOTS);
  const share = shares(
    near.map(([away]) => away),
    c.SIGMA_SLOTS,
  );
  return near[0][1].map((_, i) => Math.fround(near.reduce((sum, [, value], n) => sum + share[n] * value[i], 0)));
}
