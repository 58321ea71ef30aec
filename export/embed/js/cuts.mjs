// SPDX-License-Identifier: Apache-2.0
// Tells where one shot ends and the next begins, by coarse samples of each picture. As cad/faces/cuts.py.

import { likeness, median } from './numbers.mjs';

const MEMORY = 6;

export class CutDetector {
  constructor(c) {
    this.c = c;
    this.last = null;
    this.changes = [];
    this.cutBefore = false;
  }

  /**
   * Takes the next picture; returns whether it starts a new shot (never the first).
   * @param {{data: Float32Array, dims: number[]}} now the output of the graph picture_coarse
   * @param {{width: number, height: number}} size of the picture
   */
  push(now, size) {
    const { last } = this;
    this.last = { ...now, size };
    if (last === null) return false;
    if (!this.#sameShape(last.size, size)) {
      this.changes = [];
      return true;
    }
    const before = resized(last, now.dims);
    const change = 1 - likeness(before, now.data);
    const usual = this.changes.length ? median(this.changes) : 0;
    let difference = 0;
    for (let i = 0; i < before.length; i += 1) difference += Math.abs(now.data[i] - before[i]) / before.length;
    const cut =
      !this.cutBefore &&
      change > 1 - this.c.MOST_ALIKE &&
      difference > this.c.LEAST_DIFFERENCE &&
      change > this.c.STANDS_OUT * usual;
    if (cut) {
      this.changes = [];
    } else {
      this.changes.push(change);
      if (this.changes.length > MEMORY) this.changes.shift();
    }
    // Two cuts in a row are no cuts: something never stands still.
    this.cutBefore = cut;
    return cut;
  }

  /** A stream may change its size and go on with the shot; another shape of the picture is a new shot. */
  #sameShape(size, other) {
    const one = size.height * other.width;
    const two = other.height * size.width;
    return Math.abs(one - two) <= this.c.SAME_SHAPE * Math.max(one, two);
  }
}

/** Returns a coarse picture at another size, bilinear with pixel centres at halves. */
function resized({ data, dims }, [rows, columns]) {
  const [height, width] = dims;
  if (height === rows && width === columns) return data;
  const place = (index, from, to) => {
    const at = Math.min(Math.max(((index + 0.5) * from) / to - 0.5, 0), from - 1);
    const low = Math.floor(at);
    return [low, Math.min(low + 1, from - 1), at - low];
  };
  const out = new Float32Array(rows * columns);
  for (let y = 0; y < rows; y += 1) {
    const [top, bottom, down] = place(y, height, rows);
    for (let x = 0; x < columns; x += 1) {
      const [left, right, across] = place(x, width, columns);
      const line = (row) => data[row * width + left] * (1 - across) + data[row * width + right] * across;
      out[y * columns + x] = line(top) * (1 - down) + line(bottom) * down;
    }
  }
  return out;
}
