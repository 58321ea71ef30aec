// SPDX-License-Identifier: Apache-2.0
// What is remembered of every face once its crops have been scored. As cad/faces/track_book.py.

import { CROP_BYTES, CROP_PX } from './looks.mjs';
import { lipScore } from './lips.mjs';
import { median } from './numbers.mjs';
import { Stillness } from './stillness.mjs';

export class TrackBook {
  /** @param {object} c constants of the kit */
  constructor(run, c) {
    this.run = run;
    this.c = c;
    this.notes = new Map();
  }

  /** Notes what the next crops of a track show. */
  async note({ trackId, seen }) {
    if (!this.notes.has(trackId)) {
      const first = {
        firstSlot: seen[0].slot,
        heights: [],
        stillness: new Stillness(this.c.stillness),
        lipSlots: [],
        lips: [],
        last: null,
      };
      this.notes.set(trackId, { ...first, picture: seen[0].crop });
    }
    const notes = this.notes.get(trackId);
    for (const { box, crop } of seen) {
      notes.heights.push(Math.fround(box[3] - box[1]));
      notes.stillness.push(crop);
    }
    notes.stopSlot = seen[seen.length - 1].slot + 1;
    await this.#follow(notes, seen);
  }

  /** Measures the motion of the lips over every run of consecutive slots. */
  async #follow(notes, seen) {
    const all = notes.last === null ? seen : [notes.last, ...seen];
    notes.last = seen[seen.length - 1];
    let start = 0;
    for (let i = 1; i <= all.length; i += 1) {
      if (i < all.length && all[i].slot === all[i - 1].slot + 1) continue;
      if (i - start > 1) {
        const run = all.slice(start, i);
        const data = new Uint8Array(run.length * CROP_BYTES);
        run.forEach(({ crop }, n) => data.set(crop, n * CROP_BYTES));
        const { motion } = await this.run('lip_motion', { crops: { data, dims: [run.length, CROP_PX, CROP_PX, 3] } });
        notes.lips.push(...motion.data);
        notes.lipSlots.push(...run.slice(1).map(({ slot }) => slot));
      }
      start = i;
    }
  }

  /** Returns what is known of every track, by track. */
  summaries(loudness) {
    return [...this.notes]
      .sort((a, b) => a[0] - b[0])
      .map(([trackId, notes]) => ({
        trackId,
        firstSlot: notes.firstSlot,
        stopSlot: notes.stopSlot,
        seenSlots: notes.heights.length,
        heightPx: median(notes.heights),
        lips: lipScore(notes.lipSlots, notes.lips, loudness, this.c.lips),
        isFrozen: notes.stillness.isFrozen(),
        picture: notes.picture,
      }));
  }
}
