// SPDX-License-Identifier: Apache-2.0
// Runs of a mask over slots: unbroken stretches. As cad/runs.py.

/** Returns the runs of true values as [start, stop) pairs. */
export function runsOf(mask) {
  const runs = [];
  let start = -1;
  for (let slot = 0; slot <= mask.length; slot += 1) {
    const on = slot < mask.length && Boolean(mask[slot]);
    if (on && start < 0) start = slot;
    if (!on && start >= 0) {
      runs.push([start, slot]);
      start = -1;
    }
  }
  return runs;
}

/** Returns the mask (Uint8Array) with runs of `value` that are at most `maxSlots` long flipped. */
export function flipShortRuns(mask, value, maxSlots, atEdges) {
  const flipped = Uint8Array.from(mask, Number);
  for (const [start, stop] of runsOf(Uint8Array.from(mask, (one) => Number(Boolean(one) === value)))) {
    const inside = start > 0 && stop < mask.length;
    if (stop - start <= maxSlots && (inside || atEdges)) flipped.fill(value ? 0 : 1, start, stop);
  }
  return flipped;
}
