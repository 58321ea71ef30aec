// SPDX-License-Identifier: Apache-2.0
// Tells which boxes are one face, and which face of a picture belongs to which track. As cad/faces/overlap.py.
// A face is {box: [left, top, right, bottom], points: Float64Array(10) of x, y, score}.

const LEAST_OVERLAP = 0.25;
const NEAR = 0.5;
const ALIKE_HEIGHT = 0.6;
const SAME_FACE = 0.4;
const PART_OF_FACE = 0.8;

export const heightOf = (face) => face.box[3] - face.box[1];

const area = ([left, top, right, bottom]) => Math.max(0, right - left) * Math.max(0, bottom - top);

function shared(a, b) {
  return area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
}

/** Says whether two faces of one picture are one, or one is a part of the other that passes for a face. */
export function isSamePlace(one, other) {
  const common = shared(one.box, other.box);
  const [smaller, larger] = [area(one.box), area(other.box)].sort((a, b) => a - b);
  const inside = common > PART_OF_FACE * smaller && smaller > 0;
  return inside || common > SAME_FACE * Math.max(larger + smaller - common, 1e-9);
}

export const isAmong = (face, others) => others.some((other) => isSamePlace(face, other));

function isNear(one, other) {
  const heights = [heightOf(one), heightOf(other)].sort((a, b) => a - b);
  const centre = ({ box }) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  const [a, b] = [centre(one), centre(other)];
  return heights[0] >= ALIKE_HEIGHT * heights[1] && Math.hypot(a[0] - b[0], a[1] - b[1]) <= NEAR * heights[1];
}

/** Returns for each expected face the index of the found one that it is, or null; the surest pairs first. */
export function match(expected, found) {
  const owners = expected.map(() => null);
  const affinity = expected.map((one) =>
    found.map((other) => {
      const common = shared(one.box, other.box);
      const overlap = common / Math.max(area(one.box) + area(other.box) - common, 1e-9);
      if (overlap >= LEAST_OVERLAP) return overlap;
      return isNear(one, other) ? 0.2 : 0;
    }),
  );
  for (;;) {
    let best = 0;
    let at = null;
    affinity.forEach((row, i) =>
      row.forEach((value, j) => {
        if (value > best) [best, at] = [value, [i, j]];
      }),
    );
    if (at === null) return owners;
    const [row, column] = at;
    owners[row] = column;
    affinity[row].fill(0);
    affinity.forEach((other) => {
      other[column] = 0;
    });
  }
}
