// SPDX-License-Identifier: Apache-2.0
// Finds speech: sound that is loud enough, moves as speech does, and in which the speech net hears a voice.
// As cad/speech.py, cad/speech_net.py and cad/loudness.py.

import { SAMPLE_RATE_HZ, SAMPLES_PER_SLOT } from './grid.mjs';
import { quantile } from './numbers.mjs';
import { flipShortRuns, runsOf } from './runs.mjs';

/** Levels that a slot of silence still has: by which speech is found, and that lips are held against. */
const SPEECH_POWER = 10 ** (-120 / 10);
const LIPS_POWER = 10 ** (-100 / 10);
/** Loudness never lies further below the loudest slot. */
const LOUDNESS_RANGE_DB = 50;

function slotLevels(samples, addedPower, withoutOffset) {
  const slots = Math.floor(samples.length / SAMPLES_PER_SLOT);
  const levels = new Float64Array(slots);
  for (let slot = 0; slot < slots; slot += 1) {
    const first = slot * SAMPLES_PER_SLOT;
    let sum = 0;
    for (let n = first; n < first + SAMPLES_PER_SLOT; n += 1) sum += samples[n];
    const offset = withoutOffset ? sum / SAMPLES_PER_SLOT : 0;
    let power = 0;
    for (let n = first; n < first + SAMPLES_PER_SLOT; n += 1) power += (samples[n] - offset) ** 2;
    levels[slot] = 10 * Math.log10(power / SAMPLES_PER_SLOT + addedPower);
  }
  return levels;
}

/** Returns the loudness of the speech of every slot in dB, NaN where there is none. */
export function loudness(samples, speech) {
  const level = slotLevels(samples, LIPS_POWER, false);
  let loudest = -Infinity;
  speech.forEach((there, slot) => {
    if (there) loudest = Math.max(loudest, level[slot]);
  });
  return Float64Array.from(level, (value, slot) => (speech[slot] ? Math.max(value, loudest - LOUDNESS_RANGE_DB) : NaN));
}

/** Returns where the level is high enough beside `loud` and moves as that of speech (Uint8Array). */
function moving(present, level, loud, c) {
  const half = c.LEVEL_RANGE_SLOTS >> 1;
  const floor = Math.max(c.FLOOR_DBFS, loud - c.BELOW_LOUD_DB);
  const heard = Uint8Array.from(present, (there, slot) => {
    if (!there || !(level[slot] > floor)) return 0;
    let low = Infinity;
    let high = -Infinity;
    for (let near = Math.max(0, slot - half); near <= Math.min(level.length - 1, slot + half); near += 1) {
      low = Math.min(low, level[near]);
      high = Math.max(high, level[near]);
    }
    return high - low > c.MIN_LEVEL_RANGE_DB ? 1 : 0;
  });
  const joined = flipShortRuns(heard, false, c.MAX_PAUSE_SLOTS, false).map((on, slot) => (on && present[slot] ? 1 : 0));
  return flipShortRuns(joined, true, c.MIN_BURST_SLOTS - 1, true);
}

/** Goes through one stretch of sound with the speech net; returns the probability of every block. */
async function hear(run, samples, gain, c) {
  const { BLOCK_SAMPLES, CONTEXT_SAMPLES } = c;
  const blocks = new Float32Array(Math.ceil(samples.length / BLOCK_SAMPLES));
  const input = new Float32Array(CONTEXT_SAMPLES + BLOCK_SAMPLES);
  let state = { data: new Float32Array(2 * 128), dims: [2, 1, 128] };
  const sr = { data: BigInt64Array.of(BigInt(SAMPLE_RATE_HZ)), dims: [] };
  for (let block = 0; block < blocks.length; block += 1) {
    input.copyWithin(0, BLOCK_SAMPLES);
    input.fill(0, CONTEXT_SAMPLES);
    const fresh = samples.subarray(block * BLOCK_SAMPLES, (block + 1) * BLOCK_SAMPLES);
    fresh.forEach((sample, n) => {
      input[CONTEXT_SAMPLES + n] = Math.fround(gain) * sample;
    });
    const said = await run('speech', { input: { data: input, dims: [1, input.length] }, state, sr });
    blocks[block] = said.output.data[0];
    state = said.stateN;
  }
  return blocks;
}

function sumAround(values, reach) {
  const total = new Float64Array(values.length + 1);
  values.forEach((value, slot) => {
    total[slot + 1] = total[slot] + value;
  });
  return Float64Array.from(
    values,
    (_, slot) => total[Math.min(values.length, slot + reach + 1)] - total[Math.max(0, slot - reach)],
  );
}

/**
 * Returns which slots of a sound hold speech (Uint8Array).
 * @param {{samples: Float32Array, present: Uint8Array}} sound as SoundPlacer gives it
 * @param {Function} run runs a graph by name
 * @param {object} c constants of the kit's part `speech`
 */
export async function findSpeech({ samples, present }, run, c) {
  if (!present.some(Boolean)) return new Uint8Array(present.length);
  const level = slotLevels(samples, SPEECH_POWER, true);
  const loud = quantile(
    level.filter((_, slot) => present[slot]),
    0.95,
  );
  const moves = moving(present, level, loud, c);
  const gain = 10 ** ((c.HEARD_AT_DBFS - loud) / 20);
  const voice = new Float64Array(moves.length);
  for (const [start, stop] of runsOf(moves)) {
    const heard = await hear(run, samples.subarray(start * SAMPLES_PER_SLOT, stop * SAMPLES_PER_SLOT), gain, c);
    for (let slot = 0; slot < stop - start; slot += 1) {
      const first = Math.floor((slot * SAMPLES_PER_SLOT) / c.BLOCK_SAMPLES);
      const last = Math.floor(((slot + 1) * SAMPLES_PER_SLOT - 1) / c.BLOCK_SAMPLES);
      voice[start + slot] = Math.max(...heard.subarray(first, last + 1));
    }
  }
  const voices = sumAround(voice, c.VOICE_REACH_SLOTS);
  const around = sumAround(moves, c.VOICE_REACH_SLOTS);
  const spoken = moves.map((on, slot) =>
    on && voices[slot] / Math.max(around[slot], c.MAX_PAUSE_SLOTS) >= c.MIN_VOICE ? 1 : 0,
  );
  const near = sumAround(spoken, c.VOICE_REACH_SLOTS);
  return moves.map((on, slot) => (on && near[slot] > 0.5 ? 1 : 0));
}
