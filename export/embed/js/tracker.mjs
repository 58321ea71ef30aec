// SPDX-License-Identifier: Apache-2.0
// Gives the aligned crops of every face, a moment after the pictures were pushed. As cad/faces/tracker.py and
// cad/faces/outbox.py. At most the pictures of the last ten slots are held.

import { FRAME_RATE_HZ } from './grid.mjs';
import { CutDetector } from './cuts.mjs';
import { FaceLooks } from './looks.mjs';
import { Shot } from './shot.mjs';

/** Crops are given out once a second: so tracks that begin together are numbered as in the package. */
const HAND_OUT_SLOTS = FRAME_RATE_HZ;

export class FaceTracker {
  constructor(run, c, isStill) {
    this.c = c;
    this.looks = new FaceLooks(run, c);
    this.cuts = new CutDetector(c);
    this.held = new Map();
    this.mostFaces = isStill ? c.MAX_STILL_FACES : c.MAX_FACES;
    this.shot = this.#newShot();
    this.waiting = new Map(); // by track what was not given out yet: {seen: [{slot, crop, box}], count, closed}
    this.numbered = 0;
    this.nextSlot = 0;
    this.lastSlot = null;
    this.size = null;
    this.pictures = 0;
    this.leftOut = 0;
  }

  /** Takes a picture for `count` slots from `firstSlot` on; returns crops: [{trackId, seen: [{slot, crop, box}]}]. */
  async push({ firstSlot, count, picture }) {
    const before = this.nextSlot;
    if (firstSlot > this.nextSlot + this.c.LOST_SLOTS) {
      await this.#endShot();
      this.nextSlot = firstSlot;
    }
    for (let slot = this.nextSlot; slot < firstSlot + count; slot += 1) {
      if (slot >= firstSlot) await this.#take(slot, picture);
      await this.#cropUntil(slot - this.c.LAG_SLOTS + 1);
      this.shot.retire(slot).forEach((track) => this.#close(track));
    }
    this.nextSlot = firstSlot + count;
    const isDue = Math.floor(before / HAND_OUT_SLOTS) !== Math.floor(this.nextSlot / HAND_OUT_SLOTS);
    return isDue ? this.#collect(this.c.MIN_TRACK_SLOTS) : [];
  }

  /** Ends the file and returns all crops that are left. */
  async flush() {
    await this.#endShot();
    // In a still picture or a file shorter than the shortest useful track, a face in most of it is useful.
    return this.#collect(Math.min(this.c.MIN_TRACK_SLOTS, Math.max(1, this.pictures >> 1)));
  }

  async #take(slot, picture) {
    const last = this.size;
    this.size = picture;
    if (this.cuts.push(await this.looks.coarse(picture), picture)) {
      await this.#endShot();
    } else if (last !== null && (last.width !== picture.width || last.height !== picture.height)) {
      await this.#changeSize(last, picture);
    }
    this.pictures += 1;
    const before = this.lastSlot === null ? undefined : this.held.get(this.lastSlot);
    this.lastSlot = slot;
    this.held.set(slot, picture);
    await this.shot.push(slot, picture, before !== undefined && isSame(before, picture));
  }

  async #endShot() {
    await this.shot.close();
    await this.#cropUntil(Infinity);
    this.shot.tracks.forEach((track) => this.#close(track));
    this.leftOut = Math.max(this.leftOut, this.shot.leftOut);
    this.shot = this.#newShot();
  }

  async #changeSize(last, size) {
    await this.shot.close();
    await this.#cropUntil(Infinity);
    this.shot.rescale(size.width / last.width, size.height / last.height);
  }

  #newShot() {
    return new Shot(this.looks, this.held, this.mostFaces, this.c);
  }

  /** Makes the crops of all slots before `stop` and lets go of their pictures. */
  async #cropUntil(stop) {
    for (const [slot, picture] of [...this.held]) {
      if (slot >= stop) return;
      this.held.delete(slot);
      const tracks = this.shot.tracks.filter((track) => track.presentAt(slot));
      const states = tracks.map((track) => track.stateAt(slot));
      const crops = await this.looks.crops(
        picture,
        states.map((state) => state.points),
      );
      tracks.forEach((track, i) => this.#add(track, { slot, crop: crops[i], box: states[i].box }));
      this.shot.tracks.forEach((track) => track.forgetBefore(slot));
    }
  }

  #add(track, seen) {
    if (!this.waiting.has(track)) this.waiting.set(track, { seen: [], closed: false });
    this.waiting.get(track).seen.push(seen);
  }

  #close(track) {
    const waiting = this.waiting.get(track);
    if (waiting) waiting.closed = true;
  }

  #collect(minSlots) {
    const ready = [];
    for (const [track, waiting] of [...this.waiting].sort((a, b) => a[0].firstSlot - b[0].firstSlot)) {
      if (track.trackId === null && waiting.seen.length >= minSlots) {
        track.trackId = this.numbered;
        this.numbered += 1;
      }
      if (track.trackId !== null && waiting.seen.length) {
        ready.push({ trackId: track.trackId, seen: waiting.seen });
        waiting.seen = [];
      }
      if (waiting.closed) this.waiting.delete(track);
    }
    return ready;
  }
}

/** Says whether two pictures are the same, pixel by pixel. */
function isSame(one, other) {
  if (one === other) return true;
  if (one.width !== other.width || one.height !== other.height) return false;
  const { data } = one;
  for (let step = 997; step > 0; step = step === 997 ? 1 : 0) {
    // most differ in the first few that are compared
    for (let i = 0; i < data.length; i += step) if (data[i] !== other.data[i]) return false;
  }
  return true;
}
