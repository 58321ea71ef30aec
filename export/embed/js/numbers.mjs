// SPDX-License-Identifier: Apache-2.0
// Small sums that several parts need, with NaN for "not known" as in the Python package.

export function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which `share` of the values lie, on straight lines between them (numpy's default). */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

/** The mean of the values that are known, or null if none is. */
export function meanOfKnown(values) {
  let sum = 0;
  let count = 0;
  for (const value of values) {
    if (!Number.isNaN(value)) {
      sum += value;
      count += 1;
    }
  }
  return count ? sum / count : null;
}

/** Normalised correlation of two pictures in [-1, 1]; 1 if neither shows any pattern. */
export function likeness(a, b) {
  const meanA = mean(a);
  const meanB = mean(b);
  let aa = 0;
  let bb = 0;
  let ab = 0;
  let most = 0;
  for (let i = 0; i < a.length; i += 1) {
    const x = a[i] - meanA;
    const y = b[i] - meanB;
    aa += x * x;
    bb += y * y;
    ab += x * y;
    most = Math.max(most, Math.abs(x), Math.abs(y));
  }
  const size = Math.sqrt(aa * bb);
  if (size < 1e-3) return most < 1e-3 ? 1 : 0;
  return ab / size;
}

/** Rounds as Python does, halves to the even number. */
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
