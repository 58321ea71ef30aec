// SPDX-License-Identifier: Apache-2.0
// Turns raw logits into the probabilities and thresholds that a verdict rests on. As cad/verdict/calibrate.py.

import { smoothed, streamLines } from './lines.mjs';
import { HEADS, STREAMS } from './scores.mjs';

/** Length of the moving average over frame logits, about the length of a syllable. */
const SMOOTHING_SLOTS = 5;
const PLAIN = { scale: 1, bias: 0, growth: 0 };

/** Returns the numbers under plain keys that hold for a kind of file: those of the kind win over the plain ones. */
function numbersFor(numbers, kind) {
  const names = new Set(Object.keys(numbers).map((key) => key.split('@')[0]));
  const found = [...names].map((name) => [name, numbers[`${name}@${kind}`] ?? numbers[name]]);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

const sigmoid = (value) => 0.5 * (1 + Math.tanh(0.5 * value));

/**
 * Returns what was measured as probabilities, beside the thresholds that hold for them.
 * @param {object} analysis {kind, scores, tracks, slots, evidence, ...}
 * @param {object} spec the kit's ModelSpec
 */
export function calibrate(analysis, spec) {
  const calibration = numbersFor(spec.calibration, analysis.kind);
  const points = numbersFor(spec.operating_points, analysis.kind);
  const { evidence } = analysis;
  const numbersOf = (name) => calibration[name] ?? PLAIN;
  const probability = (logit, name, chances = 1) => {
    if (logit === null) return null;
    const { scale, bias, growth } = numbersOf(name);
    return sigmoid(scale * (logit - growth * Math.log(chances)) + bias);
  };
  // What several faces add is known from the head, what the many places in the time of one add from the peaks.
  const ofPeak = (peak) =>
    probability(peak.logit - numbersOf(peak.stream).growth * Math.log(peak.faces), `${peak.stream}_peak`, peak.chances);
  const carriers = evidence.faces.filter((face) => face.fused !== null).length;
  const ofFace = (face) =>
    face.fused === null
      ? probability(face.video, 'video', evidence.faces.length)
      : probability(face.fused, 'fused', carriers);
  const strongest = ['video', 'audio'].flatMap((stream) => {
    const own = evidence.peaks.filter((peak) => peak.stream === stream);
    if (!own.length) return [];
    const peak = own.reduce((a, b) => (ofPeak(b) > ofPeak(a) ? b : a));
    return [{ peak, probability: ofPeak(peak), point: points[`${stream}_peak`] ?? null }];
  });
  const lines = streamLines(analysis.scores, analysis.slots);
  const curve = (stream) => {
    const { scale, bias } = calibration[`${stream}_frame`] ?? numbersOf(stream);
    return smoothed(lines[stream], SMOOTHING_SLOTS).map((logit) => sigmoid(scale * logit + bias));
  };
  // The worst of several faces is chosen by the picture alone: sound has one voice, and of the others one speaks.
  const chosenOf = (head) => (head === 'video' ? evidence.facesAtOnce : 1);
  return {
    analysis,
    probabilities: Object.fromEntries(
      HEADS.map((head) => [head, probability(evidence.clipLogits[head], head, chosenOf(head))]),
    ),
    listeners: probability(evidence.listenersVideo, 'video', evidence.facesAtOnce),
    faces: evidence.faces.map((face) => ({
      ...face,
      own: ofFace(face),
      syncProbability: probability(face.sync, 'sync'),
    })),
    curves: Object.fromEntries(STREAMS.map((stream) => [stream, curve(stream)])),
    points,
    uncalibrated: HEADS.filter((head) => !(head in calibration)),
    heads: spec.heads,
    peaks: strongest,
  };
}
