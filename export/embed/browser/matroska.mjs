// SPDX-License-Identifier: Apache-2.0
// Reads the blocks of a Matroska or WebM file and when they are shown. Source: RFC 9559 (Matroska), RFC 8794 (EBML).

import { ContainerError, av1, avc, hevc } from './mp4.mjs';

const [SEGMENT, INFO, TRACKS, ENTRY, CLUSTER, GROUP, VIDEO, AUDIO] = [
  0x18538067, 0x1549a966, 0x1654ae6b, 0xae, 0x1f43b675, 0xa0, 0xe0, 0xe1,
];
/** What is gone into; everything else is passed over or read. */
const FOLDERS = new Set([SEGMENT, INFO, TRACKS, ENTRY, CLUSTER, GROUP, VIDEO, AUDIO]);
const FIELDS = {
  0xd7: 'number',
  0x83: 'type',
  0x86: 'codecId',
  0x63a2: 'privateData',
  0x56aa: 'delayNanoseconds',
  0x23e383: 'periodNanoseconds',
  0xb0: 'width',
  0xba: 'height',
  0xb5: 'rateHz',
  0x9f: 'channels',
};
const [SCALE, CLUSTER_TIME, SIMPLE_BLOCK, BLOCK, REFERENCE] = [0x2ad7b1, 0xe7, 0xa3, 0xa1, 0xfb];
const CODECS = {
  V_VP8: 'vp8',
  V_VP9: 'vp09.00.31.08',
  A_OPUS: 'opus',
  A_VORBIS: 'vorbis',
  A_FLAC: 'flac',
  'A_MPEG/L3': 'mp3',
};

/** Says whether the bytes begin like such a file. */
export const isMatroska = (bytes) => bytes[0] === 0x1a && bytes[1] === 0x45 && bytes[2] === 0xdf && bytes[3] === 0xa3;

/** Reads a number whose first byte says how many follow; returns [value, length]. */
function number(view, at, keepsMark) {
  const first = view.getUint8(at);
  const length = Math.clz32(first) - 23;
  if (length > 8) throw new ContainerError('the file is damaged');
  let value = keepsMark ? first : first & (0xff >> length);
  for (let i = 1; i < length; i += 1) value = value * 256 + view.getUint8(at + i);
  return [value, length];
}

const unsigned = (bytes) => bytes.reduce((value, byte) => value * 256 + byte, 0);

function float(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return bytes.length === 8 ? view.getFloat64(0) : view.getFloat32(0);
}

/** Returns the first picture and the first sound of a file, as readMp4 does. */
export function readMatroska(buffer) {
  const view = new DataView(buffer);
  const tracks = [];
  let scale = 1_000_000;
  let clusterTime = 0;
  let last = null;
  for (let at = 0; at + 2 <= buffer.byteLength;) {
    const [id, idLength] = number(view, at, true);
    const [size, sizeLength] = number(view, at + idLength, false);
    at += idLength + sizeLength;
    if (FOLDERS.has(id)) {
      if (id === ENTRY) tracks.push({ samples: [] });
      continue;
    }
    if (at + size > buffer.byteLength) break; // cut off
    const bytes = new Uint8Array(buffer, at, size);
    if (id === SCALE) scale = unsigned(bytes);
    else if (id === CLUSTER_TIME) clusterTime = unsigned(bytes);
    else if (id === SIMPLE_BLOCK || id === BLOCK) last = addBlock(view, at, size, id, tracks, clusterTime, scale);
    else if (id === REFERENCE && last !== null) last.isKey = false;
    else if (FIELDS[id] && tracks.length) tracks[tracks.length - 1][FIELDS[id]] ??= bytes.slice();
    at += size;
  }
  const first = (type) => tracks.find((track) => track.type && unsigned(track.type) === type && track.samples.length);
  const [video, audio] = [first(1), first(2)];
  return { video: video ? describe(video) : null, audio: audio ? describe(audio) : null };
}

function addBlock(view, at, size, id, tracks, clusterTime, scale) {
  const [trackNumber, length] = number(view, at, false);
  const track = tracks.find((one) => one.number && unsigned(one.number) === trackNumber);
  if (!track) return null;
  const flags = view.getUint8(at + length + 2);
  if (flags & 6)
    throw new ContainerError('the file has several frames in a block (lacing), which this page does not read');
  const sample = {
    at: at + length + 3,
    size: size - length - 3,
    seconds: ((clusterTime + view.getInt16(at + length)) * scale) / 1e9,
    isKey: id === BLOCK || (flags & 128) !== 0,
  };
  track.samples.push(sample);
  return sample;
}

function describe(track) {
  const id = new TextDecoder().decode(track.codecId ?? new Uint8Array()).replace(/\0+$/, '');
  const delay = track.delayNanoseconds ? unsigned(track.delayNanoseconds) / 1e9 : 0;
  return {
    ...codecOf(id, track.privateData),
    samples: track.samples.map((sample) => ({ ...sample, seconds: sample.seconds - delay })),
    startSeconds: delay > 0 ? track.samples[0].seconds : -Infinity,
    stopSeconds: Infinity,
    fps: track.periodNanoseconds ? 1e9 / unsigned(track.periodNanoseconds) : usualRate(track.samples),
    matrix: [1, 0, 0, 1],
    pixelAspect: 1,
    width: track.width ? unsigned(track.width) : 0,
    height: track.height ? unsigned(track.height) : 0,
    rateHz: track.rateHz ? Math.round(float(track.rateHz)) : 0,
    channels: track.channels ? unsigned(track.channels) : 1,
  };
}

function codecOf(id, privateData) {
  if (id === 'V_MPEG4/ISO/AVC') return avc(privateData);
  if (id === 'V_MPEGH/ISO/HEVC') return hevc(privateData);
  if (id === 'V_AV1') return privateData ? av1(privateData) : { codec: 'av01.0.08M.08' };
  if (id.startsWith('A_AAC') && privateData)
    return { codec: `mp4a.40.${privateData[0] >> 3}`, description: privateData };
  return {
    codec: CODECS[id] ?? id,
    ...(id === 'A_VORBIS' || id === 'A_FLAC' || id === 'A_OPUS' ? { description: privateData } : {}),
  };
}

/** The rate of pictures that no header states: by the middle step from one to the next. */
function usualRate(samples) {
  const times = samples.map((sample) => sample.seconds).sort((a, b) => a - b);
  const steps = times
    .slice(1)
    .map((time, i) => time - times[i])
    .filter((step) => step > 0)
    .sort((a, b) => a - b);
  return steps.length ? 1 / steps[steps.length >> 1] : 0;
}
