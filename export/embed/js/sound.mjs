// SPDX-License-Identifier: Apache-2.0
// Lays decoded sound out on the grid: 16 kHz mono, 640 samples a slot, each run of samples where its first time stamp
// says. As cad/media/audio.py and cad/media/slots.py.

import { SAMPLE_RATE_HZ, SAMPLES_PER_SLOT } from './grid.mjs';
import { MonoMixer } from './mixing.mjs';
import { roundHalfEven } from './numbers.mjs';
import { Resampler } from './resample.mjs';

/** Stamps are believed once they stray this far from the count of samples: rounding and jitter stay below. */
const STAMP_TOLERANCE_SECONDS = 0.015;
/** A slot counts as present when at least this many of its samples exist. */
const MIN_SAMPLES_OF_SLOT = SAMPLES_PER_SLOT / 2;

/**
 * Takes decoded sound piece by piece: `push(seconds, channels)` with the time of the first sample on the grid and one
 * Float32Array a channel; `close()` returns {samples: Float32Array (slots * 640), present: Uint8Array (slots)}.
 */
export class SoundPlacer {
  constructor(rateHz, channelNames) {
    this.rateHz = rateHz;
    this.mixer = new MonoMixer(channelNames);
    this.resamplers = null;
    this.parts = []; // {position, samples} in order, none overlapping
    this.position = 0;
    this.writeAt = 0;
    this.runStart = 0;
    this.runSamples = 0;
  }

  push(seconds, channels) {
    const expected = this.runStart + this.runSamples / this.rateHz;
    if (this.resamplers === null || Math.abs(seconds - expected) > STAMP_TOLERANCE_SECONDS) {
      this.#drain();
      this.resamplers = channels.map(() => new Resampler(this.rateHz));
      this.runStart = seconds;
      this.runSamples = 0;
      this.writeAt = roundHalfEven(seconds * SAMPLE_RATE_HZ);
    }
    this.runSamples += channels[0].length;
    this.#place(this.mixer.mix(channels.map((channel, i) => this.resamplers[i].push(channel))));
  }

  close() {
    this.#drain();
    const slots = Math.floor((this.position + SAMPLES_PER_SLOT - MIN_SAMPLES_OF_SLOT) / SAMPLES_PER_SLOT);
    const samples = new Float32Array(slots * SAMPLES_PER_SLOT);
    const filled = new Int32Array(slots);
    for (const { position, samples: part } of this.parts) {
      for (let n = 0; n < part.length && position + n < samples.length; n += 1) {
        const value = part[n];
        samples[position + n] = Number.isNaN(value) ? 0 : Math.min(1, Math.max(-1, value));
        filled[Math.floor((position + n) / SAMPLES_PER_SLOT)] += 1;
      }
    }
    const present = Uint8Array.from(filled, (count) => (count >= MIN_SAMPLES_OF_SLOT ? 1 : 0));
    present.forEach((there, slot) => {
      if (!there) samples.fill(0, slot * SAMPLES_PER_SLOT, (slot + 1) * SAMPLES_PER_SLOT);
    });
    return { samples, present };
  }

  #drain() {
    if (this.resamplers === null) return;
    this.#place(this.mixer.mix(this.resamplers.map((one) => one.end())));
    this.#place(this.mixer.flush());
    this.resamplers = null;
  }

  #place(mono) {
    const cut = Math.min(mono.length, Math.max(0, this.position - this.writeAt));
    if (cut < mono.length) {
      this.parts.push({ position: this.writeAt + cut, samples: mono.slice(cut) });
      this.position = this.writeAt + mono.length;
    }
    this.writeAt += mono.length;
  }
}
