// SPDX-License-Identifier: Apache-2.0
// Asks the kit's face graphs about one picture {data: Uint8Array (height * width * 3), width, height}: which faces are
// in it, what is to be seen where a face is expected, and the crops of faces. As cad/faces/finder.py.

import { heightOf, isAmong } from './overlap.mjs';

export const CROP_PX = 160;
export const CROP_BYTES = CROP_PX * CROP_PX * 3;
/** A depth of the search that leaves no size out. */
export const EVERY_SIZE = 16;
/** Side of the small grey picture by which a face is known again. */
const APPEARANCE_PX = 24;

export class FaceLooks {
  /**
   * @param {Function} run runs a graph by name
   * @param {object} c constants of the kit's part `faces`
   */
  constructor(run, c) {
    this.run = run;
    this.c = c;
  }

  async coarse(picture) {
    return (await this.run('picture_coarse', { picture: tensorOf(picture) })).coarse;
  }

  /** Returns for each place (five points) the face there, or null where none is seen surely enough. */
  async refine(picture, places, leastScore) {
    if (!places.length) return [];
    const feeds = { picture: tensorOf(picture), points: pointsTensor(places) };
    const seen = await this.run('face_look', feeds);
    return places.map((_, i) => {
      const face = faceAt(seen.points_seen.data, seen.boxes.data, seen.scores.data, i);
      return face.score >= leastScore && isShape(face.points) ? face : null;
    });
  }

  /** Returns the aligned crops (Uint8Array each) of the faces with these points. */
  async crops(picture, places) {
    if (!places.length) return [];
    const { crops } = await this.run('face_crop', { picture: tensorOf(picture), points: pointsTensor(places) });
    return places.map((_, i) => crops.data.slice(i * CROP_BYTES, (i + 1) * CROP_BYTES));
  }

  async appearance(picture, face) {
    const [crop] = await this.crops(picture, [face.points]);
    return smallGrey(crop);
  }

  /**
   * Returns the faces of a picture beside those that are known, largest first.
   * @param {number} depth how many sizes may be tried; a larger one is when a smaller shows no face or only small ones
   */
  async find(picture, depth, known) {
    const everySize = depth === EVERY_SIZE;
    const longest = Math.max(picture.width, picture.height);
    let found = [];
    for (const side of this.#sides(longest, depth)) {
      const fresh = await this.#search(picture, side);
      found = [...found, ...fresh.filter((face) => !isAmong(face, [...known, ...found]))];
      const scale = Math.min(1, side / longest);
      const large = [...known, ...found].some((face) => heightOf(face) * scale >= this.c.SMALL_FACE_PX);
      if (!everySize && large) break;
    }
    if (!found.length && !known.length) found = await this.#filling(picture);
    if (!found.length && !known.length && everySize) found = await this.#lying(picture);
    return found.sort((a, b) => heightOf(b) - heightOf(a));
  }

  /** The long sides at which a picture is searched, none larger than what comes next after the picture itself. */
  #sides(longest, depth) {
    const sides = [...this.c.LONG_SIDES_PX];
    while (sides[sides.length - 1] < this.c.ENOUGH_SCALE * longest) sides.push(2 * sides[sides.length - 1]);
    const tried = sides.slice(0, Math.max(1, depth));
    const enough = tried.findIndex((side) => side >= longest);
    return enough < 0 ? tried : tried.slice(0, enough + 1);
  }

  async #search(picture, side) {
    const feeds = { picture: tensorOf(picture), long_side: { data: BigInt64Array.of(BigInt(side)), dims: [] } };
    const seen = await this.run('face_find', feeds);
    return Array.from(seen.scores.data, (_, i) => faceAt(seen.points.data, seen.boxes.data, seen.scores.data, i));
  }

  /** Returns the face that fills a picture, which the net sees whole only from afar and with room around it. */
  async #filling(picture) {
    const margin = Math.round(this.c.MARGIN * Math.max(picture.width, picture.height));
    const wide = withMargin(picture, margin);
    return (await this.#search(wide, this.c.FILLING_SIDE_PX)).map((face) => moved(face, -margin));
  }

  /** Returns the faces of a picture that lies on its side or head, as turned phones and cameras leave it. */
  async #lying(picture) {
    const longest = Math.max(picture.width, picture.height);
    for (const quarters of [1, 3, 2]) {
      const upright = turned(picture, quarters);
      const found = [];
      for (const side of this.#sides(longest, 2)) {
        const sure = (await this.#search(upright, side)).filter((face) => face.score >= this.c.LYING_SCORE);
        found.push(...sure.filter((face) => !isAmong(face, found)));
      }
      if (found.length) return found.map((face) => turnedBack(face, quarters, picture));
    }
    return [];
  }
}

const tensorOf = ({ data, width, height }) => ({ data, dims: [height, width, 3] });

function pointsTensor(places) {
  const data = new Float32Array(places.length * 10);
  places.forEach((points, i) => data.set(points, i * 10));
  return { data, dims: [places.length, 5, 2] };
}

function faceAt(points, boxes, scores, i) {
  return {
    points: Float64Array.from(points.subarray(i * 10, (i + 1) * 10)),
    box: [...boxes.subarray(i * 4, (i + 1) * 4)],
    score: scores[i],
  };
}

/** Says whether five points can be aligned at all. */
function isShape(points) {
  const span = [0, 1].map((axis) => {
    const values = [...points].filter((_, i) => i % 2 === axis);
    return Math.max(...values) - Math.min(...values);
  });
  return points.every(Number.isFinite) && Math.max(...span) > 1;
}

function moved(face, by) {
  return { ...face, points: face.points.map((value) => value + by), box: face.box.map((value) => value + by) };
}

function withMargin({ data, width, height }, margin) {
  const across = width + 2 * margin;
  const wide = { data: new Uint8Array(across * (height + 2 * margin) * 3), width: across, height: height + 2 * margin };
  for (let row = 0; row < height; row += 1) {
    const line = data.subarray(row * width * 3, (row + 1) * width * 3);
    wide.data.set(line, ((row + margin) * across + margin) * 3);
  }
  return wide;
}

/** Returns a picture turned by so many quarters, against the clock. */
function turned({ data, width, height }, quarters) {
  const size = quarters % 2 ? [height, width] : [width, height];
  const out = new Uint8Array(data.length);
  for (let y = 0; y < size[1]; y += 1) {
    for (let x = 0; x < size[0]; x += 1) {
      const [fromX, fromY] = placeBack(x, y, quarters, width, height);
      const from = (fromY * width + fromX) * 3;
      out.set(data.subarray(from, from + 3), (y * size[0] + x) * 3);
    }
  }
  return { data: out, width: size[0], height: size[1] };
}

function placeBack(x, y, quarters, width, height) {
  if (quarters === 1) return [width - 1 - y, x];
  return quarters === 2 ? [width - 1 - x, height - 1 - y] : [y, height - 1 - x];
}

function turnedBack(face, quarters, { width, height }) {
  const back = (x, y) => placeBack(x, y, quarters, width, height);
  const points = new Float64Array(10);
  for (let i = 0; i < 10; i += 2) points.set(back(face.points[i], face.points[i + 1]), i);
  const [[x0, y0], [x1, y1]] = [back(face.box[0], face.box[1]), back(face.box[2], face.box[3])];
  const box = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  return { points, box, score: face.score };
}

/** Returns the mean grey of the cells of a crop, Float32Array (24 * 24). */
function smallGrey(crop) {
  const side = CROP_PX / APPEARANCE_PX;
  const small = new Float32Array(APPEARANCE_PX * APPEARANCE_PX);
  const share = (pixel, cell) => Math.min(pixel + 1, (cell + 1) * side) - Math.max(pixel, cell * side);
  for (let y = 0; y < APPEARANCE_PX; y += 1) {
    for (let x = 0; x < APPEARANCE_PX; x += 1) {
      let sum = 0;
      for (let row = Math.floor(y * side); row < (y + 1) * side - 1e-9; row += 1) {
        for (let column = Math.floor(x * side); column < (x + 1) * side - 1e-9; column += 1) {
          const at = (row * CROP_PX + column) * 3;
          const grey = 0.299 * crop[at] + 0.587 * crop[at + 1] + 0.114 * crop[at + 2];
          sum += grey * share(row, y) * share(column, x);
        }
      }
      small[y * APPEARANCE_PX + x] = sum / (side * side);
    }
  }
  return small;
}
