// SPDX-License-Identifier: Apache-2.0
// Takes a file, has the worker judge it, and shows the verdict. Files of sound alone are decoded here, because workers
// have no decoder for whole files.

import { MEANINGS } from '../js/reasons.mjs';
import { isContainer } from './decode.mjs';
import { rateOf } from './sound_rate.mjs';

const STREAMS = { video: 'picture', audio: 'sound', sync: 'lips and sound' };
const CROP_PX = 160;
const [WIDTH, HEIGHT, LEFT, BOTTOM] = [640, 150, 28, 18];
const SVG = 'http://www.w3.org/2000/svg';

const part = (id) => document.getElementById(id);
const worker = new Worker(new URL('worker.mjs', import.meta.url), { type: 'module' });
let isBusy = false;

/** Makes an element with attributes and children; text is text, whatever a file is called. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  element.append(...children);
  return element;
}

function draw(name, attributes, text = '') {
  const element = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  element.textContent = text;
  return element;
}

const percent = (value) => (value === null ? '–' : value.toFixed(2));

async function judge(file) {
  if (isBusy) return;
  isBusy = true;
  part('result').hidden = true;
  part('work').hidden = false;
  part('stage').textContent = `Reading ${file.name} …`;
  part('progress').removeAttribute('value');
  try {
    worker.postMessage({ file, decodedSound: await decodedSound(file) });
  } catch (error) {
    showError({ text: error.message });
  }
}

/** Decodes a file of sound alone at its own rate; null for everything that the worker reads by itself. */
async function decodedSound(file) {
  const head = new Uint8Array(await file.slice(0, 65536).arrayBuffer());
  const rateHz = rateOf(head);
  if (isContainer(head) || rateHz === null) return null;
  const context = new OfflineAudioContext(1, 1, rateHz);
  let sound;
  try {
    sound = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error('this browser cannot decode the sound');
  }
  const channels = Array.from({ length: sound.numberOfChannels }, (_, i) => sound.getChannelData(i).slice());
  return { rateHz: sound.sampleRate, channels };
}

function showProgress({ seconds, total, stage }) {
  const what = { sound: 'Listening for speech', picture: 'Following faces' }[stage];
  part('stage').textContent = `${what}: ${seconds.toFixed(1)} s of ${total.toFixed(1)} s`;
  if (seconds > 0) part('progress').value = Math.min(1, seconds / Math.max(total, 0.04));
}

function show(...children) {
  isBusy = false;
  part('work').hidden = true;
  part('result').replaceChildren(...children);
  part('result').hidden = false;
}

function showError({ text }) {
  show(make('div', { class: 'head' }, make('span', { class: 'label error' }, 'NOT JUDGED'), make('span', {}, text)));
}

function showVerdict({ document: verdict, faces, curves, thresholds, seconds }) {
  const probability = verdict.probability_fake;
  const said = probability === null ? 'nothing could be judged' : `probability of fake ${percent(probability)}`;
  const head = make(
    'div',
    { class: 'head' },
    make('span', { class: `label ${verdict.label}`, id: 'label' }, verdict.label.toUpperCase()),
    make('span', { id: 'probability' }, said),
  );
  const children = [
    make('h2', {}, verdict.file),
    head,
    make('h3', {}, 'By stream'),
    streamTable(verdict.streams, thresholds),
  ];
  if (verdict.reasons.length) children.push(make('h3', {}, 'Why, and what limits it'), reasonList(verdict.reasons));
  if (verdict.kind !== 'still')
    children.push(
      make('h3', {}, 'Over time'),
      timeline(curves, thresholds, seconds),
      make('p', { class: 'soft small' }, 'Dashed: from here on a stream is suspicious.'),
    );
  if (faces.length) children.push(make('h3', {}, 'Faces'), faceStrip(faces));
  children.push(make('p', { class: 'soft' }, `Model ${verdict.model} on ${verdict.provider}.`));
  show(...children);
  part('result').dataset.verdict = JSON.stringify(verdict);
}

function streamTable(streams, thresholds) {
  return make(
    'table',
    {},
    ...Object.entries(STREAMS).map(([stream, name]) =>
      make(
        'tr',
        {},
        make('th', { scope: 'row' }, make('span', { class: `key ${stream}` }), name),
        make('td', { class: 'number' }, percent(streams[stream])),
        make(
          'td',
          { class: 'soft' },
          streams[stream] === null ? 'not judged' : bar(stream, streams[stream], thresholds[stream]),
        ),
      ),
    ),
  );
}

/** Draws a probability as a bar, with its threshold as a line. */
function bar(stream, value, threshold) {
  const picture = draw('svg', {
    class: 'bar',
    viewBox: '0 0 100 4',
    preserveAspectRatio: 'none',
    role: 'img',
    'aria-label': percent(value),
  });
  picture.append(draw('rect', { class: `filled ${stream}`, x: 0, y: 0, width: 100 * value, height: 4 }));
  if (threshold !== null)
    picture.append(draw('rect', { class: 'mark', x: 100 * threshold - 0.2, y: 0, width: 0.4, height: 4 }));
  return picture;
}

function reasonList(reasons) {
  return make('ul', {}, ...reasons.map((code) => make('li', {}, `${MEANINGS[code] ?? ''} `, make('code', {}, code))));
}

/** Draws the probability of every stream over time, with the threshold of each as a dashed line. */
function timeline(curves, thresholds, seconds) {
  const picture = draw('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: 'img',
    'aria-label': 'probability of fake over time',
  });
  const x = (share) => LEFT + share * (WIDTH - LEFT - 4);
  const y = (value) => 6 + (1 - value) * (HEIGHT - BOTTOM - 6);
  for (const value of [0, 0.5, 1]) {
    picture.append(draw('line', { class: 'axis', x1: LEFT, x2: WIDTH - 4, y1: y(value), y2: y(value) }));
    picture.append(draw('text', { x: 0, y: y(value) + 4 }, value.toFixed(1)));
  }
  picture.append(draw('text', { x: LEFT, y: HEIGHT - 2 }, '0 s'));
  picture.append(draw('text', { x: WIDTH - 4, y: HEIGHT - 2, 'text-anchor': 'end' }, `${seconds.toFixed(1)} s`));
  for (const stream of Object.keys(STREAMS)) {
    const points = curves[stream].map((value, i) =>
      value === null ? null : `${x((i + 0.5) / curves[stream].length).toFixed(1)} ${y(value).toFixed(1)}`,
    );
    if (!points.some(Boolean)) continue;
    const path = points.map((point, i) => (point === null ? '' : `${points[i - 1] ? 'L' : 'M'}${point}`)).join('');
    picture.append(draw('path', { class: `curve ${stream}`, d: path }));
    const threshold = thresholds[stream];
    if (threshold !== null) {
      picture.append(
        draw('line', { class: `threshold ${stream}`, x1: LEFT, x2: WIDTH - 4, y1: y(threshold), y2: y(threshold) }),
      );
    }
  }
  return picture;
}

function faceStrip(faces) {
  return make(
    'div',
    { class: 'faces' },
    ...faces.map(({ picture, firstSlot, stopSlot, probability }) => {
      const canvas = make('canvas', { width: CROP_PX, height: CROP_PX });
      const pixels = new ImageData(CROP_PX, CROP_PX);
      for (let from = 0, to = 0; from < picture.length; from += 3, to += 4) {
        pixels.data.set([picture[from], picture[from + 1], picture[from + 2], 255], to);
      }
      canvas.getContext('2d').putImageData(pixels, 0, 0);
      const when = `${(firstSlot / 25).toFixed(1)}–${(stopSlot / 25).toFixed(1)} s`;
      return make(
        'figure',
        {},
        canvas,
        make(
          'figcaption',
          { class: 'soft' },
          when,
          make('br'),
          probability === null ? 'not judged' : percent(probability),
        ),
      );
    }),
  );
}

worker.onmessage = ({ data }) => ({ progress: showProgress, verdict: showVerdict, error: showError })[data.type](data);
worker.onerror = (event) => showError({ text: `the page failed (${event.message ?? 'it could not be loaded'})` });

const drop = part('drop');
part('file').addEventListener('change', ({ target }) => {
  if (target.files.length) judge(target.files[0]);
  target.value = '';
});
drop.addEventListener('dragover', (event) => {
  event.preventDefault();
  drop.classList.add('over');
});
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  if (event.dataTransfer.files.length) judge(event.dataTransfer.files[0]);
});
