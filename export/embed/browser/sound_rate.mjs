// SPDX-License-Identifier: Apache-2.0
// Tells the sampling rate of a file of sound alone, so that the browser need not take it to another.

const MP3_RATES = [[11025, 12000, 8000], null, [22050, 24000, 16000], [44100, 48000, 32000]];

const ascii = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));

/** Returns the rate in Hz by the first bytes of a WAV, FLAC, Ogg or MP3 file; null for anything else. */
export function rateOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 64) return null;
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 4) === 'WAVE') return ofWave(bytes, view);
  if (ascii(bytes, 0, 4) === 'fLaC') return (bytes[18] << 12) | (bytes[19] << 4) | (bytes[20] >> 4);
  if (ascii(bytes, 0, 4) === 'OggS') {
    const first = 27 + bytes[26];
    if (ascii(bytes, first, 8) === 'OpusHead') return 48000;
    return ascii(bytes, first + 1, 6) === 'vorbis' ? view.getUint32(first + 12, true) : null;
  }
  return ofMp3(bytes);
}

function ofWave(bytes, view) {
  for (let at = 12; at + 24 < bytes.length; at += 8 + view.getUint32(at + 4, true)) {
    if (ascii(bytes, at, 4) === 'fmt ') return view.getUint32(at + 12, true);
  }
  return null;
}

function ofMp3(bytes) {
  let at = 0;
  if (ascii(bytes, 0, 3) === 'ID3') at = 10 + ((bytes[6] << 21) | (bytes[7] << 14) | (bytes[8] << 7) | bytes[9]);
  if (at + 4 > bytes.length || bytes[at] !== 0xff || (bytes[at + 1] & 0xe0) !== 0xe0) return at > 0 ? 44100 : null;
  return MP3_RATES[(bytes[at + 1] >> 3) & 3]?.[(bytes[at + 2] >> 2) & 3] ?? null;
}
