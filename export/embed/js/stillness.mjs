// SPDX-License-Identifier: Apache-2.0
// Tells whether a face is a photograph: whether it never moves in all the time that it is seen, however the picture is
// moved, sized, turned, lit, contrasted or sharpened. As cad/faces/stillness.py.

import { CROP_PX } from './looks.mjs';
import { mean, roundHalfEven } from './numbers.mjs';

export class Stillness {
  /** @param {object} c constants of the kit's part `stillness` */
  constructor(c) {
    this.c = c;
    this.settling = c.SETTLING_SLOTS;
    this.slots = 0;
    this.waiting = [];
    this.first = null;
    this.blocks = 0;
    this.moving = 0;
  }

  push(crop) {
    this.slots += 1;
    if (this.settling > 0) {
      this.settling -= 1;
    } else if (this.moving <= 2) {
      // else nothing that may come makes it a photograph's, but for hours of it
      this.waiting.push(small(crop, this.c));
      if (this.waiting.length === this.c.BLOCK_SLOTS) this.#measure();
    }
  }

  /** To be asked at the track's end. */
  isFrozen() {
    if (this.waiting.length >= this.c.LEAST_BLOCK_SLOTS) this.#measure();
    return this.slots >= this.c.LEAST_SLOTS && this.blocks > 0 && this.moving * this.c.BLOCKS_A_GLITCH <= this.blocks;
  }

  #measure() {
    const block = this.waiting;
    this.waiting = [];
    const middle = meanOf(block);
    let motion = motionOf(block, middle, this.c);
    if (this.first === null) this.first = middle;
    else motion = Math.max(motion, motionOf([middle], this.first, this.c));
    this.blocks += 1;
    if (motion > this.c.LEAST_MOTION) this.moving += 1;
  }
}

/** Returns the mean of pictures {width, height, values: Float64Array}. */
function meanOf(pictures) {
  const [{ width, height, values }] = pictures;
  return { width, height, values: values.map((_, i) => mean(pictures.map((picture) => picture.values[i]))) };
}

/** The largest departure of any patch of any picture from the reference, in standard deviations of that. */
function motionOf(pictures, reference, c) {
  const space = orthonormal(changes(reference));
  const middle = mean(reference.values);
  const spread = Math.max(Math.sqrt(mean(reference.values.map((value) => (value - middle) ** 2))), c.LEAST_CONTRAST);
  const left = pictures.map(({ values, ...size }) => {
    const rest = Float64Array.from(values);
    for (const axis of space) {
      const along = dot(values, axis);
      for (let i = 0; i < rest.length; i += 1) rest[i] -= along * axis[i];
    }
    return { ...size, values: rest.map((value) => value / spread) };
  });
  const count = Math.max(1, left.length - c.AVERAGED_SLOTS + 1);
  const patches = Array.from({ length: count }, (_, first) =>
    largestPatch(meanOf(left.slice(first, first + c.AVERAGED_SLOTS))),
  );
  return Math.max(...patches);
}

/** The largest mean of 3 x 3 cells that lie inside. */
function largestPatch({ width, height, values }) {
  let most = 0;
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      let sum = 0;
      for (let row = y - 1; row <= y + 1; row += 1) {
        for (let column = x - 1; column <= x + 1; column += 1) sum += values[row * width + column];
      }
      most = Math.max(most, Math.abs(sum / 9));
    }
  }
  return most;
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** How a picture changes: shift, scale, turn, light, contrast, sharpness. */
function changes({ width, height, values }) {
  const at = (x, y) => values[y * width + x];
  const slope = (low, high, steps) => (high - low) / steps;
  const reflect = (value, length) => (value < 0 ? -value : value >= length ? 2 * length - 2 - value : value);
  const columns = Array.from({ length: 7 }, () => new Float64Array(width * height));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const i = y * width + x;
      const [left, right] = [Math.max(0, x - 1), Math.min(width - 1, x + 1)];
      const [up, down] = [Math.max(0, y - 1), Math.min(height - 1, y + 1)];
      const across = slope(at(left, y), at(right, y), right - left);
      const along = slope(at(x, up), at(x, down), down - up);
      const fromX = x - (width - 1) / 2;
      const fromY = y - (height - 1) / 2;
      columns[0][i] = across;
      columns[1][i] = along;
      columns[2][i] = fromX * across + fromY * along;
      columns[3][i] = fromX * along - fromY * across;
      columns[4][i] = 1;
      columns[5][i] = at(x, y);
      columns[6][i] =
        at(reflect(x - 1, width), y) +
        at(reflect(x + 1, width), y) +
        at(x, reflect(y - 1, height)) +
        at(x, reflect(y + 1, height)) -
        4 * at(x, y);
    }
  }
  return columns;
}

function orthonormal(columns) {
  const axes = [];
  for (const column of columns) {
    let rest = Float64Array.from(column);
    for (let round = 0; round < 2; round += 1) {
      // twice, for the sake of rounding
      for (const axis of axes) {
        const along = dot(rest, axis);
        rest = rest.map((value, i) => value - along * axis[i]);
      }
    }
    const length = Math.sqrt(dot(rest, rest));
    if (length > 1e-9 * Math.max(1, Math.sqrt(dot(column, column)))) axes.push(rest.map((value) => value / length));
  }
  return axes;
}

/** The part from brow to chin as grey cells, rounded as OpenCV does. */
function small(crop, { FACE_PX: [left, top, right, bottom], CELL_PX: cell }) {
  const [width, height] = [(right - left) / cell, (bottom - top) / cell];
  const values = new Float64Array(width * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      for (let row = top + y * cell; row < top + (y + 1) * cell; row += 1) {
        for (let column = left + x * cell; column < left + (x + 1) * cell; column += 1) {
          const at = (row * CROP_PX + column) * 3;
          sum += (crop[at] * 9798 + crop[at + 1] * 19235 + crop[at + 2] * 3735 + 16384) >> 15;
        }
      }
      values[y * width + x] = roundHalfEven(sum / (cell * cell));
    }
  }
  return { width, height, values };
}
