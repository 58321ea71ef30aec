#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Serves the page, the kit and ONNX Runtime to this machine: node serve.mjs KIT [PORT]. Nothing is taken in, only GET
// and HEAD are answered, and only files of the three folders.

import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.onnx': 'application/octet-stream',
};
const HEADERS = {
  // Without both of the first two a page gets no memory that threads may share.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  // The page can load nothing from elsewhere and send nothing to elsewhere.
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; " +
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

function folders(kit) {
  return {
    browser: HERE,
    js: join(HERE, '..', 'js'),
    kit,
    ort: join(HERE, 'node_modules', 'onnxruntime-web', 'dist'),
  };
}

async function fileFor(url, roots) {
  const [, root, ...rest] = decodeURIComponent(new URL(url, 'http://localhost').pathname).split('/');
  if (!(root in roots)) return null;
  const folder = await realpath(roots[root]);
  const path = normalize(join(folder, ...rest));
  const served = extname(path) === '' ? join(path, 'index.html') : path;
  if (
    !served.startsWith(folder + sep) ||
    !(extname(served) in TYPES) ||
    served.includes('node_modules') !== folder.includes('node_modules')
  )
    return null;
  const facts = await stat(served).catch(() => null);
  return facts?.isFile() ? { path: served, size: facts.size } : null;
}

/** Returns a server of the page; `listen` it where only this machine reaches it. */
export function pageServer(kit) {
  const roots = folders(kit);
  return createServer(async (request, response) => {
    const answer = (status, headers = {}) => response.writeHead(status, { ...HEADERS, ...headers });
    if (!['GET', 'HEAD'].includes(request.method)) return answer(405).end();
    if (request.url === '/') return answer(302, { Location: '/browser/' }).end();
    const file = await fileFor(request.url, roots).catch(() => null);
    if (file === null) return answer(404).end();
    answer(200, { 'Content-Type': TYPES[extname(file.path)], 'Content-Length': file.size });
    if (request.method === 'HEAD') return response.end();
    return createReadStream(file.path).pipe(response);
  });
}

if (process.argv[1] && fileURLToPath(import.meta.url) === (await realpath(process.argv[1]))) {
  const [kit, port = '8080'] = process.argv.slice(2);
  if (!kit || !/^\d+$/.test(port)) {
    process.stderr.write('usage: node serve.mjs KIT [PORT]\n');
    process.exit(2);
  }
  if (!(await stat(join(kit, 'kit.json')).catch(() => null))) {
    process.stderr.write(`error: ${kit} is no kit: it has no kit.json\n`);
    process.exit(4);
  }
  const server = pageServer(kit);
  server.on('error', (error) => {
    process.stderr.write(`error: port ${port} cannot be used (${error.code})\n`);
    process.exit(2);
  });
  server.listen(Number(port), '127.0.0.1', () => {
    process.stdout.write(`http://localhost:${server.address().port}/browser/\n`);
  });
}
