#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Judges files with the page in a browser without a window, for tests: node drive.mjs KIT BROWSER FILE... Prints one
// JSON object a file. --drop lets the files fall onto the page; --screenshot PATH and --dark keep a picture of it.

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

import { pageServer } from './serve.mjs';

const LIMIT_MS = 15 * 60_000;
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Lets a file fall onto the page, as a person does. */
async function dropFile(page, path) {
  const bytes = (await readFile(path)).toString('base64');
  await page.evaluate(
    async ({ name, text }) => {
      const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([data], name));
      for (const type of ['dragover', 'drop']) {
        document
          .getElementById('drop')
          .dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    },
    { name: basename(path), text: bytes },
  );
}

const { values, positionals } = parseArgs({
  options: {
    screenshot: { type: 'string' },
    dark: { type: 'boolean', default: false },
    drop: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const [kit, executablePath, ...files] = positionals;
const server = pageServer(kit);
await new Promise((resolve) => {
  server.listen(0, '127.0.0.1', resolve);
});
const origin = `http://localhost:${server.address().port}`;
const browser = await chromium.launch({ executablePath, args: FLAGS });
try {
  const page = await browser.newPage({
    colorScheme: values.dark ? 'dark' : 'light',
    viewport: { width: 820, height: 1100 },
  });
  const elsewhere = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !/^(data|blob):/.test(url)) elsewhere.push(url);
    if (request.method() !== 'GET') elsewhere.push(`${request.method()} ${url}`);
  });
  page.on('console', (message) => process.stderr.write(`${message.type()}: ${message.text()}\n`));
  page.on('pageerror', (error) => process.stderr.write(`page: ${error.message}\n`));
  await page.goto(`${origin}/browser/`);
  for (const file of files) {
    await page.evaluate(() => {
      document.getElementById('result').hidden = true;
    });
    if (values.drop) await dropFile(page, file);
    else await page.setInputFiles('#file', file);
    await page.waitForSelector('#result:not([hidden])', { timeout: LIMIT_MS });
    const said = await page.evaluate(() => {
      const result = document.getElementById('result');
      const { verdict } = result.dataset;
      delete result.dataset.verdict;
      return verdict ? JSON.parse(verdict) : { error: result.innerText };
    });
    process.stdout.write(
      `${JSON.stringify({ ...said, elsewhere, isolated: await page.evaluate(() => crossOriginIsolated) })}\n`,
    );
  }
  if (values.screenshot) await page.screenshot({ path: values.screenshot, fullPage: true });
} finally {
  await browser.close();
  server.close();
}
