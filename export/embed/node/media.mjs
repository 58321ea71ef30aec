// SPDX-License-Identifier: Apache-2.0
// Decodes a file with the programs ffprobe and ffmpeg: pictures as RGB with their time stamps, sound at its own rate.
//
// Time stamps come from the same run of ffmpeg as the pixels and samples (the filters showinfo and ashowinfo), so that
// none can be paired with another picture. As cad/media/audio.py and cad/media/picture.py.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { placed, originSeconds } from '../js/grid.mjs';
import { channelNames } from '../js/mixing.mjs';
import { SoundPlacer } from '../js/sound.mjs';

export class MediaError extends Error {}

/** A file may not send the decoder to other files or to the network: playlists could. */
const SAFE_INPUT = ['-protocol_whitelist', 'file,pipe'];
const PLAYLISTS = /^(hls|dash|concat|concatf|imf|sdp|rtsp|rtp|mpl2|lavfi|ffmetadata)$/;
const STILL_FORMATS = /(^|,)(image2|[a-z0-9]+_pipe)(,|$)/;
/** Pixel shapes outside this range are taken for damage. */
const MAX_PIXEL_ASPECT = 4;
/** Pictures with more pixels than these are refused before anything is decoded. */
const MAX_PIXELS = 64_000_000;
/** What is kept of the decoder's messages. */
const KEPT_MESSAGES = 20;

/** Runs a program and returns what it prints; rejects with one line. */
function output(program, args, limitSeconds) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitSeconds * 1000,
      killSignal: 'SIGKILL',
    });
    const parts = [];
    let complaints = '';
    child.stdout.on('data', (part) => parts.push(part));
    child.stderr.on('data', (part) => {
      complaints = (complaints + part).slice(-4000);
    });
    child.on('error', () => reject(new MediaError(`the program ${program} could not be started; install FFmpeg`)));
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(parts).toString());
      else reject(new MediaError(lastLine(complaints) || `${program} ended with ${code ?? 'a signal'}`));
    });
  });
}

const lastLine = (text) => text.trim().split('\n').pop().trim();

const ratio = (text) => {
  const [over, under] = String(text ?? '')
    .split(/[:/]/)
    .map(Number);
  return over > 0 && under > 0 ? over / under : 0;
};

/** Returns what ffprobe says of a file: the picture and the sound that a player would show, and the format. */
export async function probe(path, limitSeconds) {
  const args = ['-v', 'error', ...SAFE_INPUT, '-show_streams', '-show_format', '-of', 'json', `file:${path}`];
  let said;
  try {
    said = JSON.parse(await output('ffprobe', args, limitSeconds));
  } catch (error) {
    if (error instanceof MediaError) throw error;
    throw new MediaError('nothing is known of its content');
  }
  const { streams = [], format = {} } = said;
  if (
    String(format.format_name)
      .split(',')
      .some((name) => PLAYLISTS.test(name))
  ) {
    throw new MediaError('is a playlist, which would send the decoder to other files');
  }
  const chosen = (kind) => {
    const all = streams.filter((one) => one.codec_type === kind && !one.disposition?.attached_pic);
    return all.find((one) => one.disposition?.default) ?? all[0] ?? null;
  };
  const video = chosen('video');
  const audio = chosen('audio');
  if (video === null && audio === null) throw new MediaError('has neither picture nor sound');
  if (video !== null && video.width * video.height > MAX_PIXELS) {
    throw new MediaError(`has pictures of ${video.width}x${video.height} pixels; the limit is ${MAX_PIXELS}`);
  }
  return {
    video,
    audio,
    isStillFormat: STILL_FORMATS.test(format.format_name ?? ''),
    seconds: Number(format.duration) || 0,
  };
}

const running = new Set();

/** Ends all decoding that is under way, whose end the program would wait for. */
export function stopDecoders() {
  running.forEach((decoder) => decoder.stop());
}

/** Runs ffmpeg and hands on its bytes and the lines of its messages. */
class Decoder {
  constructor(path, args, limitSeconds) {
    const common = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'info', '-copyts', ...SAFE_INPUT];
    this.child = spawn('ffmpeg', [...common, '-i', `file:${path}`, ...args, 'pipe:1'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitSeconds * 1000,
      killSignal: 'SIGKILL',
    });
    this.messages = [];
    this.onLine = () => {};
    createInterface({ input: this.child.stderr }).on('line', (line) => {
      if (!this.onLine(line)) this.messages = [...this.messages, line].slice(-KEPT_MESSAGES);
    });
    this.ended = new Promise((resolve) => {
      this.child.on('error', () => resolve('could not be started'));
      this.child.on('close', (code, signal) => resolve(signal ? `was ended by ${signal}` : code));
    });
    running.add(this);
    this.ended.then(() => running.delete(this));
    this.reader = this.child.stdout[Symbol.asyncIterator]();
    this.held = [];
    this.heldBytes = 0;
  }

  /** Returns the next bytes, exactly so many, or null at the end. */
  async bytes(count) {
    while (this.heldBytes < count) {
      const { value, done } = await this.reader.next();
      if (done) return null;
      this.held.push(value);
      this.heldBytes += value.length;
    }
    const whole = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const part = this.held[0];
      const taken = part.subarray(0, count - at);
      whole.set(taken, at);
      at += taken.length;
      if (taken.length === part.length) this.held.shift();
      else this.held[0] = part.subarray(taken.length);
    }
    this.heldBytes -= count;
    return whole;
  }

  stop() {
    this.child.kill('SIGKILL');
  }
}

/** A queue of what the decoder says of each frame, in order. */
class Notes {
  constructor(decoder) {
    this.waiting = [];
    this.wake = null;
    this.isOver = false;
    decoder.ended.then(() => {
      this.isOver = true;
      this.wake?.();
    });
  }

  add(note) {
    this.waiting.push(note);
    this.wake?.();
  }

  async next() {
    while (!this.waiting.length && !this.isOver)
      await new Promise((resolve) => {
        this.wake = resolve;
      });
    return this.waiting.shift() ?? null;
  }
}

/** Yields {seconds, picture} in order; time is that of the file. */
async function* pictures(path, stream, limitSeconds) {
  const filters = [...squarePixels(stream), 'format=rgb24', 'showinfo=checksum=0'].join(',');
  const args = [
    '-map',
    `0:${stream.index}`,
    '-vf',
    filters,
    '-vsync',
    'passthrough',
    '-f',
    'rawvideo',
    '-pix_fmt',
    'rgb24',
  ];
  const decoder = new Decoder(path, args, limitSeconds);
  const notes = new Notes(decoder);
  let timeBase = 0;
  decoder.onLine = (line) => {
    if (!line.startsWith('[Parsed_showinfo_')) return false;
    const base = /config in time_base: (\d+\/\d+)/.exec(line);
    if (base) timeBase = ratio(base[1]);
    const shown = /\] n: *\d+ pts: *(-?\d+|NOPTS) .*? s:(\d+)x(\d+) /.exec(line);
    if (shown) notes.add({ seconds: Number(shown[1]) * timeBase, width: Number(shown[2]), height: Number(shown[3]) });
    return true;
  };
  try {
    let last = null;
    for (let note = await notes.next(); note !== null; note = await notes.next()) {
      const data = await decoder.bytes(note.width * note.height * 3);
      if (data === null) break;
      // A picture without a stamp follows the one before it.
      if (Number.isNaN(note.seconds))
        note.seconds = last === null ? 0 : last + 1 / (ratio(stream.avg_frame_rate) || 25);
      last = note.seconds;
      yield { seconds: note.seconds, picture: { data, width: note.width, height: note.height } };
    }
    await check(decoder);
  } finally {
    decoder.stop();
  }
}

/** The filters that give square pixels; the same size is converted by another rule, as the package does. */
function squarePixels(stream) {
  const aspect = ratio(stream.sample_aspect_ratio) || 1;
  if (aspect === 1 || aspect > MAX_PIXEL_ASPECT || aspect < 1 / MAX_PIXEL_ASPECT) return ['scale=flags=bilinear'];
  return [aspect > 1 ? 'scale=round(iw*sar):ih:flags=bicubic' : 'scale=iw:round(ih/sar):flags=bicubic'];
}

async function check(decoder) {
  const end = await decoder.ended;
  if (end !== 0)
    throw new MediaError(
      `the decoder ${typeof end === 'number' ? `ended with ${end}` : end}: ${decoder.messages.pop() ?? ''}`,
    );
}

/** Yields {seconds, channels: Float32Array[]} in order; time is that of the file. */
async function* soundFrames(path, stream, limitSeconds) {
  const args = [
    '-map',
    `0:${stream.index}`,
    '-af',
    'aformat=sample_fmts=flt,ashowinfo',
    '-f',
    'f32le',
    '-c:a',
    'pcm_f32le',
  ];
  const decoder = new Decoder(path, args, limitSeconds);
  const notes = new Notes(decoder);
  decoder.onLine = (line) => {
    const shown = /\] n:\d+ pts:(-?\d+|NOPTS) .* channels:(\d+) .*rate:(\d+) nb_samples:(\d+)/.exec(line);
    if (!line.startsWith('[Parsed_ashowinfo_') || !shown) return false;
    const [pts, channels, rate, samples] = shown.slice(1).map(Number);
    notes.add({ seconds: pts / rate, channels, rate, samples });
    return true;
  };
  try {
    let expected = 0;
    for (let note = await notes.next(); note !== null; note = await notes.next()) {
      const bytes = await decoder.bytes(note.samples * note.channels * 4);
      if (bytes === null) break;
      const seconds = Number.isNaN(note.seconds) ? expected : note.seconds;
      expected = seconds + note.samples / note.rate;
      yield { seconds, rate: note.rate, channels: deinterleaved(new Float32Array(bytes.buffer), note.channels) };
    }
    await check(decoder);
  } finally {
    decoder.stop();
  }
}

function deinterleaved(samples, count) {
  return Array.from({ length: count }, (_, channel) =>
    Float32Array.from({ length: samples.length / count }, (__, n) => samples[n * count + channel]),
  );
}

/** Lays the sound out on the grid; the first stamps of both streams say where that begins. */
async function readSound(path, stream, videoStart, limitSeconds) {
  let placer = null;
  let origin = 0;
  let seconds = 0;
  for await (const frame of soundFrames(path, stream, limitSeconds)) {
    if (placer === null) {
      origin = originSeconds(videoStart, frame.seconds);
      placer = new SoundPlacer(frame.rate, channelNames(frame.channels.length, stream.channel_layout));
    }
    placer.push(frame.seconds - origin, frame.channels);
    seconds += frame.channels[0].length / frame.rate;
  }
  return { sound: placer === null ? null : placer.close(), origin, seconds };
}

/** Gives one item back to the front of what an iterator yields. */
async function* again(items, rest) {
  yield* items;
  yield* { [Symbol.asyncIterator]: () => rest };
}

/**
 * Opens a file for judging.
 * @returns {Promise<object>} as detect.mjs takes it
 */
export async function openMedia(path, limitSeconds) {
  const { video, audio, isStillFormat, seconds: declared } = await probe(path, limitSeconds);
  const counts = { frames: 0, last: 0 };
  let shown = null;
  const begun = [];
  if (video !== null) {
    shown = pictures(path, video, limitSeconds);
    for (let i = 0; i < 2; i += 1) {
      const { value, done } = await shown.next();
      if (done) break;
      begun.push(value);
    }
    if (!begun.length && audio === null) throw new MediaError('nothing of it decodes');
  }
  const videoStart = begun.length ? begun[0].seconds : null;
  let read = { sound: null, origin: videoStart ?? 0, seconds: 0 };
  if (audio !== null) {
    try {
      read = await readSound(path, audio, videoStart, limitSeconds);
    } catch (error) {
      if (!(error instanceof MediaError) || !begun.length) throw error;
    }
    if (read.sound === null && !begun.length) throw new MediaError('nothing of it decodes');
    if (read.sound === null) read.origin = videoStart ?? 0;
  }
  const isStill = video !== null && audio === null && (begun.length < 2 || isStillFormat);
  async function* counted() {
    for await (const one of again(begun, shown)) {
      counts.frames += 1;
      counts.last = one.seconds - read.origin;
      yield { ...one, seconds: isStill ? 0 : one.seconds - read.origin };
      if (isStill) return;
    }
  }
  const fps = video === null ? 0 : ratio(video.avg_frame_rate);
  const kind = video === null ? 'recording' : isStill ? 'still' : 'talking_head';
  const end = declared > 0 ? declared : -Infinity;
  const onGrid = isStill ? stillPlacement(counted()) : placed(counted(), fps, end);
  return {
    kind,
    sound: read.sound,
    hasAudio: audio !== null,
    pictures: video === null ? null : onGrid,
    report: () => ({ frames: counts.frames, coverage: coverage(isStill, video, audio, counts, read, fps) }),
  };
}

async function* stillPlacement(shown) {
  for await (const { picture } of shown) yield { firstSlot: 0, count: 1, picture };
}

/** The share of what the file declares that was decoded; 1 where it declares nothing. */
function coverage(isStill, video, audio, counts, read, fps) {
  if (isStill) return 1;
  const shares = [1];
  if (video !== null && Number(video.duration) > 0)
    shares.push((counts.last + 1 / (fps || 25)) / Number(video.duration));
  if (audio !== null && Number(audio.duration) > 0) shares.push(read.seconds / Number(audio.duration));
  return Math.max(0, Math.min(...shares));
}
