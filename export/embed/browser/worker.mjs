// SPDX-License-Identifier: Apache-2.0
// Judges files for the page, away from its thread: decodes, runs the kit's graphs and says how far it is.

import * as ort from '/ort/ort.wasm.min.mjs';

import { judge } from '../js/detect.mjs';
import { openKit } from '../js/kit.mjs';
import { openFile } from './decode.mjs';

ort.env.wasm.wasmPaths = '/ort/';
// More threads than cores, or than the memory of a page bears, make it slower.
ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;

const CURVE_POINTS = 240;
let kit = null;

async function fetched(name) {
  const answer = await fetch(`/kit/${name}`);
  if (!answer.ok) throw new Error(`the kit's ${name} cannot be loaded (${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function sha256(bytes) {
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The highest known value of each of at most CURVE_POINTS stretches; null where nothing was scored. */
function thinned(curve) {
  const step = Math.max(1, Math.ceil(curve.length / CURVE_POINTS));
  return Array.from({ length: Math.ceil(curve.length / step) }, (_, i) => {
    const known = [...curve.subarray(i * step, (i + 1) * step)].filter((value) => !Number.isNaN(value));
    return known.length ? Math.max(...known) : null;
  });
}

async function judgeFile({ file, decodedSound }) {
  kit ??= openKit({ ort, read: fetched, sha256, provider: 'wasm', session: {} });
  const opened = await kit.catch((error) => {
    kit = null;
    throw error;
  });
  const media = await openFile(file, decodedSound);
  let last = 0;
  const tell = (seconds, stage) => {
    if (performance.now() - last < 100) return;
    last = performance.now();
    postMessage({ type: 'progress', seconds, total: media.seconds, stage });
  };
  const { document, found, analysis } = await judge(opened, file.name, media, tell);
  const faces = analysis.tracks.map(({ trackId, firstSlot, stopSlot, picture, isFrozen }) => ({
    trackId,
    firstSlot,
    stopSlot,
    picture,
    isFrozen,
    probability: found.faces.find((face) => face.trackId === trackId)?.own ?? null,
  }));
  const curves = Object.fromEntries(Object.entries(found.curves).map(([stream, curve]) => [stream, thinned(curve)]));
  const thresholds = Object.fromEntries(
    ['video', 'audio', 'sync'].map((name) => [name, found.points[name]?.fake_threshold ?? null]),
  );
  postMessage({ type: 'verdict', document, faces, curves, thresholds, seconds: analysis.slots / 25 });
}

onmessage = async ({ data }) => {
  try {
    await judgeFile(data);
  } catch (error) {
    postMessage({
      type: 'error',
      text: error.message,
      isFault: !['UnreadableError', 'ContainerError', 'KitError'].includes(error.constructor.name),
    });
  }
};
