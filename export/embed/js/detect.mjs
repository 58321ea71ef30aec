// SPDX-License-Identifier: Apache-2.0
// Judges one decoded file: sound on the grid and pictures by time stamp in, a verdict out. As cad/detector.py.

import { aggregate } from './evidence.mjs';
import { TrackBook } from './book.mjs';
import { calibrate } from './calibration.mjs';
import { FRAME_RATE_HZ } from './grid.mjs';
import { scoreWindow } from './scores.mjs';
import { findSpeech, loudness } from './speech.mjs';
import { FaceTracker } from './tracker.mjs';
import { decide } from './verdict.mjs';
import { WindowCutter } from './windows.mjs';

/**
 * @param {object} kit {run, spec, constants, model, provider}: `run(name, feeds)` runs a graph of the kit; feeds and
 *   results are {data, dims} by name
 * @param {object} media
 * @param {'recording'|'talking_head'|'still'} media.kind
 * @param {{samples: Float32Array, present: Uint8Array}|null} media.sound of SoundPlacer; null if nothing could be read
 * @param {boolean} media.hasAudio whether the file says that it has sound
 * @param {AsyncIterable|null} media.pictures of grid.placed; null without a picture
 * @param {Function} media.report called at the end, returns {frames, coverage}
 * @param {(seconds: number, stage: string) => void} tell takes the progress
 * @returns {Promise<object>} {document, found, analysis}: the JSON object of the schema cad.embedded/1, and what it
 *   rests on
 */
export async function judge(kit, file, media, tell = () => {}) {
  const { run, spec, constants } = kit;
  const minSlots = media.kind === 'still' ? 1 : spec.min_frames;
  const scores = [];
  tell(0, 'sound');
  const speech = media.sound === null ? null : await findSpeech(media.sound, run, constants.speech);
  const sound = speech === null ? null : { samples: media.sound.samples, speech };
  const cutter = new WindowCutter(sound, spec, minSlots);
  const book = new TrackBook(run, constants);
  const tracker = new FaceTracker(run, constants.faces, media.kind === 'still');
  const score = async (windows) => {
    for (const window of windows) scores.push(await scoreWindow(window, run, spec, constants.scores));
  };
  const take = async (found) => {
    for (const crops of found) {
      await book.note(crops);
      await score(cutter.push(crops));
    }
  };
  let shownSlots = 0;
  if (media.pictures !== null) {
    for await (const placement of media.pictures) {
      await take(await tracker.push(placement));
      await score(cutter.advance(tracker.nextSlot - constants.faces.LAG_SLOTS));
      shownSlots += placement.count;
      tell(tracker.nextSlot / FRAME_RATE_HZ, 'picture');
    }
    await take(await tracker.flush());
  }
  for (const window of cutter.flush()) {
    await score([window]);
    if (window.trackId === null) tell((window.firstSlot + window.slots) / FRAME_RATE_HZ, 'sound');
  }
  const stop = scores.reduce((high, one) => Math.max(high, one.firstSlot + one.slots), 0);
  const slots = Math.max(tracker.nextSlot, stop, speech === null ? 0 : speech.length);
  const tracks = book.summaries(sound === null ? null : loudness(sound.samples, speech));
  const analysis = {
    kind: media.kind,
    media: {
      ...media.report(),
      hasVideo: media.pictures !== null,
      hasAudio: media.hasAudio,
      pictureSeconds: shownSlots / FRAME_RATE_HZ,
    },
    scores,
    tracks,
    slots,
    minSlots,
    speechSlots: speech === null ? null : speech.reduce((sum, one) => sum + one, 0),
    facesLeftOut: Math.max(0, tracker.leftOut),
    evidence: aggregate(scores, tracks, slots, minSlots, constants.verdict),
  };
  const found = calibrate(analysis, spec);
  const decision = decide(found, constants.verdict);
  const { video, audio, sync } = found.probabilities;
  const document = {
    schema: 'cad.embedded/1',
    file,
    kind: media.kind,
    label: decision.label,
    probability_fake: decision.probabilityFake,
    streams: { video, audio, sync },
    reasons: decision.reasons,
    model: kit.model,
    provider: kit.provider,
  };
  return { document, found, analysis };
}
