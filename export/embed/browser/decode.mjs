// SPDX-License-Identifier: Apache-2.0
// Decodes the pictures and the sound of a file with WebCodecs, a few at a time.

import { placed, originSeconds } from '../js/grid.mjs';
import { channelNames } from '../js/mixing.mjs';
import { SoundPlacer } from '../js/sound.mjs';
import { isMatroska, readMatroska } from './matroska.mjs';
import { isMp4, readMp4 } from './mp4.mjs';
import { fromImage, rgbOf } from './pixels.mjs';

/** What this browser, or this page, cannot read; the message says why. */
export class UnreadableError extends Error {}

/** So many decoded pictures may wait: decoders have few buffers. */
const MOST_WAITING = 6;
/** Larger files are not read: the page holds them in memory. */
const MAX_BYTES = 1024 ** 3;
const MAX_PIXELS = 64_000_000;

/** Returns what of a track WebCodecs takes, or throws if this browser has no decoder for it. */
async function supported(Decoder, track, config, what) {
  let answer = null;
  try {
    answer = await Decoder.isConfigSupported(config);
  } catch {
    answer = null; // a name that it does not know
  }
  if (!answer?.supported) throw new UnreadableError(`this browser cannot decode the ${what} (${track.codec})`);
}

const chunkOf = (Chunk, buffer, { at, size, seconds, isKey }) =>
  new Chunk({
    type: isKey ? 'key' : 'delta',
    timestamp: Math.round(seconds * 1e6),
    data: new Uint8Array(buffer, at, size),
  });

/** Yields what a decoder makes of the samples of a track, in its order, with few waiting. */
async function* decoded(Decoder, Chunk, config, buffer, track) {
  const ready = [];
  let failure = null;
  let wake = () => {};
  const decoder = new Decoder({
    output: (frame) => {
      ready.push(frame);
      wake();
    },
    error: (error) => {
      failure = error;
      wake();
    },
  });
  decoder.configure(config);
  decoder.ondequeue = () => wake();
  let next = 0;
  let flushed = null;
  try {
    for (;;) {
      while (next < track.samples.length && decoder.decodeQueueSize + ready.length < MOST_WAITING && !failure) {
        decoder.decode(chunkOf(Chunk, buffer, track.samples[next]));
        next += 1;
      }
      if (next === track.samples.length && flushed === null && !failure) {
        flushed = 'flushing';
        decoder.flush().then(
          () => {
            flushed = 'done';
            wake();
          },
          (error) => {
            failure ??= error;
            wake();
          },
        );
      }
      if (ready.length) yield ready.shift();
      else if (failure || flushed === 'done') break;
      else
        await new Promise((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    ready.forEach((frame) => frame.close());
    if (decoder.state !== 'closed') decoder.close();
  }
  if (failure) throw new UnreadableError(`the decoder failed (${failure.message})`);
}

async function* pictures(buffer, track, origin, counts) {
  const config = { codec: track.codec, codedWidth: track.width, codedHeight: track.height };
  if (track.description) config.description = track.description;
  // Hardware decoders may hand over other pixels than others do.
  config.hardwareAcceleration = 'prefer-software';
  for await (const frame of decoded(VideoDecoder, EncodedVideoChunk, config, buffer, track)) {
    const seconds = frame.timestamp / 1e6;
    if (seconds < track.startSeconds - 1e-6 || seconds >= track.stopSeconds - 1e-6) {
      frame.close(); // the edit list leaves it out
      continue;
    }
    counts.frames += 1;
    yield { seconds: seconds - origin, picture: await rgbOf(frame, track.matrix) };
  }
}

/** Decodes the sound and lays it out on the grid. */
async function readSound(buffer, track, videoStart) {
  const config = { codec: track.codec, numberOfChannels: track.channels, sampleRate: track.rateHz };
  if (track.description) config.description = track.description;
  await supported(AudioDecoder, track, config, 'sound');
  let placer = null;
  let origin = 0;
  for await (const audio of decoded(AudioDecoder, EncodedAudioChunk, config, buffer, track)) {
    const channels = Array.from({ length: audio.numberOfChannels }, (_, planeIndex) => {
      const samples = new Float32Array(audio.numberOfFrames);
      audio.copyTo(samples, { planeIndex, format: 'f32-planar' });
      return samples;
    });
    const { timestamp, sampleRate } = audio;
    audio.close();
    // What lies before the beginning of the edit is the encoder's delay.
    const cut = Math.max(0, Math.round((track.startSeconds - timestamp / 1e6) * sampleRate));
    if (cut >= channels[0].length) continue;
    const seconds = timestamp / 1e6 + (Number.isFinite(cut) ? cut / sampleRate : 0);
    if (seconds >= track.stopSeconds) break;
    if (placer === null) {
      origin = originSeconds(videoStart, seconds);
      placer = new SoundPlacer(sampleRate, channelNames(channels.length));
    }
    placer.push(
      seconds - origin,
      channels.map((channel) => channel.subarray(cut)),
    );
  }
  return { sound: placer === null ? null : placer.close(), origin };
}

const firstSeconds = (track) =>
  track.samples.reduce(
    (low, { seconds }) => (seconds >= track.startSeconds - 1e-6 ? Math.min(low, seconds) : low),
    Infinity,
  );

/** Opens a video (with or without sound), or sound in such a container. */
async function openContainer(buffer, bytes) {
  const { video, audio } = isMp4(bytes) ? readMp4(buffer) : readMatroska(buffer);
  if (video === null && audio === null) throw new UnreadableError('the file has neither picture nor sound');
  const counts = { frames: 0 };
  if (video !== null) {
    if (video.width * video.height > MAX_PIXELS)
      throw new UnreadableError(`its pictures have over ${MAX_PIXELS} pixels`);
    const config = { codec: video.codec, ...(video.description ? { description: video.description } : {}) };
    await supported(VideoDecoder, video, config, 'picture');
    if (Math.abs(video.pixelAspect - 1) > 1e-3)
      throw new UnreadableError('its pixels are not square, which this page does not undo');
  }
  const start = video === null ? null : firstSeconds(video);
  const read = audio === null ? { sound: null, origin: start } : await readSound(buffer, audio, start);
  const origin = read.sound === null ? start : read.origin;
  const isStill = video !== null && audio === null && video.samples.length === 1;
  const end = video === null ? 0 : Math.max(...video.samples.map(({ seconds }) => seconds)) + 1 - origin;
  const shown = video === null ? null : pictures(buffer, video, origin, counts);
  return {
    kind: video === null ? 'recording' : isStill ? 'still' : 'talking_head',
    sound: read.sound,
    hasAudio: audio !== null,
    pictures: video === null ? null : isStill ? still(shown) : placed(shown, video.fps, end),
    seconds: video === null ? read.sound.present.length / 25 : end - 1,
    report: () => ({ frames: counts.frames, coverage: 1 }),
  };
}

async function* still(shown) {
  for await (const { picture } of shown) yield { firstSlot: 0, count: 1, picture };
}

/** Opens a photograph, set upright as the browser shows it. */
async function openImage(file) {
  let image;
  try {
    image = await createImageBitmap(file, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch {
    throw new UnreadableError('this browser cannot decode the file');
  }
  if (image.width * image.height > MAX_PIXELS) throw new UnreadableError(`the picture has over ${MAX_PIXELS} pixels`);
  const picture = fromImage(image, image.width, image.height);
  image.close();
  async function* one() {
    yield { firstSlot: 0, count: 1, picture };
  }
  return {
    kind: 'still',
    sound: null,
    hasAudio: false,
    pictures: one(),
    seconds: 0.04,
    report: () => ({ frames: 1, coverage: 1 }),
  };
}

/** Takes sound that the page has decoded: {rateHz, channels: Float32Array[]}. */
function openSound({ rateHz, channels }) {
  const placer = new SoundPlacer(rateHz, channelNames(channels.length));
  placer.push(0, channels);
  const sound = placer.close();
  return {
    kind: 'recording',
    sound,
    hasAudio: true,
    pictures: null,
    seconds: sound.present.length / 25,
    report: () => ({ frames: 0, coverage: 1 }),
  };
}

/**
 * Opens a file for judging.
 * @param {File} file
 * @param {object|null} decodedSound of a file of sound alone, which the page has decoded
 */
export async function openFile(file, decodedSound) {
  if (file.size > MAX_BYTES) throw new UnreadableError('the file has over 1 GiB; this page holds a file in memory');
  const bytes = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  if (isMp4(bytes) || isMatroska(bytes)) return openContainer(await file.arrayBuffer(), bytes);
  return decodedSound ? openSound(decodedSound) : openImage(file);
}

/** Says whether a file is one that the worker reads by itself. */
export const isContainer = (bytes) => isMp4(bytes) || isMatroska(bytes);
