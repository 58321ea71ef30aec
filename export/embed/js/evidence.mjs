// SPDX-License-Identifier: Apache-2.0
// Pools the windows of a file into the evidence that is calibrated: one raw logit a head, and one a face.
// As cad/verdict/aggregate.py and cad/verdict/stretches.py, where it is told why.

import { byTrack, clipLine, facesIn, highest, knownSlots, layOut, levelled, lowest } from './lines.mjs';
import { mean, meanOfKnown } from './numbers.mjs';

/** Sums over ten hours of logits are exact to this. */
const ROUNDING = 1e-9;

const worstOverTime = (lines, slots) => meanOfKnown(highest([...lines].map(levelled), slots));

/** The lines of the faces that move, or all if no face that moves has a value anywhere. */
function withoutFrozen(frozen, lines) {
  const moving = new Map([...lines].filter(([trackId]) => !frozen.has(trackId)));
  return [...moving.values()].some((line) => knownSlots(line) > 0) ? moving : lines;
}

/** How badly a face fits the sound: its sync logits, less a little for lips that move with the loudness. */
function misfitLine(scores, sync, lips, c) {
  const both = layOut(scores, 'sync', () => 0);
  const value = (one, i) => (Number.isNaN(one) ? both.values[i] : one) - c.LIPS_LOGITS * lips;
  return { first: sync.first, values: sync.values.map(value) };
}

const isBest = (own, best, i) => own.values[i] <= best[own.first + i];

/** The faces that carry the sound: none without sound, else at least one. */
function findCarriers(misfit, best, c) {
  const shares = new Map();
  for (const [trackId, own] of misfit) {
    const known = knownSlots(own);
    if (known) shares.set(trackId, own.values.filter((_, i) => isBest(own, best, i)).length / known);
  }
  if (!shares.size) return new Set();
  const most = [...shares].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
  return new Set([...[...shares].filter(([, share]) => share >= c.MIN_CARRIER_SHARE).map(([one]) => one), most]);
}

/** A line with the slots taken out in which another face fits the sound better. */
function carried(line, own, best) {
  const isMine = (i) => Number.isNaN(own.values[i]) || isBest(own, best, i);
  return { first: line.first, values: line.values.map((value, i) => (isMine(i) ? value : NaN)) };
}

/** What the windows of every face say of it and the sound together. */
function poolSpeech(byFace, lips, frozen, slots, c) {
  const sync = new Map([...byFace].map(([id, own]) => [id, clipLine(own, 'sync')]));
  const misfit = withoutFrozen(
    frozen,
    new Map([...byFace].map(([id, own]) => [id, misfitLine(own, sync.get(id), lips.get(id), c)])),
  );
  const best = lowest(misfit.values(), slots);
  const carriers = findCarriers(misfit, best, c);
  const fused = new Map(
    [...carriers]
      .sort((a, b) => a - b)
      .map((id) => [id, carried(clipLine(byFace.get(id), 'fused'), misfit.get(id), best)]),
  );
  const spoken = [...misfit].map(([id, own]) => carried(sync.get(id), own, best));
  return {
    carriers,
    sync: meanOfKnown(lowest(spoken, slots)),
    fused: worstOverTime(fused.values(), slots),
    syncOf: new Map([...sync].map(([id, line]) => [id, meanOfKnown(line.values)])),
    fusedOf: new Map([...fused].map(([id, line]) => [id, meanOfKnown(line.values)])),
  };
}

function stretchLengths(judged, c) {
  const lengths = [];
  for (let length = c.SHORTEST_STRETCH_SLOTS; length <= c.MAX_STRETCH_SHARE * judged; length *= 2) lengths.push(length);
  return lengths;
}

/** The stretch of a length with the highest mean, or null if too little of the line is known. */
function highestStretch(line, length, c) {
  const there = [...line.values.keys()].filter((i) => !Number.isNaN(line.values[i]));
  if (!there.length) return null;
  const offset = line.first + there[0];
  const values = line.values.subarray(there[0], there[there.length - 1] + 1);
  const total = new Float64Array(values.length + 1);
  const count = new Int32Array(values.length + 1);
  values.forEach((value, i) => {
    const known = !Number.isNaN(value);
    total[i + 1] = total[i] + (known ? value : 0);
    count[i + 1] = count[i] + (known ? 1 : 0);
  });
  const starts = Math.max(values.length - length, 0) + 1;
  const means = [];
  let most = -Infinity;
  for (let start = 0; start < starts; start += 1) {
    const stop = Math.min(start + length, values.length);
    const inside = count[stop] - count[start];
    const allowed = inside >= c.MIN_KNOWN_SHARE * length;
    means.push({ start, stop, inside, mean: allowed ? (total[stop] - total[start]) / Math.max(inside, 1) : -Infinity });
    most = Math.max(most, means[start].mean);
  }
  if (most === -Infinity) return null;
  // Of stretches that are equally high, up to the rounding of the sums, the one of which most is known.
  const best = means.filter((one) => one.mean >= most - ROUNDING).reduce((a, b) => (b.inside > a.inside ? b : a));
  let { start, stop } = best;
  while (Number.isNaN(values[start])) start += 1;
  while (Number.isNaN(values[stop - 1])) stop -= 1;
  return { firstSlot: start + offset, stopSlot: stop + offset, mean: best.mean };
}

/** The highest stretch of every length of a stream; `lines` by track, or under null for sound. */
function findPeaks(stream, lines, slots, c) {
  const known = new Map([...lines].map(([id, line]) => [id, knownSlots(line)]));
  const judged = facesIn(lines.values(), slots).filter(Boolean).length;
  const peaks = [];
  for (const length of stretchLengths(judged, c)) {
    const enough = [...lines].filter(([id]) => known.get(id) >= c.MIN_KNOWN_SHARE * length);
    const found = enough
      .map(([id, line]) => ({ trackId: id, stretch: highestStretch(line, length, c) }))
      .filter(({ stretch }) => stretch !== null);
    if (found.length) {
      // A face that is seen for less than a stretch has one place for it.
      const places = enough.map(([id]) => Math.max(known.get(id) / length, 1));
      const { trackId, stretch } = found.reduce((a, b) => (b.stretch.mean > a.stretch.mean ? b : a));
      // The mean over a long stretch strays less, so that the highest of many is less high by chance.
      const chances = mean(places) ** Math.sqrt(c.SHORTEST_STRETCH_SLOTS / length);
      const { firstSlot, stopSlot } = stretch;
      peaks.push({ stream, firstSlot, stopSlot, trackId, logit: stretch.mean, chances, faces: places.length });
    }
  }
  return peaks;
}

/** The geometric mean, over the slots in which a face is judged, of how many are; 1 without any. */
function facesAtOnce(lines, slots) {
  const judged = [...facesIn(lines, slots)].filter(Boolean);
  return judged.length ? Math.exp(mean(judged.map(Math.log))) : 1;
}

/**
 * Returns the evidence of a file from its windows.
 * @param {object[]} scores of scoreWindow
 * @param {object[]} tracks of TrackBook.summaries
 * @param {number} slots length of the file on the grid; no window may go past it
 * @param {number} minSlots in how many slots a face must be seen to be judged
 * @param {object} c constants of the kit's part `verdict`
 */
export function aggregate(scores, tracks, slots, minSlots, c) {
  const isUsable = (track) => track.heightPx >= c.MIN_FACE_HEIGHT_PX && track.seenSlots >= minSlots;
  const usable = new Set(tracks.filter(isUsable).map((track) => track.trackId));
  const byFace = new Map([...byTrack(scores)].filter(([id]) => usable.has(id)));
  const frozen = new Set(tracks.filter((track) => track.isFrozen).map((track) => track.trackId));
  const lips = new Map(tracks.map((track) => [track.trackId, track.lips]));
  const speech = poolSpeech(byFace, lips, frozen, slots, c);
  const video = new Map([...byFace].map(([id, own]) => [id, clipLine(own, 'video')]));
  const shown = withoutFrozen(frozen, video);
  const listening = [...shown].filter(([id]) => !speech.carriers.has(id)).map(([, line]) => line);
  const audio = clipLine(scores, 'audio');
  return {
    // Without both streams the fused head knows no more than the head of the stream that is there.
    clipLogits: {
      fused: speech.fused,
      video: worstOverTime(shown.values(), slots),
      audio: meanOfKnown(audio.values),
      sync: speech.sync,
    },
    faces: [...byFace.keys()].map((trackId) => ({
      trackId,
      carriesSound: speech.carriers.size ? speech.carriers.has(trackId) : null,
      video: meanOfKnown(video.get(trackId).values),
      sync: speech.syncOf.get(trackId),
      fused: speech.fusedOf.get(trackId) ?? null,
    })),
    listenersVideo: speech.carriers.size ? worstOverTime(listening, slots) : null,
    offsetsSeconds: [...speech.carriers]
      .flatMap((id) => byFace.get(id))
      .filter((score) => score.hasVideo && score.hasAudio && !Number.isNaN(score.offsetSeconds))
      .map((score) => score.offsetSeconds),
    peaks: [...findPeaks('video', shown, slots, c), ...findPeaks('audio', new Map([[null, audio]]), slots, c)],
    facesAtOnce: facesAtOnce(shown.values(), slots),
  };
}
