// SPDX-License-Identifier: Apache-2.0
// What the model says of one window: raw logits, positive for fake. As cad/runtime/scorer.py.

import { CROP_BYTES, CROP_PX } from './looks.mjs';

export const HEADS = ['fused', 'video', 'audio', 'sync'];
export const STREAMS = ['video', 'audio', 'sync'];

const share = (mask) => mask.reduce((sum, one) => sum + one, 0) / mask.length;

/**
 * Scores one window as WindowCutter cuts it. A stream that is too thin to score is left out whole.
 * @param {object} c constants of the kit's part `scores`
 */
export async function scoreWindow(window, run, spec, c) {
  const { slots, crops, audio, audioPresent } = window;
  const framesPresent = Uint8Array.from(crops, (crop) => (crop === null ? 0 : 1));
  const hasVideo = share(framesPresent) >= c.MIN_VIDEO_SHARE;
  const hasAudio = share(audioPresent) >= c.MIN_AUDIO_SHARE;
  const frames = new Uint8Array(slots * CROP_BYTES);
  crops.forEach((crop, slot) => {
    if (crop !== null) frames.set(crop, slot * CROP_BYTES);
  });
  const presence = (mask, on) => ({ data: Float32Array.from(mask, (one) => (on ? one : 0)), dims: [1, slots] });
  const said = await run('model', {
    frames: { data: frames, dims: [1, slots, CROP_PX, CROP_PX, 3] },
    audio: { data: audio, dims: [1, audio.length] },
    frames_present: presence(framesPresent, hasVideo),
    audio_present: presence(audioPresent, hasAudio),
  });
  const says = (head) => (spec.heads.includes(head) ? 1 : NaN);
  return {
    firstSlot: window.firstSlot,
    slots,
    trackId: window.trackId,
    hasVideo,
    hasAudio,
    framesPresent,
    audioPresent,
    logits: Object.fromEntries(HEADS.map((head) => [head, said[`${head}_logit`].data[0] * says(head)])),
    frameLogits: Object.fromEntries(
      STREAMS.map((stream) => [
        stream,
        Float64Array.from(said[`${stream}_frame_logits`].data, (value) => value * says(stream)),
      ]),
    ),
    offsetSeconds: said.offset_seconds.data[0] * says('sync'),
  };
}
