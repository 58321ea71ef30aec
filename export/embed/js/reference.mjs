// SPDX-License-Identifier: Apache-2.0
// The reference vectors of the kit: every stage of this core against what the package says of the same inputs, from
// reference.json (docs/embedding.md has its form).

import { calibrate } from './calibration.mjs';
import { aggregate } from './evidence.mjs';
import { originSeconds, placed } from './grid.mjs';
import { KitError } from './kit.mjs';
import { lipScore } from './lips.mjs';
import { CROP_BYTES, CROP_PX } from './looks.mjs';
import { channelNames } from './mixing.mjs';
import { findSpeech } from './speech.mjs';
import { SoundPlacer } from './sound.mjs';
import { Stillness } from './stillness.mjs';
import { FaceTrack } from './track.mjs';
import { decide } from './verdict.mjs';
import { WindowCutter } from './windows.mjs';

const SCHEMA = 'cad.reference/1';
const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
};
/** Pixels of one colour, so many on a side, stand for one in the file. */
const BLOCK_PX = 20;

/**
 * Runs every case.
 * @returns {Promise<Map<string, string[]>>} by stage in words what is off; empty lists if all is as the package says
 */
export async function runReference(kit) {
  const stages = new Map();
  for (const { stage, name, inputs, outputs, tolerance } of await readCases(kit)) {
    const found = await (STAGES[stage] ?? graph(stage))(kit, inputs);
    const off = Object.entries(outputs)
      .map(([key, wanted]) => [key, distance(wanted, found[key]), tolerance[key] ?? 0])
      .filter(([, far, allowed]) => !(far <= allowed))
      .map(([key, far, allowed]) => `${name}: ${key} is off by ${far.toPrecision(3)}, allowed is ${allowed}`);
    stages.set(stage, [...(stages.get(stage) ?? []), ...off]);
  }
  return stages;
}

async function readCases(kit) {
  const document = JSON.parse(new TextDecoder().decode(await kit.readChecked('reference.json')));
  if (document.schema !== SCHEMA) throw new KitError(`reference.json: the schema is ${document.schema}, not ${SCHEMA}`);
  return document.cases.map(withArrays);
}

/** Puts {data, dims} in the place of arrays that are written as text. */
function withArrays(value) {
  if (Array.isArray(value)) return value.map(withArrays);
  if (value === null || typeof value !== 'object') return value;
  if ('base64' in value) {
    const bytes = Uint8Array.from(atob(value.base64), (letter) => letter.charCodeAt(0));
    return { data: new ARRAYS[value.dtype](bytes.buffer), dims: value.shape };
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withArrays(one)]));
}

/** The largest difference of any number, or infinity where something else differs. */
function distance(wanted, found) {
  if (wanted?.data && wanted?.dims) {
    if (wanted.data.length !== found?.data?.length) return Infinity;
    return wanted.data.reduce((worst, value, i) => Math.max(worst, Math.abs(value - found.data[i])), 0);
  }
  if (typeof wanted === 'number' && typeof found === 'number') return Math.abs(wanted - found);
  if (Array.isArray(wanted) && Array.isArray(found)) {
    if (wanted.length !== found.length) return Infinity;
    return wanted.reduce((worst, value, i) => Math.max(worst, distance(value, found[i])), 0);
  }
  if (wanted !== null && typeof wanted === 'object' && found !== null && typeof found === 'object') {
    return Math.max(0, ...Object.keys(wanted).map((key) => distance(wanted[key], found[key])));
  }
  return wanted === found ? 0 : Infinity;
}

/** Returns the same picture with every pixel of its last two axes as a block. */
function enlarged({ data, dims }) {
  const [height, width] = dims.slice(-3);
  const count = data.length / (height * width * 3);
  const out = new Uint8Array(count * height * width * 3 * BLOCK_PX * BLOCK_PX);
  for (let at = 0, to = 0; at < count; at += 1) {
    for (let y = 0; y < height * BLOCK_PX; y += 1) {
      for (let x = 0; x < width * BLOCK_PX; x += 1, to += 3) {
        const from = ((at * height + Math.floor(y / BLOCK_PX)) * width + Math.floor(x / BLOCK_PX)) * 3;
        out.set(data.subarray(from, from + 3), to);
      }
    }
  }
  return { data: out, dims: [...dims.slice(0, -3), height * BLOCK_PX, width * BLOCK_PX, 3] };
}

const graph = (name) => async (kit, given) => {
  const feeds = Object.entries(given).map(([key, value]) => {
    if (key === 'frames_blocks') return ['frames', enlarged(value)];
    return [key, typeof value === 'number' ? { data: BigInt64Array.of(BigInt(value)), dims: [] } : value];
  });
  return kit.run(name, Object.fromEntries(feeds));
};

function resampling(_, { samples, rate_hz: rateHz }) {
  const count = samples.dims[1];
  const placer = new SoundPlacer(rateHz, channelNames(count));
  const channel = (at) => Float32Array.from({ length: samples.dims[0] }, (__, n) => samples.data[n * count + at]);
  placer.push(
    0,
    Array.from({ length: count }, (__, at) => channel(at)),
  );
  const length = Math.ceil((samples.dims[0] * 16000) / rateHz);
  const whole = new Float32Array(length);
  whole.set(placer.close().samples.subarray(0, length));
  return { samples: { data: whole, dims: [length] } };
}

async function placing(_, { fps, seconds }) {
  async function* shown() {
    for (const [picture, one] of seconds.entries()) yield { seconds: one, picture };
  }
  const found = [];
  for await (const { firstSlot, count, picture } of placed(shown(), fps)) found.push([firstSlot, count, picture]);
  return { placed: found };
}

async function speechActivity({ run, constants }, { samples: { data } }) {
  const samples = Float32Array.from(data, (value) => value / 32768);
  const present = new Uint8Array(Math.floor(samples.length / 640)).fill(1);
  return { speech: { data: await findSpeech({ samples, present }, run, constants.speech) } };
}

function windows({ spec }, { speech, faces }) {
  const sound = { samples: new Float32Array(speech.data.length * 640), speech: speech.data };
  const cutter = new WindowCutter(sound, spec, spec.min_frames);
  const crop = new Uint8Array(CROP_BYTES);
  const found = faces.flatMap(([trackId, slots]) =>
    cutter.push({ trackId, seen: slots.map((slot) => ({ slot, crop })) }),
  );
  found.push(...cutter.flush());
  return {
    windows: found.map((one) => [one.firstSlot, one.slots, one.trackId]),
    frames_present: found.map((one) => one.crops.map((shown) => (shown === null ? 0 : 1))),
    audio_present: found.map((one) => [...one.audioPresent]),
  };
}

function track({ constants }, { slots, points, boxes, expected_at: expectedAt }) {
  const face = (i) => ({
    points: Float64Array.from(points.data.subarray(10 * i, 10 * i + 10)),
    box: [...boxes.data.subarray(4 * i, 4 * i + 4)],
    score: 0.9,
  });
  const made = new FaceTrack(slots[0], face(0), new Float32Array(576), constants.faces);
  slots.forEach((slot, i) => made.see(slot, face(i)));
  const all = Array.from({ length: slots[slots.length - 1] + 5 }, (_, slot) => slot);
  const present = all.filter((slot) => made.presentAt(slot));
  const states = present.map((slot) => made.stateAt(slot));
  return {
    present,
    points: { data: states.flatMap((state) => [...state.points]) },
    boxes: { data: states.flatMap((state) => state.box) },
    expected: { data: made.expectedPoints(expectedAt) },
  };
}

function lips({ constants }, { slots, motion, loudness }) {
  return { score: lipScore(slots, [...motion.data], loudness.data, constants.lips) };
}

function stillness({ constants }, { frames_blocks: blocks }) {
  const measured = new Stillness(constants.stillness);
  const { data } = enlarged(blocks);
  for (let at = 0; at < data.length; at += CROP_PX * CROP_PX * 3) measured.push(data.subarray(at, at + CROP_BYTES));
  return { is_frozen: measured.isFrozen() };
}

function verdict({ spec, constants }, { facts, tracks: seen, scores: given }) {
  const tracks = seen.map((one) => ({
    trackId: one.track,
    seenSlots: one.seen_slots,
    heightPx: one.height,
    lips: one.lips,
    isFrozen: one.is_frozen,
  }));
  const scores = given.map((one) => ({
    firstSlot: one.first,
    slots: one.frames_present.length,
    trackId: one.track,
    hasVideo: one.has_video,
    hasAudio: one.has_audio,
    framesPresent: one.frames_present,
    audioPresent: one.audio_present,
    logits: one.logits,
    // The vectors have none: they say nothing of short stretches.
    frameLogits: Object.fromEntries(
      ['video', 'audio', 'sync'].map((key) => [key, new Float64Array(one.frames_present.length).fill(NaN)]),
    ),
    offsetSeconds: NaN,
  }));
  const evidence = aggregate(scores, tracks, facts.slots, facts.shortest, constants.verdict);
  const media = {
    frames: facts.pictures,
    coverage: 1,
    hasVideo: facts.has_picture,
    hasAudio: facts.has_sound,
    pictureSeconds: facts.shown_slots / 25,
  };
  const found = calibrate(
    {
      kind: facts.kind,
      media,
      scores,
      tracks,
      slots: facts.slots,
      minSlots: facts.shortest,
      speechSlots: facts.speech_slots,
      facesLeftOut: 0,
      evidence,
    },
    spec,
  );
  const said = decide(found, constants.verdict);
  return {
    clip_logits: evidence.clipLogits,
    faces: evidence.faces.map((face) => ({ ...face, track: face.trackId, carries_sound: face.carriesSound })),
    listeners_video: evidence.listenersVideo,
    peaks: evidence.peaks.map((peak) => ({ ...peak, first: peak.firstSlot, stop: peak.stopSlot, track: peak.trackId })),
    faces_at_once: evidence.facesAtOnce,
    probabilities: found.probabilities,
    label: said.label,
    probability_fake: said.probabilityFake,
    reasons: said.reasons,
  };
}

const STAGES = {
  resampling,
  origin: (_, { video_start: video, audio_start: audio }) => ({ origin: originSeconds(video, audio) }),
  placing,
  speech_activity: speechActivity,
  windows,
  track,
  lips,
  stillness,
  verdict,
};
