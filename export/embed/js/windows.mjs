// SPDX-License-Identifier: Apache-2.0
// Cuts what the model sees: windows of a short stretch of one face and the sound of the same slots. As cad/windows.py.

import { FRAME_RATE_HZ, SAMPLES_PER_SLOT } from './grid.mjs';
import { runsOf } from './runs.mjs';

/** A track whose crops stop for longer than this is cut in two: the gap would fill most of a window. */
const MAX_GAP_SLOTS = FRAME_RATE_HZ;

export class WindowCutter {
  /**
   * @param {{samples: Float32Array, speech: Uint8Array}|null} sound on the grid
   * @param {object} spec the kit's ModelSpec
   * @param {number} minSlots shortest window that the model can judge
   */
  constructor(sound, spec, minSlots) {
    this.sound = sound;
    this.windowSlots = spec.window_frames;
    this.hopSlots = spec.hop_frames;
    this.minSlots = minSlots;
    this.open = new Map(); // by track {firstSlot, crops: [Uint8Array|null], lastWindow}
    this.covered = new Uint8Array(sound === null ? 0 : sound.speech.length);
  }

  /** Takes the next crops of one track and returns the windows that they complete. */
  push({ trackId, seen }) {
    const windows = [];
    for (const { slot, crop } of seen) {
      let track = this.open.get(trackId);
      if (track && slot - stopOf(track) > MAX_GAP_SLOTS) {
        windows.push(...this.#close(trackId));
        track = undefined;
      }
      if (!track) {
        track = { firstSlot: slot, crops: [], lastWindow: null };
        this.open.set(trackId, track);
      }
      while (stopOf(track) < slot) track.crops.push(null);
      track.crops.push(crop);
      windows.push(...this.#cutFull(trackId, track));
    }
    return windows;
  }

  /** Takes note that no crop of a slot before `slot` will come; returns the windows of tracks that have ended. */
  advance(slot) {
    const done = [...this.open].filter(([, track]) => stopOf(track) + MAX_GAP_SLOTS < slot);
    return done.flatMap(([trackId]) => this.#close(trackId));
  }

  /** Yields the windows at the end of every open track, then those of sound that no face went with. */
  *flush() {
    for (const trackId of [...this.open.keys()].sort((a, b) => a - b)) yield* this.#close(trackId);
    if (this.sound !== null) yield* this.#soundAlone();
  }

  #cutFull(trackId, track) {
    const windows = [];
    for (;;) {
      const start = track.lastWindow === null ? track.firstSlot : track.lastWindow + this.hopSlots;
      if (start + this.windowSlots > stopOf(track)) return windows;
      track.crops.splice(0, start - track.firstSlot);
      track.firstSlot = start;
      track.lastWindow = start;
      windows.push(this.#cut(trackId, track, start, start + this.windowSlots));
    }
  }

  #close(trackId) {
    const track = this.open.get(trackId);
    this.open.delete(trackId);
    const stop = stopOf(track);
    if (track.lastWindow === null) {
      return track.crops.length >= this.minSlots ? [this.#cut(trackId, track, track.firstSlot, stop)] : [];
    }
    return track.lastWindow + this.windowSlots === stop
      ? []
      : [this.#cut(trackId, track, stop - this.windowSlots, stop)];
  }

  #cut(trackId, track, start, stop) {
    this.covered.fill(1, start, stop);
    const crops = track.crops.slice(start - track.firstSlot, stop - track.firstSlot);
    return { firstSlot: start, slots: stop - start, trackId, crops, ...this.#sound(start, stop) };
  }

  /** What is no speech is zeros. */
  #sound(start, stop) {
    const audio = new Float32Array((stop - start) * SAMPLES_PER_SLOT);
    const audioPresent = new Uint8Array(stop - start);
    for (let slot = start; this.sound !== null && slot < Math.min(stop, this.sound.speech.length); slot += 1) {
      if (this.sound.speech[slot]) {
        audioPresent[slot - start] = 1;
        const from = slot * SAMPLES_PER_SLOT;
        audio.set(this.sound.samples.subarray(from, from + SAMPLES_PER_SLOT), (slot - start) * SAMPLES_PER_SLOT);
      }
    }
    return { audio, audioPresent };
  }

  *#soundAlone() {
    const { speech } = this.sound;
    for (const [first, last] of runsOf(this.covered.map((one) => 1 - one))) {
      // Windows start where the speech starts, so that silence before it changes nothing at all.
      const spoken = [];
      for (let slot = first; slot < last; slot += 1) if (speech[slot]) spoken.push(slot);
      if (spoken.length < this.minSlots) continue;
      const stop = spoken[spoken.length - 1] + 1;
      for (const [start, end] of windowSpans(spoken[0], stop, this.windowSlots, this.hopSlots)) {
        const sound = this.#sound(start, end);
        if (sound.audioPresent.some(Boolean)) {
          yield {
            firstSlot: start,
            slots: end - start,
            trackId: null,
            crops: new Array(end - start).fill(null),
            ...sound,
          };
        }
      }
    }
  }
}

const stopOf = (track) => track.firstSlot + track.crops.length;

/** Returns the [start, stop) slots of the windows that cover [firstSlot, stopSlot). */
export function windowSpans(firstSlot, stopSlot, windowSlots, hopSlots) {
  if (stopSlot - firstSlot <= windowSlots) return [[firstSlot, stopSlot]];
  const starts = [];
  for (let start = firstSlot; start + windowSlots <= stopSlot; start += hopSlots) starts.push(start);
  if (starts[starts.length - 1] + windowSlots < stopSlot) starts.push(stopSlot - windowSlots);
  return starts.map((start) => [start, start + windowSlots]);
}
