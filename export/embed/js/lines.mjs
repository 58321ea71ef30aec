// SPDX-License-Identifier: Apache-2.0
// Lays overlapping windows back onto the grid: one value a slot, NaN where nothing was scored. A line is
// {first, values: Float64Array}. As cad/verdict/timeline.py.

import { meanOfKnown } from './numbers.mjs';

/** In which slots of a window a head had something to look at. */
function evidenceSlots(score, head) {
  const video = (slot) => score.hasVideo && score.framesPresent[slot];
  const audio = (slot) => score.hasAudio && score.audioPresent[slot];
  if (head === 'video') return video;
  if (head === 'audio') return audio;
  // Synchrony is judged over a window, not a slot: speech pauses are part of it as long as both streams are there.
  if (head === 'sync') return (slot) => video(slot) && score.hasAudio;
  return (slot) => video(slot) || audio(slot);
}

/** Returns the mean of `valueOf(score, slot)` over the windows that cover a slot and have evidence there. */
export function layOut(scores, head, valueOf) {
  const first = scores.reduce((low, score) => Math.min(low, score.firstSlot), scores.length ? Infinity : 0);
  const stop = scores.reduce((high, score) => Math.max(high, score.firstSlot + score.slots), first);
  const total = new Float64Array(stop - first);
  const count = new Float64Array(stop - first);
  for (const score of scores) {
    const there = evidenceSlots(score, head);
    for (let slot = 0; slot < score.slots; slot += 1) {
      if (there(slot)) {
        total[score.firstSlot - first + slot] += valueOf(score, slot);
        count[score.firstSlot - first + slot] += 1;
      }
    }
  }
  return { first, values: total.map((sum, i) => (count[i] ? sum / count[i] : NaN)) };
}

export const clipLine = (scores, head) => layOut(scores, head, (score) => score.logits[head]);

export const frameLine = (scores, stream) => layOut(scores, stream, (score, slot) => score.frameLogits[stream][slot]);

function gathered(lines, slots, choose) {
  const whole = new Float64Array(slots).fill(NaN);
  for (const { first, values } of lines) {
    values.forEach((value, i) => {
      if (!Number.isNaN(value))
        whole[first + i] = Number.isNaN(whole[first + i]) ? value : choose(whole[first + i], value);
    });
  }
  return whole;
}

export const highest = (lines, slots) => gathered(lines, slots, Math.max);

export const lowest = (lines, slots) => gathered(lines, slots, Math.min);

export const knownSlots = (line) => line.values.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : 1), 0);

/** How many of the lines have a value in every slot. */
export function facesIn(lines, slots) {
  const count = new Int32Array(slots);
  for (const { first, values } of lines)
    values.forEach((value, i) => {
      if (!Number.isNaN(value)) count[first + i] += 1;
    });
  return count;
}

/** Returns a line with every value replaced by the mean of all. */
export function levelled(line) {
  const middle = meanOfKnown(line.values);
  return { first: line.first, values: line.values.map((value) => (Number.isNaN(value) ? NaN : middle)) };
}

/** The moving average over `width` slots of what is known; NaN stays NaN. */
export function smoothed(values, width) {
  const half = width >> 1;
  return values.map((value, slot) =>
    Number.isNaN(value) ? NaN : meanOfKnown(values.subarray(Math.max(0, slot - half), slot + half + 1)),
  );
}

/** One line of frame logits a stream, over the whole file. */
export function streamLines(scores, slots) {
  const faces = [...byTrack(scores).values()];
  return {
    video: highest(
      faces.map((own) => frameLine(own, 'video')),
      slots,
    ),
    audio: highest([frameLine(scores, 'audio')], slots),
    sync: lowest(
      faces.map((own) => frameLine(own, 'sync')),
      slots,
    ),
  };
}

/** The windows of every face, by track in order. */
export function byTrack(scores) {
  const found = new Map();
  for (const score of scores) {
    if (score.trackId !== null) {
      if (!found.has(score.trackId)) found.set(score.trackId, []);
      found.get(score.trackId).push(score);
    }
  }
  return new Map([...found].sort((a, b) => a[0] - b[0]));
}
