// SPDX-License-Identifier: Apache-2.0
// Makes one channel of many, in which nothing that any of them holds has gone out: channels that are dead have no
// weight, and one that cancels the others is turned over. Decided second by second. As cad/media/mixing.py.

import { SAMPLE_RATE_HZ } from './grid.mjs';

const BLOCK_SAMPLES = SAMPLE_RATE_HZ;
const VOTES = 5;
const MIN_VOTE_SAMPLES = SAMPLE_RATE_HZ / 4;
const SILENT_POWER = 1e-7;
const CROSS_TALK = 1e-4;
const CANCELLING = 0.5;
const GONE = 0.1;
const AGAINST = -0.25;
const FADE_SAMPLES = 320;
// Source: ITU-R BS.775; low frequency is left out. Of a sound field (ambisonic) the first channel alone counts.
const WEIGHTS = { FC: 1, FL: 0.7071, FR: 0.7071, LFE: 0, LFE2: 0, AMBI0: 1 };
const OTHER_WEIGHT = 0.5;

/** FFmpeg's loudspeakers by its name of a layout, for those in use; others count all channels alike. */
const LAYOUTS = {
  mono: 'FC',
  stereo: 'FL FR',
  downmix: 'DL DR',
  2.1: 'FL FR LFE',
  '3.0': 'FL FR FC',
  '3.0(back)': 'FL FR BC',
  '4.0': 'FL FR FC BC',
  quad: 'FL FR BL BR',
  'quad(side)': 'FL FR SL SR',
  3.1: 'FL FR FC LFE',
  4.1: 'FL FR FC LFE BC',
  '5.0': 'FL FR FC BL BR',
  '5.0(side)': 'FL FR FC SL SR',
  5.1: 'FL FR FC LFE BL BR',
  '5.1(side)': 'FL FR FC LFE SL SR',
  6.1: 'FL FR FC LFE BC SL SR',
  '7.0': 'FL FR FC BL BR SL SR',
  7.1: 'FL FR FC LFE BL BR SL SR',
};
const LAYOUT_OF_COUNT = { 1: 'mono', 2: 'stereo', 6: '5.1', 8: '7.1' };

/** Returns the names of the channels of a layout; of one that is not known, as many alike. */
export function channelNames(count, layout = '') {
  const known = (LAYOUTS[layout] ?? LAYOUTS[LAYOUT_OF_COUNT[count]] ?? '').split(' ');
  return known.length === count ? known : new Array(count).fill('FL');
}

const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);
const scaled = (values, by) => values.map((value) => value * by);

function plainWeights(channels) {
  const weights = channels.map((name) => WEIGHTS[name] ?? (name.startsWith('AMBI') ? 0 : OTHER_WEIGHT));
  const whole = sumOf(weights) > 0 ? weights : weights.map(() => 1);
  return scaled(whole, 1 / sumOf(whole));
}

/** The power that a mix of these weights has, of the channels' powers with each other (a square matrix). */
function powerOf(weights, powers, others = weights) {
  let power = 0;
  weights.forEach((a, i) =>
    others.forEach((b, j) => {
      power += a * b * powers[i][j];
    }),
  );
  return power;
}

function keptShare(weights, powers) {
  const apart = sumOf(weights.map((weight, i) => weight * weight * powers[i][i]));
  return powerOf(weights, powers) / Math.max(apart, 2.3e-308);
}

/** Returns the weights with such signs that the channels do not cancel each other. */
function turned(weights, powers) {
  if (keptShare(weights, powers) >= CANCELLING) return weights;
  const count = weights.length;
  const shares = powers.map((row, i) => row.map((power, j) => power * weights[i] * weights[j]));
  const signs = new Array(count).fill(0);
  const loudestFirst = [...signs.keys()].sort((a, b) => shares[b][b] - shares[a][a] || a - b);
  for (const channel of loudestFirst) {
    const power = Math.max(0, powerOf(signs, shares));
    const with_ = sumOf(signs.map((sign, i) => sign * shares[channel][i]));
    signs[channel] = with_ < AGAINST * Math.sqrt(power * shares[channel][channel]) ? -1 : 1;
  }
  return weights.map((weight, i) => weight * signs[i]);
}

/** Mixes the channels of one sound at 16 kHz, second by second, as it comes. */
export class MonoMixer {
  constructor(channels) {
    this.channels = channels;
    this.plain = plainWeights(channels);
    this.weights = this.plain;
    this.heard = channels.map(() => false);
    this.votes = [];
    this.waiting = channels.map(() => []);
    this.waitingSamples = 0;
  }

  /** Takes the next samples (one Float32Array a channel) and returns those that are mixed by now. */
  mix(samples) {
    if (this.channels.length === 1) return samples[0];
    samples.forEach((part, channel) => this.waiting[channel].push(part));
    this.waitingSamples += samples[0].length;
    const mixed = [];
    if (this.waitingSamples >= BLOCK_SAMPLES) {
      const joined = this.waiting.map(concatenated);
      let start = 0;
      for (; start + BLOCK_SAMPLES <= this.waitingSamples; start += BLOCK_SAMPLES) {
        mixed.push(this.#mixBlock(joined.map((part) => part.subarray(start, start + BLOCK_SAMPLES))));
      }
      this.waiting = joined.map((part) => [part.slice(start)]);
      this.waitingSamples -= start;
    }
    return concatenated(mixed);
  }

  /** Returns what waits to be mixed; what was learnt of the channels is kept. */
  flush() {
    const waiting = this.waiting.map(concatenated);
    this.waiting = this.channels.map(() => []);
    this.waitingSamples = 0;
    return waiting[0].length ? this.#mixBlock(waiting) : new Float32Array(0);
  }

  #mixBlock(given) {
    const samples = given.map((part) => part.map((value) => (Number.isFinite(value) ? value : 0)));
    const before = this.weights;
    const isFirst = this.votes.length === 0;
    this.weights = this.#decide(samples);
    const mono = new Float32Array(samples[0].length);
    const fade = Math.min(FADE_SAMPLES, mono.length);
    const fades = !isFirst && before.some((weight, i) => weight !== this.weights[i]);
    for (let n = 0; n < mono.length; n += 1) {
      const old = fades && n < fade ? (fade > 1 ? 1 - n / (fade - 1) : 1) : 0;
      let sum = 0;
      for (let i = 0; i < samples.length; i += 1) {
        sum += samples[i][n] * (this.weights[i] + old * (before[i] - this.weights[i]));
      }
      mono[n] = sum;
    }
    return mono;
  }

  #decide(samples) {
    const length = samples[0].length;
    if (length < MIN_VOTE_SAMPLES && this.votes.length) return this.weights;
    const means = samples.map((part) => sumOf(part) / length);
    const powers = samples.map((one, i) =>
      samples.map((other, j) => {
        let sum = 0;
        for (let n = 0; n < length; n += 1) sum += (one[n] - means[i]) * (other[n] - means[j]);
        return sum / length;
      }),
    );
    const own = powers.map((row, i) => row[i]);
    const loudest = Math.max(...own);
    if (loudest < SILENT_POWER) return this.weights;
    own.forEach((power, i) => {
      this.heard[i] ||= power > Math.max(SILENT_POWER, loudest * CROSS_TALK);
    });
    let weights = this.plain.map((weight, i) => (this.heard[i] ? weight : 0));
    if (sumOf(weights) <= 0) weights = this.heard.map(Number); // nothing but low frequency, so named, is heard
    weights = scaled(weights, 1 / sumOf(weights));
    const trace = sumOf(own);
    this.votes.push(powers.map((row) => scaled(row, 1 / trace)));
    if (this.votes.length > VOTES) this.votes.shift();
    const mean = powers.map((row, i) =>
      row.map((_, j) => sumOf(this.votes.map((vote) => vote[i][j])) / this.votes.length),
    );
    let mixed = turned(weights, mean);
    if (keptShare(mixed, powers) < GONE) mixed = turned(weights, powers);
    // Which of two opposite mixes it is does not matter, only that it stays the same one.
    const flips = powerOf(mixed, powers, this.weights) < 0 && mixed.some((weight) => weight < 0);
    return flips ? scaled(mixed, -1) : mixed;
  }
}

/** Joins arrays of samples. */
export function concatenated(parts) {
  if (parts.length === 1) return parts[0];
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
