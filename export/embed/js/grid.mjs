// SPDX-License-Identifier: Apache-2.0
// The clock: which decoded picture belongs to which slot of the 25 Hz grid, by time stamp and never by index.
// As cad/clock.py and cad/media/grid.py.

export const FRAME_RATE_HZ = 25;
export const SAMPLE_RATE_HZ = 16000;
export const SAMPLES_PER_SLOT = SAMPLE_RATE_HZ / FRAME_RATE_HZ;

/** Absorbs time stamps that were rounded to a container's millisecond clock. */
const STAMP_TOLERANCE_SLOTS = 1e-6;
const STAMP_ROUNDING_SECONDS = 0.001;
/** A picture stands for at most so long before and after its stamp, however slow the source says it is. */
const MAX_REACH_SECONDS = 0.1;
/** A stamp that leaps further ahead than this is believed only if the next one follows it. */
const SUSPECT_LEAP_SECONDS = 10;

export const slotOf = (seconds) => Math.floor(seconds * FRAME_RATE_HZ + STAMP_TOLERANCE_SLOTS);

/** How far from its stamp a picture may serve a slot: half a period of the source or half a slot, the longer. */
export function reachSeconds(fps) {
  const period = fps > 0 ? 1 / fps : 1 / FRAME_RATE_HZ;
  return Math.min(Math.max(period, 1 / FRAME_RATE_HZ) / 2, MAX_REACH_SECONDS) + STAMP_ROUNDING_SECONDS;
}

/**
 * The time of slot 0: the first instant at which either stream exists. Where the sound comes first, the grid begins a
 * whole number of slots before the picture, so that pictures at 25 a second lie on slots.
 * @param {number|null} video first time stamp of the picture in seconds, null without one
 * @param {number|null} audio likewise of the sound
 */
export function originSeconds(video, audio) {
  if (video === null) return audio ?? 0;
  const first = audio === null ? video : Math.min(video, audio);
  return video - slotOf(video - first) / FRAME_RATE_HZ;
}

/** Assigns each slot the nearest picture within reach, in one pass over pictures in order of presentation. */
export class FramePlacer {
  constructor(reach) {
    this.reach = reach;
    this.last = null;
    this.nextSlot = 0;
  }

  isLate(seconds) {
    return this.last !== null && seconds <= this.last;
  }

  /** Takes the time of the next picture; returns where the one before it goes ({firstSlot, count}), or null. */
  next(seconds) {
    const last = this.last;
    this.last = seconds;
    return last === null ? null : this.#place(last, Math.min(last + this.reach, (last + seconds) / 2));
  }

  end() {
    const last = this.last;
    this.last = null;
    return last === null ? null : this.#place(last, last + this.reach);
  }

  #place(seconds, until) {
    const first = Math.max(this.nextSlot, Math.ceil((seconds - this.reach) * FRAME_RATE_HZ - STAMP_TOLERANCE_SLOTS));
    const stop = Math.floor(until * FRAME_RATE_HZ + STAMP_TOLERANCE_SLOTS) + 1;
    if (stop <= first) return null;
    this.nextSlot = stop;
    return { firstSlot: first, count: stop - first };
  }
}

/** Drops a picture whose stamp leaps ahead if the next one does not follow it: one damaged stamp is no gap. */
async function* credible(stamped, endSeconds) {
  let last = null;
  let suspect = null;
  for await (const one of stamped) {
    if (suspect !== null) {
      if (one.seconds > suspect.seconds) {
        yield suspect;
        last = suspect.seconds;
      }
      suspect = null;
    }
    if (last !== null && one.seconds > last + SUSPECT_LEAP_SECONDS) {
      suspect = one;
      continue;
    }
    last = last === null ? one.seconds : Math.max(last, one.seconds);
    yield one;
  }
  if (suspect !== null && suspect.seconds <= endSeconds) yield suspect;
}

/**
 * Lays pictures out on the grid.
 * @param {AsyncIterable<{seconds: number, picture: object}>} stamped in order of presentation, grid time
 * @param {number} fps mean rate of the source, 0 where nothing states one
 * @param {number} endSeconds when the picture ends as far as is known, grid time
 * @yields {{firstSlot: number, count: number, picture: object}} only pictures that serve a slot
 */
export async function* placed(stamped, fps, endSeconds = -Infinity) {
  const placer = new FramePlacer(reachSeconds(fps));
  let held = null;
  for await (const { seconds, picture } of credible(stamped, endSeconds)) {
    if (placer.isLate(seconds)) continue;
    const place = placer.next(seconds);
    if (place !== null) yield { ...place, picture: held };
    held = picture;
  }
  const place = placer.end();
  if (place !== null) yield { ...place, picture: held };
}
