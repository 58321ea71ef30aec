// SPDX-License-Identifier: Apache-2.0
// The JavaScript core against what the Python package says of the same inputs: files in the folder CAD_CASES, which
// core_cases.py writes. Run by test_node_core.py.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { calibrate } from '../../export/embed/js/calibration.mjs';
import { constantsOf } from '../../export/embed/js/constants.mjs';
import { aggregate } from '../../export/embed/js/evidence.mjs';
import { originSeconds, placed } from '../../export/embed/js/grid.mjs';
import { lipScore } from '../../export/embed/js/lips.mjs';
import { CROP_BYTES } from '../../export/embed/js/looks.mjs';
import { channelNames } from '../../export/embed/js/mixing.mjs';
import { isAmong, match } from '../../export/embed/js/overlap.mjs';
import { SoundPlacer } from '../../export/embed/js/sound.mjs';
import { Stillness } from '../../export/embed/js/stillness.mjs';
import { FaceTrack } from '../../export/embed/js/track.mjs';
import { decide } from '../../export/embed/js/verdict.mjs';
import { WindowCutter } from '../../export/embed/js/windows.mjs';
import { readMatroska } from '../../export/embed/browser/matroska.mjs';
import { readMp4 } from '../../export/embed/browser/mp4.mjs';
import { rgbOf } from '../../export/embed/browser/pixels.mjs';

const FOLDER = process.env.CAD_CASES;
const bytesOf = (name) => new Uint8Array(readFileSync(join(FOLDER, name)));
const floatsOf = (name) => new Float32Array(bytesOf(name).slice().buffer);
// Python writes NaN, which JSON has not.
const casesOf = (name) => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8').replace(/\bNaN\b/g, 'null'));
const constants = constantsOf({ constants: casesOf('constants') });

/** Fails unless two lists of numbers are as long and nowhere further apart than `within`. */
function assertNear(found, wanted, within, what) {
  assert.equal(found.length, wanted.length, `${what}: length`);
  let worst = 0;
  wanted.forEach((value, i) => {
    worst = Math.max(worst, Math.abs(found[i] - value));
  });
  assert.ok(worst <= within, `${what}: ${worst} apart`);
}

test('sound of any rate and number of channels is mixed and resampled as in the package', () => {
  for (const { rate, channels } of casesOf('sound')) {
    const wanted = floatsOf(`sound_${rate}_16000.f32`);
    const samples = floatsOf(`sound_${rate}.f32`);
    const length = samples.length / channels;
    for (const piece of [length, 1024]) {
      const placer = new SoundPlacer(rate, channelNames(channels));
      for (let start = 0; start < length; start += piece) {
        const parts = Array.from({ length: channels }, (_, i) =>
          samples.subarray(i * length + start, i * length + Math.min(start + piece, length)),
        );
        placer.push(start / rate, parts);
      }
      const { samples: found, present } = placer.close();
      const kept = wanted.slice(0, found.length).map((value) => Math.min(1, Math.max(-1, value)));
      assertNear(found.subarray(0, kept.length), kept, 2e-5, `${rate} Hz in pieces of ${piece}`);
      assert.ok(Math.abs(found.length - wanted.length) <= 640 && present.every(Boolean), `${rate} Hz: slots`);
    }
  }
});

test('sound lies where its time stamps say', () => {
  const placer = new SoundPlacer(16000, ['FC']);
  placer.push(0.01, [new Float32Array(640).fill(0.5)]);
  placer.push(0.2, [new Float32Array(1280).fill(0.25)]);
  const { samples, present } = placer.close();
  assert.deepEqual([...present], [1, 0, 0, 0, 0, 1, 1]);
  assert.deepEqual([samples[159], samples[160], samples[3199], samples[3200]], [0, 0.5, 0, 0.25]);
});

test('pictures serve the slots that the package gives them', async () => {
  for (const {
    fps,
    stamps,
    found,
    starts: [video, audio],
    origins,
  } of casesOf('places')) {
    async function* shown() {
      for (const [picture, seconds] of stamps.entries()) yield { seconds, picture };
    }
    const places = [];
    for await (const { picture, firstSlot, count } of placed(shown(), fps)) places.push([picture, firstSlot, count]);
    assert.deepEqual(places, found, `${fps} pictures a second`);
    assertNear(
      [originSeconds(video, audio), originSeconds(video, null), originSeconds(null, audio)],
      origins,
      1e-12,
      'origins',
    );
  }
});

test('a stamp that leaps and is not followed is dropped', async () => {
  async function* shown() {
    for (const seconds of [0, 0.04, 99, 0.08]) yield { seconds, picture: seconds };
  }
  const places = [];
  for await (const { picture } of placed(shown(), 25)) places.push(picture);
  assert.deepEqual(places, [0, 0.04, 0.08]);
});

test('faces are told apart as in the package', () => {
  for (const { expected, found, owners, among } of casesOf('faces')) {
    assert.deepEqual(match(expected, found), owners);
    assert.deepEqual(
      found.map((face) => isAmong(face, expected)),
      among,
    );
  }
});

test('a face is followed as in the package', () => {
  for (const { seen, states, expected } of casesOf('tracks')) {
    const faces = seen.map(([slot, face]) => [slot, { ...face, points: Float64Array.from(face.points) }]);
    const track = new FaceTrack(...faces[0], new Float32Array(1), constants.faces);
    faces.slice(1).forEach(([slot, face]) => track.see(slot, face));
    for (const [slot, state] of states) {
      assert.equal(track.presentAt(slot), state !== null, `slot ${slot}`);
      if (state === null) continue;
      const found = track.stateAt(slot);
      assertNear([...found.points, ...found.box], [...state.points, ...state.box], 2e-5, `slot ${slot}`);
    }
    for (const [slot, points] of expected) assertNear(track.expectedPoints(slot), points, 2e-5, `expected at ${slot}`);
  }
});

test('lips go with the sound as in the package', () => {
  const scores = casesOf('lips').map(({ slots, motion, loudness, score }) => {
    const loud = Float64Array.from(loudness, (value) => value ?? NaN);
    return [lipScore(slots, motion, loud, constants.lips), score];
  });
  scores.forEach(([found, wanted]) => assertNear([found], [wanted], 1e-9, 'lips'));
  assert.ok(new Set(scores.map(([, wanted]) => wanted)).size > 5);
});

test('a photograph is told from a face that moves', () => {
  const cases = casesOf('stillness');
  assert.deepEqual(
    cases.map((one) => one.is_frozen),
    [true, false],
  );
  for (const { name, is_frozen: isFrozen } of cases) {
    const measured = new Stillness(constants.stillness);
    const crops = bytesOf(`stillness_${name}.u8`);
    for (let at = 0; at < crops.length; at += CROP_BYTES) measured.push(crops.subarray(at, at + CROP_BYTES));
    assert.equal(measured.isFrozen(), isFrozen, name);
  }
});

test('windows are cut where the package cuts them', () => {
  const crop = new Uint8Array(CROP_BYTES);
  for (const { speech, given, windows } of casesOf('windows')) {
    const sound = { samples: new Float32Array(speech.length * 640), speech: Uint8Array.from(speech, Number) };
    const cutter = new WindowCutter(sound, { window_frames: 50, hop_frames: 25 }, 10);
    const found = given.flatMap(([trackId, slots]) =>
      cutter.push({ trackId, seen: slots.map((slot) => ({ slot, crop })) }),
    );
    found.push(...cutter.flush());
    const plain = found.map(({ firstSlot, slots, trackId, crops, audioPresent }) => [
      firstSlot,
      slots,
      trackId,
      crops.map((one) => one !== null),
      [...audioPresent].map(Boolean),
    ]);
    assert.deepEqual(plain, windows);
  }
});

test('windows give the label, the probabilities and the reasons that the package gives', () => {
  const seen = new Set();
  for (const { spec, analysis, label, probability_fake: probability, streams, reasons } of casesOf('verdicts')) {
    const scores = analysis.scores.map((score) => ({
      ...score,
      frameLogits: Object.fromEntries(
        Object.entries(score.frameLogits).map(([key, line]) => [key, Float64Array.from(line)]),
      ),
    }));
    const { tracks, slots, minSlots } = analysis;
    const whole = { ...analysis, scores, evidence: aggregate(scores, tracks, slots, minSlots, constants.verdict) };
    const found = calibrate(whole, spec);
    const said = decide(found, constants.verdict);
    assert.deepEqual(said.reasons, reasons);
    assert.equal(said.label, label);
    for (const [name, wanted] of [...Object.entries(streams), ['file', probability]]) {
      const value = name === 'file' ? said.probabilityFake : found.probabilities[name];
      assert.equal(value === null, wanted === null, name);
      if (wanted !== null) assertNear([value], [wanted], 1e-9, name);
    }
    [label, ...reasons].forEach((one) => seen.add(one));
  }
  for (const code of [
    'fake',
    'real',
    'inconclusive',
    'audio_peak_evidence',
    'listener_evidence',
    'frozen_face',
    'constant_offset',
  ]) {
    assert.ok(seen.has(code), `no case has ${code}`);
  }
});

test('pictures become the bytes that FFmpeg makes of them', async () => {
  for (const [index, { matrix, full, width, height }] of casesOf('pictures').entries()) {
    const bytes = bytesOf(`picture_${index}.u8`);
    const quarter = (width * height) / 4;
    const frame = {
      format: 'I420',
      visibleRect: { width, height },
      colorSpace: { matrix, fullRange: full },
      allocationSize: () => bytes.length,
      copyTo: async (target) => {
        target.set(bytes);
        const half = { stride: width / 2 };
        return [
          { offset: 0, stride: width },
          { offset: 4 * quarter, ...half },
          { offset: 5 * quarter, ...half },
        ];
      },
      close: () => {},
    };
    const { data } = await rgbOf(frame, [1, 0, 0, 1]);
    assertNear(data, bytesOf(`picture_${index}_rgb.u8`), 0, `picture ${index}`);
  }
});

test('containers say when what they hold is shown', () => {
  for (const { path, packets, fps } of casesOf('containers')) {
    const file = readFileSync(path);
    const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
    const tracks = path.endsWith('.mp4') ? readMp4(buffer) : readMatroska(buffer);
    for (const kind of ['video', 'audio']) {
      assert.equal(tracks[kind] !== null, kind in packets, `${path}: ${kind}`);
      if (tracks[kind] === null) continue;
      const { samples } = tracks[kind];
      assert.deepEqual(
        samples.map(({ size }) => size),
        packets[kind].map(([, size]) => size),
        `${path}: sizes of ${kind}`,
      );
      assertNear(
        samples.map(({ seconds }) => seconds),
        packets[kind].map(([seconds]) => seconds),
        0.0011,
        `${path}: times of ${kind}`,
      );
    }
    if (fps !== null) assertNear([tracks.video.fps], [fps], 1e-6, `${path}: rate`);
  }
});
