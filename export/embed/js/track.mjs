// SPDX-License-Identifier: Apache-2.0
// One person within one shot: sightings at some slots, and states at those between. As cad/faces/track.py.

import { likeness } from './numbers.mjs';
import { between, smoothAt } from './smooth.mjs';

export class FaceTrack {
  /**
   * @param {number} slot where it is first seen
   * @param {object} face what is seen there
   * @param {Float32Array} appearance the face as a small grey picture
   * @param {object} c constants of the kit's part `faces`
   */
  constructor(slot, face, appearance, c) {
    this.c = c;
    this.trackId = null;
    this.firstSlot = slot;
    this.slots = [];
    this.faces = [];
    this.appearance = appearance;
    this.appearanceSlot = slot;
    this.see(slot, face);
  }

  get lastSlot() {
    return this.slots[this.slots.length - 1];
  }

  get last() {
    return this.faces[this.faces.length - 1];
  }

  /** Adds a sighting in its place by time; it replaces one at the same slot. */
  see(slot, face) {
    let index = this.slots.length;
    while (index > 0 && this.slots[index - 1] >= slot) index -= 1;
    const known = this.slots[index] === slot;
    this.slots.splice(index, known ? 1 : 0, slot);
    this.faces.splice(index, known ? 1 : 0, face);
  }

  /** Follows the picture to another size. */
  rescale(across, down) {
    this.faces = this.faces.map((face) => rescaled(face, across, down));
  }

  /** Whether the remembered appearance is due to follow the face as it turns. */
  wantsAppearance(slot) {
    return slot >= this.appearanceSlot + this.c.APPEARANCE_STEP;
  }

  rememberAppearance(slot, appearance) {
    this.appearanceSlot = slot;
    this.appearance = this.appearance.map((value, i) => 0.7 * value + 0.3 * appearance[i]);
  }

  looksLike(appearance) {
    return likeness(this.appearance, appearance) >= this.c.SAME_APPEARANCE;
  }

  /** Returns where the points should be: moved on for a moment as between the last two sightings. */
  expectedPoints(slot) {
    const { points } = this.last;
    const ago = slot - this.lastSlot;
    let index = this.slots.length - 2;
    // Sightings may lie close together where the face was looked at in between; a speed needs some distance.
    while (index > 0 && this.lastSlot - this.slots[index] < ago) index -= 1;
    if (index < 0) return points;
    const gap = this.lastSlot - this.slots[index];
    if (gap > this.c.BRIDGE_SLOTS || ago > 2 * gap) return points;
    // Only the face as a whole is moved on, because the motion of its parts is too noisy for that.
    const before = this.faces[index].points;
    const { fround } = Math;
    const step = [0, 1].map((axis) => {
      let sum = 0;
      for (let i = axis; i < 10; i += 2) sum = fround(sum + fround(points[i] - before[i]));
      return fround(fround(sum / 5) * fround(ago / gap));
    });
    return points.map((value, i) => fround(value + step[i % 2]));
  }

  /** Says whether the face is there at a slot: seen, or between two near sightings. */
  presentAt(slot) {
    const after = this.slots.findIndex((one) => one >= slot);
    if (after < 0) return false;
    if (this.slots[after] === slot) return true;
    return after > 0 && this.slots[after] - this.slots[after - 1] <= this.c.BRIDGE_SLOTS;
  }

  /** Returns box, smoothed points and score at a slot at which the face is present. */
  stateAt(slot) {
    const reach = this.c.REACH_SLOTS;
    const [start, stop] = this.#around(slot);
    const slots = this.slots.slice(start, stop);
    const values = this.faces.slice(start, stop).map((face) => [...face.points, ...face.box]);
    const known = [];
    const last = Math.min(slots[slots.length - 1], slot + reach);
    for (let one = Math.max(slots[0], slot - reach); one <= last; one += 1) known.push(one);
    const lines = known.map((one) => between(slots, values, one));
    const smooth = smoothAt(known, lines, slot, this.c);
    return { points: Float64Array.from(smooth.slice(0, 10)), box: smooth.slice(10), score: 0 };
  }

  /** Drops the sightings on which no slot from `slot` on depends. */
  forgetBefore(slot) {
    while (this.slots.length > 2 && this.slots[1] < slot - this.c.REACH_SLOTS) {
      this.slots.shift();
      this.faces.shift();
    }
  }

  /** Returns from which to which sighting no gap separates them from `slot`. */
  #around(slot) {
    const reach = this.c.REACH_SLOTS;
    const joined = (index) => this.slots[index + 1] - this.slots[index] <= this.c.BRIDGE_SLOTS;
    let stop = this.slots.length;
    while (stop > 0 && this.slots[stop - 1] > slot) stop -= 1;
    let start = stop - 1;
    while (start > 0 && joined(start - 1) && this.slots[start] > slot - reach) start -= 1;
    while (stop < this.slots.length && joined(stop - 1) && this.slots[stop - 1] < slot + reach) stop += 1;
    return [start, stop];
  }
}

/** Returns a face as it lies in the same picture at another size; pixel centres are whole numbers in both. */
export function rescaled(face, across, down) {
  const factors = [across, down];
  const scale = (value, i) => Math.fround((value + 0.5) * factors[i % 2] - 0.5);
  return { points: Float64Array.from(face.points, scale), box: [...face.box].map(scale), score: face.score };
}
