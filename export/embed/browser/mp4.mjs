// SPDX-License-Identifier: Apache-2.0
// Reads the index of an MP4 or QuickTime file: where every coded picture and piece of sound lies, and when it is shown
// by the edit list. Source: ISO/IEC 14496-12. Files in fragments are not read.

export class ContainerError extends Error {}

const text = (view, at, length = 4) =>
  String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));

/** Yields the boxes inside a part of the file: {type, start, stop} of what each holds. */
function* boxesOf(view, start, stop) {
  let at = start;
  while (at + 8 <= stop) {
    let size = view.getUint32(at);
    let header = 8;
    if (size === 1 && at + 16 <= stop) {
      size = Number(view.getBigUint64(at + 8));
      header = 16;
    }
    if (size === 0) size = stop - at;
    if (size < header || at + size > stop) return;
    yield { type: text(view, at + 4), start: at + header, stop: at + size };
    at += size;
  }
}

function find(view, within, ...path) {
  let found = within;
  for (const type of path) {
    found = [...boxesOf(view, found.start, found.stop)].find((box) => box.type === type);
    if (!found) return null;
  }
  return found;
}

const slice = (view, { start, stop }) =>
  new Uint8Array(view.buffer.slice(view.byteOffset + start, view.byteOffset + stop));
const hex = (value, digits = 2) => value.toString(16).padStart(digits, '0');

/** Says whether the bytes begin like such a file. */
export function isMp4(bytes) {
  const type = String.fromCharCode(...bytes.subarray(4, 8));
  return ['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip'].includes(type);
}

/**
 * Returns the first picture and the first sound of a file.
 * @param {ArrayBuffer} buffer the whole file
 * @returns {{video: object|null, audio: object|null}} tracks with `samples`: [{at, size, seconds, isKey}] in the order
 *   in which they are decoded
 */
export function readMp4(buffer) {
  const view = new DataView(buffer);
  const file = { start: 0, stop: buffer.byteLength };
  const moov = find(view, file, 'moov');
  if (!moov) throw new ContainerError('the file has no index (moov)');
  if (find(view, moov, 'mvex'))
    throw new ContainerError('the file is in fragments (fMP4), which this page does not read');
  const movieScale = timeScale(view, find(view, moov, 'mvhd'));
  const tracks = [...boxesOf(view, moov.start, moov.stop)]
    .filter((box) => box.type === 'trak')
    .map((trak) => readTrack(view, trak, movieScale));
  const first = (kind) => tracks.find((track) => track !== null && track.kind === kind) ?? null;
  return { video: first('vide'), audio: first('soun') };
}

const timeScale = (view, box) => view.getUint32(box.start + (view.getUint8(box.start) === 1 ? 20 : 12));

function readTrack(view, trak, movieScale) {
  const media = find(view, trak, 'mdia');
  const kind = text(view, find(view, media, 'hdlr').start + 8);
  const table = find(view, media, 'minf', 'stbl');
  if (!['vide', 'soun'].includes(kind) || !table) return null;
  const scale = timeScale(view, find(view, media, 'mdhd'));
  const part = (type) => find(view, table, type);
  const sizes = readSizes(view, part('stsz'));
  if (!sizes.length) return null;
  const places = readPlaces(view, part, sizes);
  const { times, ticks } = readTimes(view, part, sizes.length);
  const edit = readEdit(view, find(view, trak, 'edts', 'elst'), movieScale);
  const keys = readKeys(view, part('stss'));
  const samples = sizes.map((size, i) => ({
    at: places[i],
    size,
    seconds: (times[i] - edit.mediaTime) / scale + edit.delaySeconds,
    isKey: keys === null || keys.has(i + 1),
  }));
  const matrix = find(view, trak, 'tkhd');
  return {
    kind,
    samples,
    startSeconds: edit.delaySeconds,
    stopSeconds: edit.seconds > 0 ? edit.delaySeconds + edit.seconds : Infinity,
    fps: (sizes.length * scale) / ticks,
    matrix: kind === 'vide' ? readMatrix(view, matrix) : null,
    ...readEntry(view, part('stsd'), kind),
  };
}

function readSizes(view, box) {
  const all = view.getUint32(box.start + 4);
  const count = view.getUint32(box.start + 8);
  return Array.from({ length: count }, (_, i) => all || view.getUint32(box.start + 12 + 4 * i));
}

/** Returns where in the file every sample begins. */
function readPlaces(view, part, sizes) {
  const wide = part('co64');
  const chunks = wide ?? part('stco');
  const placeOf = (i) =>
    wide ? Number(view.getBigUint64(chunks.start + 8 + 8 * i)) : view.getUint32(chunks.start + 8 + 4 * i);
  const runs = part('stsc');
  const runCount = view.getUint32(runs.start + 4);
  const places = [];
  for (let run = 0; run < runCount; run += 1) {
    const at = runs.start + 8 + 12 * run;
    const first = view.getUint32(at) - 1;
    const stop = run + 1 < runCount ? view.getUint32(at + 12) - 1 : view.getUint32(chunks.start + 4);
    const perChunk = view.getUint32(at + 4);
    for (let chunk = first; chunk < stop; chunk += 1) {
      let place = placeOf(chunk);
      for (let i = 0; i < perChunk && places.length < sizes.length; i += 1) {
        places.push(place);
        place += sizes[places.length - 1];
      }
    }
  }
  return places;
}

/** Returns when every sample is presented, in ticks of the track, and how long all take. */
function readTimes(view, part, count) {
  const times = new Array(count).fill(0);
  const steps = part('stts');
  let ticks = 0;
  let sample = 0;
  for (let i = 0; i < view.getUint32(steps.start + 4); i += 1) {
    const many = view.getUint32(steps.start + 8 + 8 * i);
    const step = view.getUint32(steps.start + 12 + 8 * i);
    for (let n = 0; n < many && sample < count; n += 1, sample += 1, ticks += step) times[sample] = ticks;
  }
  const shifts = part('ctts');
  sample = 0;
  for (let i = 0; shifts && i < view.getUint32(shifts.start + 4); i += 1) {
    const many = view.getUint32(shifts.start + 8 + 8 * i);
    const shift = view.getInt32(shifts.start + 12 + 8 * i);
    for (let n = 0; n < many && sample < count; n += 1, sample += 1) times[sample] += shift;
  }
  return { times, ticks };
}

/** Returns from where on the track is shown, for how long, and after which delay: one edit, with nothing before it. */
function readEdit(view, box, movieScale) {
  const edit = { mediaTime: 0, delaySeconds: 0, seconds: 0 };
  if (!box) return edit;
  const isLong = view.getUint8(box.start) === 1;
  let shown = 0;
  for (let i = 0; i < view.getUint32(box.start + 4); i += 1) {
    const at = box.start + 8 + (isLong ? 20 : 12) * i;
    const seconds = (isLong ? Number(view.getBigUint64(at)) : view.getUint32(at)) / movieScale;
    const mediaTime = isLong ? Number(view.getBigInt64(at + 8)) : view.getInt32(at + 4);
    if (mediaTime < 0 && !shown) {
      edit.delaySeconds += seconds;
    } else if (mediaTime >= 0) {
      shown += 1;
      if (shown > 1)
        throw new ContainerError('the file is put together of several edits, which this page does not read');
      edit.mediaTime = mediaTime;
      edit.seconds = seconds;
    }
  }
  return edit;
}

function readKeys(view, box) {
  if (!box) return null;
  return new Set(
    Array.from({ length: view.getUint32(box.start + 4) }, (_, i) => view.getUint32(box.start + 8 + 4 * i)),
  );
}

/** Returns how stored pixels are turned to stand upright: [a, b, c, d] of x = a p + c q, y = b p + d q. */
function readMatrix(view, box) {
  const at = box.start + (view.getUint8(box.start) === 1 ? 52 : 40);
  return [0, 4, 12, 16].map((offset) => Math.sign(view.getInt32(at + offset)));
}

/** Returns how a track is coded, as WebCodecs names it. */
function readEntry(view, box, kind) {
  const entry = [...boxesOf(view, box.start + 8, box.stop)][0];
  const { type, start, stop } = entry;
  if (kind === 'vide') {
    const inner = { start: start + 78, stop };
    const shape = find(view, inner, 'pasp');
    return {
      ...videoCodec(view, type, inner),
      width: view.getUint16(start + 24),
      height: view.getUint16(start + 26),
      pixelAspect: shape ? view.getUint32(shape.start) / view.getUint32(shape.start + 4) : 1,
    };
  }
  const inner = { start: start + (view.getUint16(start + 8) === 1 ? 44 : 28), stop };
  return {
    ...audioCodec(view, type, inner),
    channels: view.getUint16(start + 16),
    rateHz: view.getUint32(start + 24) >>> 16,
  };
}

function videoCodec(view, type, inner) {
  const own = (name) => find(view, inner, name);
  if (type === 'avc1' || type === 'avc3') return avc(slice(view, own('avcC')));
  if (type === 'hvc1' || type === 'hev1') return hevc(slice(view, own('hvcC')));
  if (type === 'av01') return av1(slice(view, own('av1C')));
  if (type === 'vp09' || type === 'vp08') {
    const bytes = slice(view, own('vpcC'));
    const tens = (value) => String(value).padStart(2, '0');
    return { codec: `${type}.${tens(bytes[4])}.${tens(bytes[5])}.${tens(bytes[6] >> 4)}` };
  }
  return { codec: type };
}

function audioCodec(view, type, inner) {
  if (type === 'mp4a') return aac(view, find(view, inner, 'esds') ?? find(view, inner, 'wave', 'esds'));
  if (type === 'Opus') return { codec: 'opus' };
  if (type === '.mp3') return { codec: 'mp3' };
  return { codec: type };
}

/** Returns the names for WebCodecs of a decoder's configuration record. */
export const avc = (record) => ({
  codec: `avc1.${[...record.subarray(1, 4)].map((byte) => hex(byte)).join('')}`,
  description: record,
});

export function hevc(record) {
  const space = ['', 'A', 'B', 'C'][record[1] >> 6];
  let flags = new DataView(record.buffer, record.byteOffset).getUint32(2);
  let compatible = 0;
  for (let bit = 0; bit < 32; bit += 1, flags >>>= 1) compatible = ((compatible << 1) | (flags & 1)) >>> 0;
  const constraints = [...record.subarray(6, 12)]
    .map((byte) => hex(byte))
    .join('.')
    .replace(/(\.00)+$/, '');
  const tier = record[1] & 32 ? 'H' : 'L';
  return {
    codec: `hvc1.${space}${record[1] & 31}.${compatible.toString(16)}.${tier}${record[12]}.${constraints}`,
    description: record,
  };
}

export function av1(record) {
  const level = String(record[1] & 31).padStart(2, '0');
  const depth = record[2] & 64 ? (record[2] & 32 ? 12 : 10) : 8;
  return { codec: `av01.${record[1] >> 5}.${level}${record[2] & 128 ? 'H' : 'M'}.${String(depth).padStart(2, '0')}` };
}

/** Source: ISO/IEC 14496-1, 7.2.6: descriptors in one another; the innermost configures the decoder. */
function aac(view, box) {
  let at = box.start + 4;
  let description = null;
  let object = 0;
  while (at + 2 <= box.stop) {
    const tag = view.getUint8(at);
    let size = 0;
    let byte;
    do {
      at += 1;
      byte = view.getUint8(at);
      size = (size << 7) | (byte & 127);
    } while (byte & 128 && at + 1 < box.stop);
    at += 1;
    if (tag === 3) at += 3;
    else if (tag === 4) {
      object = view.getUint8(at);
      at += 13;
    } else if (tag === 5) {
      description = slice(view, { start: at, stop: at + size });
      break;
    } else at += size;
  }
  if (object === 0x6b || object === 0x69) return { codec: 'mp3' };
  if (description === null) return { codec: 'mp4a' };
  return { codec: `mp4a.40.${description[0] >> 3}`, description };
}
