// SPDX-License-Identifier: Apache-2.0
// Turns decoded pictures into upright RGB bytes. Pictures of 8 bits a sample with colours at half the size are
// converted here, byte for byte as FFmpeg does it, and not by the browser: that rounds otherwise, and guesses another
// matrix where a file names none.

/** By a matrix's name in WebCodecs: what V gives red, U blue, U and V green, in 2^16. Source: libswscale/yuv2rgb.c. */
const MATRICES = { bt709: [117489, 138438, 13975, 34925], 'bt2020-ncl': [110013, 140363, 12277, 42626] };
const BT601 = [104597, 132201, 25675, 53279];

/** The factors of FFmpeg's conversion, in 2^13 as its code for vectors has them. */
function factors({ matrix, fullRange }) {
  const scaled = (MATRICES[matrix] ?? BT601).map((value) => (fullRange ? Math.trunc((value * 224) / 255) : value));
  const bright = fullRange ? 1 << 16 : Math.trunc((255 * (1 << 16)) / 219);
  const short = (value) => Math.floor((value * 8192 + 32768) / 65536);
  const [redOfV, blueOfU, greenOfU, greenOfV] = scaled;
  return [short(bright), short(redOfV), short(blueOfU), short(-greenOfU), short(-greenOfV), fullRange ? 0 : 16];
}

/** Returns {data: Uint8Array, width, height} of a VideoFrame, which is closed. */
export async function rgbOf(frame, matrix) {
  try {
    const { width, height } = frame.visibleRect;
    const isPlanar = frame.format === 'I420' || frame.format === 'NV12';
    const picture = isPlanar ? await fromPlanes(frame, width, height) : fromImage(frame, width, height);
    return upright(picture, matrix);
  } finally {
    frame.close();
  }
}

async function fromPlanes(frame, width, height) {
  const bytes = new Uint8Array(frame.allocationSize());
  const planes = await frame.copyTo(bytes);
  const [bright, redOfV, blueOfU, greenOfU, greenOfV, black] = factors(frame.colorSpace);
  const isNv12 = frame.format === 'NV12';
  const data = new Uint8ClampedArray(width * height * 3);
  const [luma, first, second] = planes;
  for (let y = 0, at = 0; y < height; y += 1) {
    const row = luma.offset + y * luma.stride;
    const half = y >> 1;
    for (let x = 0; x < width; x += 1, at += 3) {
      const grey = (((bytes[row + x] - black) << 3) * bright) >> 16;
      const column = x >> 1;
      const u = (bytes[first.offset + half * first.stride + (isNv12 ? 2 * column : column)] - 128) << 3;
      const other = isNv12
        ? first.offset + half * first.stride + 2 * column + 1
        : second.offset + half * second.stride + column;
      const v = (bytes[other] - 128) << 3;
      data[at] = grey + ((v * redOfV) >> 16);
      data[at + 1] = grey + ((u * greenOfU) >> 16) + ((v * greenOfV) >> 16);
      data[at + 2] = grey + ((u * blueOfU) >> 16);
    }
  }
  return { data: new Uint8Array(data.buffer), width, height };
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
