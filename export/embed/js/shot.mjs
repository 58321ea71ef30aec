// SPDX-License-Identifier: Apache-2.0
// The faces of one shot: seen at key slots by search and look, followed between. As cad/faces/shot.py.

import { EVERY_SIZE } from './looks.mjs';
import { heightOf, isAmong, match } from './overlap.mjs';
import { FaceTrack } from './track.mjs';

export class Shot {
  /**
   * @param {FaceLooks} looks asks the graphs
   * @param {Map<number, object>} held pictures of recent slots
   * @param {number} mostFaces how many faces are followed at a time
   * @param {object} c constants of the kit's part `faces`
   */
  constructor(looks, held, mostFaces, c) {
    this.looks = looks;
    this.held = held;
    this.mostFaces = mostFaces;
    this.c = c;
    this.givenUp = [];
    this.leftOut = 0;
    this.tracks = [];
    this.lastSlot = null;
    // Since when the picture that is shown now has been standing, and how deeply it has been searched.
    this.standingSlot = 0;
    this.searchedDepth = 0;
    this.lastLook = -Infinity;
    this.lastSearch = -Infinity;
    this.lastDeep = -Infinity;
    this.lastDeepest = -Infinity;
  }

  /** Takes the picture of the next slot that has one; `stands` says that it is the one before once more. */
  async push(slot, picture, stands) {
    this.lastSlot = slot;
    if (!stands) {
      this.standingSlot = slot;
      this.searchedDepth = 0;
    }
    const searching = slot - this.lastSearch >= this.c.SEARCH_STEP;
    if (searching || slot - this.lastLook >= this.c.LOOK_STEP) await this.#look(slot, picture, searching);
  }

  /** Looks at the last picture, so that nothing after the last look has to be guessed. */
  async close() {
    const slot = this.lastSlot;
    if (slot !== null && slot !== this.lastLook && this.held.has(slot))
      await this.#look(slot, this.held.get(slot), false);
  }

  /** Takes out and returns the tracks that have not been seen for a while. */
  retire(slot) {
    const isGone = (track) => slot - track.lastSlot > this.c.LOST_SLOTS;
    const gone = [...this.tracks.filter(isGone), ...this.givenUp];
    this.givenUp = [];
    this.tracks = this.tracks.filter((track) => !isGone(track));
    return gone;
  }

  rescale(across, down) {
    this.tracks.forEach((track) => track.rescale(across, down));
  }

  async #look(slot, picture, searching) {
    if (this.lastLook >= this.standingSlot) {
      await this.#lookAgain(slot, picture, searching);
      return;
    }
    this.lastLook = slot;
    const tracks = [...this.tracks];
    const places = tracks.map((track) => track.expectedPoints(slot));
    const seen = await this.looks.refine(picture, places, this.c.KNOWN_SCORE);
    const missed = [];
    const taken = [];
    for (const [i, track] of tracks.entries()) {
      const face = seen[i];
      if (face === null || isAmong(face, taken) || !(await this.#goesOn(track, slot, picture, face))) {
        missed.push(track);
      } else {
        taken.push(face);
        await this.#note(track, slot, picture, face);
      }
    }
    if (searching || missed.length) await this.#search(slot, picture, missed, this.#depth(slot, picture));
  }

  /** Takes what was seen of the picture before, since it still stands. */
  async #lookAgain(slot, picture, searching) {
    for (const track of this.tracks) if (track.lastSlot === this.lastLook) track.see(slot, track.last);
    this.lastLook = slot;
    if (!searching) return;
    const depth = this.#depth(slot, picture);
    if (depth > this.searchedDepth) await this.#search(slot, picture, [], depth);
  }

  /** Goes over the whole picture for the tracks that were missed where they were expected, and for new ones. */
  async #search(slot, picture, missed, depth) {
    this.lastSearch = slot;
    this.searchedDepth = Math.max(depth, this.searchedDepth);
    const seenNow = this.tracks.filter((track) => track.lastSlot === slot).map((track) => track.last);
    const fresh = await this.looks.find(picture, depth, seenNow);
    const owners = match(
      missed.map((track) => track.last),
      fresh,
    );
    for (const [i, track] of missed.entries()) {
      const face = owners[i] === null ? null : fresh[owners[i]];
      if (face !== null && (await this.#goesOn(track, slot, picture, face))) {
        await this.#note(track, slot, picture, face);
        seenNow.push(face);
      }
    }
    const fresher = fresh.filter((face) => !isAmong(face, seenNow));
    this.leftOut = Math.max(this.leftOut, this.tracks.length + fresher.length - this.mostFaces);
    for (const face of fresher) {
      if (this.tracks.length < this.mostFaces || this.#givesWay(face)) {
        this.tracks.push(new FaceTrack(slot, face, await this.looks.appearance(picture, face), this.c));
      }
    }
  }

  /** Gives up the track of the smallest face for a new one, if that is much larger. */
  #givesWay(face) {
    const smallest = this.tracks.reduce((a, b) => (heightOf(b.last) < heightOf(a.last) ? b : a));
    if (heightOf(face) < this.c.MUCH_LARGER * heightOf(smallest.last)) return false;
    this.tracks = this.tracks.filter((track) => track !== smallest);
    this.givenUp.push(smallest);
    return true;
  }

  /** Returns how many sizes the search may try: all of them at first and now and then, else only the cheapest. */
  #depth(slot, picture) {
    const scale = Math.min(1, this.c.LONG_SIDES_PX[0] / Math.max(picture.width, picture.height));
    const large = this.tracks.some((track) => heightOf(track.last) * scale >= this.c.SMALL_FACE_PX);
    if (slot - this.lastDeepest >= (large ? this.c.BESIDE_STEP : this.c.DEEPEST_STEP)) {
      this.lastDeep = slot;
      this.lastDeepest = slot;
      return EVERY_SIZE;
    }
    if (large || slot - this.lastDeep < this.c.DEEP_STEP) return 1;
    this.lastDeep = slot;
    return 2;
  }

  async #goesOn(track, slot, picture, face) {
    if (slot - track.lastSlot <= this.c.LOOK_STEP) return true;
    return track.looksLike(await this.looks.appearance(picture, face));
  }

  async #note(track, slot, picture, face) {
    const before = track.lastSlot;
    const old = track.last;
    const expected = track.expectedPoints(slot);
    track.see(slot, face);
    if (track.wantsAppearance(slot)) track.rememberAppearance(slot, await this.looks.appearance(picture, face));
    if (slot - before <= this.c.BRIDGE_SLOTS && apart(expected, face.points) > this.c.UNEVEN) {
      await this.#fill(track, before, old, slot, face);
    }
  }

  /** Looks halfway between two sightings, and again in each half where the line between them is off. */
  async #fill(track, start, first, stop, last) {
    const middle = (start + stop) >> 1;
    if (middle === start || !this.held.has(middle)) return;
    const guess = first.points.map((value, i) => Math.fround((value + last.points[i]) / 2));
    const [face] = await this.looks.refine(this.held.get(middle), [guess], this.c.KNOWN_SCORE);
    if (face === null) return;
    track.see(middle, face);
    if (apart(guess, face.points) > this.c.LINE_OFF) {
      await this.#fill(track, start, first, middle, face);
      await this.#fill(track, middle, face, stop, last);
    }
  }
}

/** Returns the mean distance of the points from the others, in eye distances (of the wider of both). */
function apart(points, others) {
  const eyes = Math.max(...[points, others].map((five) => Math.hypot(five[2] - five[0], five[3] - five[1])));
  let sum = 0;
  for (let i = 0; i < 10; i += 2) sum += Math.hypot(points[i] - others[i], points[i + 1] - others[i + 1]);
  return sum / 5 / Math.max(eyes, 1e-6);
}
