// SPDX-License-Identifier: Apache-2.0
// How well a face's lips go with the loudness of the sound: the best rank correlation over a few lags.
// As cad/faces/active_speaker.py; the motion of the lips comes from the graph lip_motion.

import { mean } from './numbers.mjs';

/**
 * Returns the score of a face in [0, 1]: 0 without lip motion or where nothing can be told.
 * @param {number[]} slots in which the motion is known, rising
 * @param {number[]} motion of the mouth in these slots
 * @param {Float64Array|null} loudness of the speech of every slot, NaN where there is none
 * @param {object} c constants of the kit's part `lips`
 */
export function lipScore(slots, motion, loudness, c) {
  if (loudness === null || slots.length < c.LEAST_SLOTS) return 0;
  const first = Math.max(0, slots[0] - c.MAX_LAG_SLOTS);
  const stop = slots[slots.length - 1] + 1 + c.MAX_LAG_SLOTS;
  const near = loudness.subarray(first, stop);
  const length = Math.max(slots[slots.length - 1] + 1 - first, near.length);
  const moves = new Float64Array(length).fill(NaN);
  slots.forEach((slot, i) => {
    moves[slot - first] = motion[i];
  });
  const loud = new Float64Array(length).fill(NaN);
  loud.set(near);
  const known = moves.filter((value, i) => !Number.isNaN(value) && !Number.isNaN(loud[i])).length;
  if (mean(motion) < c.LEAST_MOTION || known < c.LEAST_SLOTS) return 0;
  let best = 0;
  for (let lag = -c.MAX_LAG_SLOTS; lag <= c.MAX_LAG_SLOTS; lag += 1)
    best = Math.max(best, rankCorrelation(moves, loud, lag, c));
  return best;
}

/** Spearman's correlation of `a` with `b` moved `lag` slots earlier, over the slots that both have. */
function rankCorrelation(a, b, lag, c) {
  const x = [];
  const y = [];
  for (let i = Math.max(0, -lag); i < a.length && i + lag < b.length; i += 1) {
    if (!Number.isNaN(a[i]) && !Number.isNaN(b[i + lag])) {
      x.push(a[i]);
      y.push(b[i + lag]);
    }
  }
  if (x.length < c.LEAST_OVERLAP_SLOTS) return 0;
  const flat = (values) => values.every((value) => value === values[0]);
  return flat(x) || flat(y) ? 0 : correlation(ranks(x), ranks(y));
}

function ranks(values) {
  const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j] || i - j);
  const found = new Array(values.length);
  order.forEach((i, rank) => {
    found[i] = rank;
  });
  return found;
}

function correlation(x, y) {
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, yy, xy] = [0, 0, 0];
  x.forEach((value, i) => {
    xx += (value - meanX) ** 2;
    yy += (y[i] - meanY) ** 2;
    xy += (value - meanX) * (y[i] - meanY);
  });
  return xy / Math.sqrt(xx * yy);
}
