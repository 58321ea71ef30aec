#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// A verdict on a file: node detect.mjs KIT FILE. Prints one JSON object (schema cad.embedded/1). With --self-test KIT
// it runs the kit's reference vectors instead.

import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import * as ort from 'onnxruntime-node';

import { judge } from '../js/detect.mjs';
import { KitError, openKit } from '../js/kit.mjs';
import { runReference } from '../js/reference.mjs';
import { MediaError, openMedia, stopDecoders } from './media.mjs';

const USAGE =
  'usage: node detect.mjs [--provider cpu] [--threads N] [--limit-seconds S] KIT FILE\n' +
  '       node detect.mjs --self-test KIT';
const [USED_WRONGLY, UNREADABLE, NO_KIT, FAULT] = [2, 3, 4, 70];

class UsageError extends Error {}

function readArguments() {
  const options = {
    provider: { type: 'string', default: 'cpu' },
    threads: { type: 'string', default: '0' },
    'limit-seconds': { type: 'string', default: '3600' },
    'self-test': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  };
  let parsed;
  try {
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (parsed.values.help) return null;
  const isTest = parsed.values['self-test'];
  if (parsed.positionals.length !== (isTest ? 1 : 2))
    throw new UsageError(isTest ? 'a kit is needed' : 'a kit and a file are needed');
  const threads = Number(parsed.values.threads);
  const limitSeconds = Number(parsed.values['limit-seconds']);
  if (!Number.isInteger(threads) || threads < 0)
    throw new UsageError('--threads takes a whole number, 0 for every core');
  if (!(limitSeconds > 0)) throw new UsageError('--limit-seconds takes a number above 0');
  const [kit, file] = parsed.positionals;
  return { kit, file, isTest, provider: parsed.values.provider, threads, limitSeconds };
}

async function checkFile(path) {
  try {
    if (!(await stat(path)).isFile()) throw new MediaError('is no file');
  } catch (error) {
    throw error instanceof MediaError ? error : new MediaError(`cannot be opened (${error.code})`);
  }
}

/** Prints what every stage of the program makes of the reference vectors. */
async function selfTest(kit) {
  for (const [stage, off] of await runReference(kit)) {
    process.stdout.write(`${stage}: ${off.length ? 'DIFFERENT' : 'as the package says'}\n`);
    off.forEach((one) => process.stdout.write(`  ${one}\n`));
    if (off.length) process.exitCode = NO_KIT;
  }
}

async function main() {
  const given = readArguments();
  if (given === null) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const kit = await openKit({
    ort,
    read: (name) => readFile(join(given.kit, name)),
    sha256: async (bytes) => createHash('sha256').update(bytes).digest('hex'),
    provider: given.provider,
    session: { intraOpNumThreads: given.threads },
  });
  if (given.isTest) {
    await selfTest(kit);
    return;
  }
  await checkFile(given.file);
  const media = await openMedia(given.file, given.limitSeconds);
  const { document } = await judge(kit, given.file, media);
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

/** Says in one line what went wrong, and leaves with the code that cad-detect has for it. */
function fail(error) {
  const codes = [
    [UsageError, USED_WRONGLY],
    [MediaError, UNREADABLE],
    [KitError, NO_KIT],
  ];
  const [, code] = codes.find(([kind]) => error instanceof kind) ?? [Error, FAULT];
  process.stderr.write(`${code === USED_WRONGLY ? `${USAGE}\n` : ''}error: ${error.message}\n`);
  process.exitCode = code;
}

main().catch(fail).finally(stopDecoders);
