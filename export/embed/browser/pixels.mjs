// SPDX-License-Identifier: Apache-2.0
// Turns decoded pictures into upright RGB bytes. Pictures of 8 bits a sample are converted here and not by the browser,
// which guesses another matrix where a file names none; FFmpeg takes BT.601.

/** By the name of a matrix in WebCodecs: shares of red and blue in brightness. Source: ITU-T H.273, table 4. */
const MATRICES = { bt709: [0.2126, 0.0722], 'bt2020-ncl': [0.2627, 0.0593] };
const BT601 = [0.299, 0.114];

/** Returns {data: Uint8Array, width, height} of a VideoFrame, which is closed. */
export async function rgbOf(frame, matrix) {
  try {
    const { width, height } = frame.visibleRect;
    const isPlanar = frame.format === 'I420' || frame.format === 'NV12';
    const picture = isPlanar ? await fromPlanes(frame, width, height) : await fromBrowser(frame, width, height);
    return upright(picture, matrix);
  } finally {
    frame.close();
  }
}

async function fromPlanes(frame, width, height) {
  const bytes = new Uint8Array(frame.allocationSize());
  const planes = await frame.copyTo(bytes);
  const { matrix, fullRange } = frame.colorSpace;
  const [red, blue] = MATRICES[matrix] ?? BT601;
  const scale = fullRange ? 1 : 255 / 224;
  const gain = fullRange ? 1 : 255 / 219;
  const black = fullRange ? 0 : 16;
  const green = 1 - red - blue;
  const ofRed = 2 * (1 - red) * scale;
  const ofBlue = 2 * (1 - blue) * scale;
  const greenOfBlue = (ofBlue * blue) / green;
  const greenOfRed = (ofRed * red) / green;
  const isNv12 = frame.format === 'NV12';
  const data = new Uint8ClampedArray(width * height * 3);
  const [luma, first, second] = planes;
  for (let y = 0, at = 0; y < height; y += 1) {
    const row = luma.offset + y * luma.stride;
    const half = y >> 1;
    for (let x = 0; x < width; x += 1, at += 3) {
      const bright = (bytes[row + x] - black) * gain;
      const column = x >> 1;
      const u = bytes[first.offset + half * first.stride + (isNv12 ? 2 * column : column)] - 128;
      const v = (isNv12 ? bytes[first.offset + half * first.stride + 2 * column + 1] : bytes[second.offset + half * second.stride + column]) - 128;
      data[at] = bright + ofRed * v;
      data[at + 1] = bright - greenOfBlue * u - greenOfRed * v;
      data[at + 2] = bright + ofBlue * u;
    }
  }
  return { data: new Uint8Array(data.buffer), width, height };
}

async function fromBrowser(frame, width, height) {
  return fromImage(frame, width, height);
}

/** Returns what the browser shows of anything that can be drawn. */
export function fromImage(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(source, 0, 0, width, height);
  const shown = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = shown[from];
    data[to + 1] = shown[from + 1];
    data[to + 2] = shown[from + 2];
  }
  return { data, width, height };
}

/** Turns a picture by the matrix of its container: x = a p + c q, y = b p + d q of a stored pixel (p, q). */
function upright(picture, [a, b, c, d]) {
  if (a === 1 && d === 1 && b === 0 && c === 0) return picture;
  const { data, width, height } = picture;
  const isOver = a === 0;
  const [across, down] = isOver ? [height, width] : [width, height];
  const left = (a < 0 ? width - 1 : 0) + (c < 0 ? height - 1 : 0);
  const top = (b < 0 ? width - 1 : 0) + (d < 0 ? height - 1 : 0);
  const turned = new Uint8Array(data.length);
  for (let q = 0, from = 0; q < height; q += 1) {
    for (let p = 0; p < width; p += 1, from += 3) {
      const to = ((b * p + d * q + top) * across + a * p + c * q + left) * 3;
      turned[to] = data[from];
      turned[to + 1] = data[from + 1];
      turned[to + 2] = data[from + 2];
    }
  }
  return { data: turned, width: across, height: down };
}
