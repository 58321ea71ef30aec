// SPDX-License-Identifier: Apache-2.0
// Tells whether a face is a photograph: whether it never moves in all the time that it is seen, however the picture is
// moved, sized, turned, lit, contrasted or sharpened. As cad/faces/stillness.py.

import { CROP_PX } from './looks.mjs';

const [LEFT, TOP, RIGHT, BOTTOM] = [36, 36, 124, 132];
const CELL_PX = 4;
const WIDTH = (RIGHT - LEFT) / CELL_PX;
const HEIGHT = (BOTTOM - TOP) / CELL_PX;
const PIXELS = WIDTH * HEIGHT;
const BLOCK_SLOTS = 50;
const LEAST_BLOCK_SLOTS = 20;
const SETTLING_SLOTS = 8;
const LEAST_SLOTS = 100;
const LEAST_MOTION = 0.16;
const BLOCKS_A_GLITCH = 10;
const LEAST_CONTRAST = 4;
const AVERAGED_SLOTS = 3;

export class Stillness {
  constructor() {
    this.settling = SETTLING_SLOTS;
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
    } else if (this.moving <= 2) { // else nothing that may come makes it a photograph's, but for hours of it
      this.waiting.push(small(crop));
      if (this.waiting.length === BLOCK_SLOTS) this.#measure();
    }
  }

  /** To be asked at the track's end. */
  isFrozen() {
    if (this.waiting.length >= LEAST_BLOCK_SLOTS) this.#measure();
    return this.slots >= LEAST_SLOTS && this.blocks > 0 && this.moving * BLOCKS_A_GLITCH <= this.blocks;
  }

  #measure() {
    const block = this.waiting;
    this.waiting = [];
    const middle = meanOf(block);
    let motion = motionOf(block, middle);
    if (this.first === null) this.first = middle;
    else motion = Math.max(motion, motionOf([middle], this.first));
    this.blocks += 1;
    if (motion > LEAST_MOTION) this.moving += 1;
  }
}

function meanOf(pictures) {
  return Float64Array.from({ length: PIXELS }, (_, i) => (
    pictures.reduce((sum, picture) => sum + picture[i], 0) / pictures.length));
}

/** The largest departure of any patch of any picture from the reference, in standard deviations of that. */
function motionOf(pictures, reference) {
  const space = orthonormal(changes(reference));
  const middle = reference.reduce((sum, value) => sum + value, 0) / PIXELS;
  const spread = Math.sqrt(reference.reduce((sum, value) => sum + (value - middle) ** 2, 0) / PIXELS);
  const left = pictures.map((picture) => {
    const rest = Float64Array.from(picture);
    for (const axis of space) {
      const along = dot(picture, axis);
      for (let i = 0; i < PIXELS; i += 1) rest[i] -= along * axis[i];
    }
    return rest.map((value) => value / Math.max(spread, LEAST_CONTRAST));
  });
  let most = 0;
  const count = Math.max(1, left.length - AVERAGED_SLOTS + 1);
  for (let first = 0; first < count; first += 1) {
    const averaged = meanOf(left.slice(first, first + AVERAGED_SLOTS));
    for (let y = 1; y < HEIGHT - 1; y += 1) {
      for (let x = 1; x < WIDTH - 1; x += 1) {
        let sum = 0;
        for (let dy = -1; dy <= 1; dy += 1) {
          for (let dx = -1; dx <= 1; dx += 1) sum += averaged[(y + dy) * WIDTH + x + dx];
        }
        most = Math.max(most, Math.abs(sum / 9));
      }
    }
  }
  return most;
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** How a picture changes: shift, scale, turn, light, contrast, sharpness. */
function changes(picture) {
  const at = (x, y) => picture[y * WIDTH + x];
  const slope = (low, high, steps) => (high - low) / steps;
  const reflect = (value, length) => (value < 0 ? -value : value >= length ? 2 * length - 2 - value : value);
  const columns = Array.from({ length: 7 }, () => new Float64Array(PIXELS));
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      const i = y * WIDTH + x;
      const [left, right] = [Math.max(0, x - 1), Math.min(WIDTH - 1, x + 1)];
      const [up, down] = [Math.max(0, y - 1), Math.min(HEIGHT - 1, y + 1)];
      const across = slope(at(left, y), at(right, y), right - left);
      const along = slope(at(x, up), at(x, down), down - up);
      const fromX = x - (WIDTH - 1) / 2;
      const fromY = y - (HEIGHT - 1) / 2;
      columns[0][i] = across;
      columns[1][i] = along;
      columns[2][i] = fromX * across + fromY * along;
      columns[3][i] = fromX * along - fromY * across;
      columns[4][i] = 1;
      columns[5][i] = at(x, y);
      columns[6][i] = at(reflect(x - 1, WIDTH), y) + at(reflect(x + 1, WIDTH), y)
        + at(x, reflect(y - 1, HEIGHT)) + at(x, reflect(y + 1, HEIGHT)) - 4 * at(x, y);
    }
  }
  return columns;
}

function orthonormal(columns) {
  const axes = [];
  for (const column of columns) {
    let rest = Float64Array.from(column);
    for (let round = 0; round < 2; round += 1) { // twice, for the sake of rounding
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
function small(crop) {
  const cells = new Float64Array(PIXELS);
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      let sum = 0;
      for (let row = TOP + y * CELL_PX; row < TOP + (y + 1) * CELL_PX; row += 1) {
        for (let column = LEFT + x * CELL_PX; column < LEFT + (x + 1) * CELL_PX; column += 1) {
          const at = (row * CROP_PX + column) * 3;
          sum += (crop[at] * 9798 + crop[at + 1] * 19235 + crop[at + 2] * 3735 + 16384) >> 15;
        }
      }
      cells[y * WIDTH + x] = Math.round(sum / (CELL_PX * CELL_PX));
    }
  }
  return cells;
}
