// SPDX-License-Identifier: Apache-2.0
// Takes sound of any rate to 16 kHz with the filter of FFmpeg's resampler, so that every program hears the same.
// As cad/media/resample.py. Source: FFmpeg libswresample/resample.c, build_filter, and its default options.

import { SAMPLE_RATE_HZ } from './grid.mjs';

const FILTER_SIZE = 32;
const CUTOFF = 0.97;
const KAISER_BETA = 9;

const gcd = (a, b) => (b === 0 ? a : gcd(b, a % b));

/** The modified Bessel function of the first kind and order 0, by its power series. */
function bessel0(x) {
  let sum = 1;
  let term = 1;
  for (let n = 1; term > 1e-18 * sum; n += 1) {
    term *= (x / (2 * n)) ** 2;
    sum += term;
  }
  return sum;
}

/** Returns the windowed sincs that take sound from `rateHz` to 16 kHz: {phases, taps, values: Float32Array}. */
export function filterBank(rateHz) {
  const phases = SAMPLE_RATE_HZ / gcd(rateHz, SAMPLE_RATE_HZ);
  const factor = Math.min((SAMPLE_RATE_HZ * CUTOFF) / rateHz, 1);
  const taps = Math.ceil(FILTER_SIZE / factor / 2) * 2;
  const values = new Float64Array(phases * taps);
  for (let phase = 0; phase < phases; phase += 1) {
    for (let tap = 0; tap < taps; tap += 1) {
      const offset = tap - ((taps - 1) >> 1) - phase / phases;
      const window = bessel0(KAISER_BETA * Math.sqrt(Math.max(1 - ((2 * offset) / taps) ** 2, 0)));
      const angle = Math.PI * offset * factor;
      values[phase * taps + tap] = (angle === 0 ? 1 : Math.sin(angle) / angle) * window;
    }
  }
  const total = values.subarray(0, taps).reduce((sum, value) => sum + value, 0);
  return { phases, taps, values: Float32Array.from(values, (value) => value / total) };
}

/** Resamples one channel piece by piece; beyond its ends the sound is mirrored, as in FFmpeg. */
export class Resampler {
  constructor(rateHz) {
    const divisor = gcd(rateHz, SAMPLE_RATE_HZ);
    this.up = SAMPLE_RATE_HZ / divisor;
    this.down = rateHz / divisor;
    this.bank = this.up === this.down ? null : filterBank(rateHz);
    this.held = new Float32Array(0);
    this.heldStart = 0; // which input sample held[0] is
    this.given = 0; // how many output samples have been given
    this.taken = 0; // how many input samples have come
  }

  /** Takes the next samples (Float32Array) and returns the output that they complete (Float32Array). */
  push(samples) {
    this.taken += samples.length;
    if (this.bank === null) return samples;
    this.#hold(samples);
    const ahead = this.bank.taps - ((this.bank.taps - 1) >> 1);
    // The beginning is mirrored, and a very short sound has no samples to mirror: that waits for the end.
    if (this.taken < 2 * this.bank.taps) return new Float32Array(0);
    return this.#give(Math.max(this.given, Math.floor(((this.taken - ahead) * this.up) / this.down)));
  }

  /** Ends the sound and returns what is left of it. */
  end() {
    return this.bank === null ? new Float32Array(0) : this.#give(Math.ceil((this.taken * this.up) / this.down));
  }

  #hold(samples) {
    const { taps } = this.bank;
    const needed = Math.floor((this.given * this.down) / this.up) - taps;
    const drop = Math.max(0, Math.min(needed - this.heldStart, this.held.length - 2 * taps));
    const held = new Float32Array(this.held.length - drop + samples.length);
    held.set(this.held.subarray(drop));
    held.set(samples, this.held.length - drop);
    this.held = held;
    this.heldStart += drop;
  }

  #at(index) {
    let place = Math.abs(index);
    if (place >= this.taken) place = 2 * this.taken - 1 - place;
    return this.held[Math.min(Math.max(place, 0), this.taken - 1) - this.heldStart];
  }

  #give(stop) {
    const { taps, values } = this.bank;
    const out = new Float32Array(Math.max(0, stop - this.given));
    for (let index = 0; index < out.length; index += 1) {
      const position = (this.given + index) * this.down;
      const phase = position % this.up;
      const start = (position - phase) / this.up - ((taps - 1) >> 1);
      const inside = start >= 0 && start + taps <= this.taken;
      let sum = 0;
      for (let tap = 0; tap < taps; tap += 1) {
        const sample = inside ? this.held[start + tap - this.heldStart] : this.#at(start + tap);
        sum += sample * values[phase * taps + tap];
      }
      out[index] = sum;
    }
    this.given = Math.max(this.given, stop);
    return out;
  }
}
