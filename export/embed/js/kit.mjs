// SPDX-License-Identifier: Apache-2.0
// Opens a kit: reads kit.json, checks every file that is used against its sha256, and runs graphs by name. The
// program brings ONNX Runtime and says where the files are.

import { constantsOf } from './constants.mjs';

export const KIT_SCHEMA = 'cad.kit/1';

export class KitError extends Error {}

/**
 * @param {object} options
 * @param {object} options.ort the module onnxruntime-node or onnxruntime-web
 * @param {(name: string) => Promise<Uint8Array>} options.read returns a file of the kit
 * @param {(bytes: Uint8Array) => Promise<string>} options.sha256 in hexadecimal
 * @param {string} options.provider what runs the model; small graphs always run on the processor
 * @param {object} options.session more options of ONNX Runtime's sessions
 * @returns {Promise<object>} {run, readChecked, spec, constants, model, provider}
 */
export async function openKit({ ort, read, sha256, provider, session = {} }) {
  const document = await readDocument(read);
  const sessions = new Map();

  async function readChecked(file) {
    const stated = document.files?.[file]?.sha256 ?? document.reference?.[file];
    if (stated === undefined) throw new KitError(`kit.json does not name ${file}`);
    const bytes = await read(file).catch((error) => {
      throw new KitError(`${file} cannot be read (${error.code ?? error.message})`);
    });
    if ((await sha256(bytes)) !== stated) {
      throw new KitError(`${file} is damaged or was replaced: its sha256 is not that of kit.json`);
    }
    return bytes;
  }

  async function open(name) {
    const bytes = await readChecked(`${name}.onnx`);
    const executionProviders = [name === 'model' ? provider : 'cpu'];
    return ort.InferenceSession.create(bytes, { executionProviders, logSeverityLevel: 3, ...session });
  }

  async function run(name, feeds) {
    if (!sessions.has(name)) sessions.set(name, open(name));
    const opened = await sessions.get(name);
    const tensors = Object.entries(feeds).map(([key, { data, dims }]) => [key, tensorOf(ort, data, dims)]);
    const results = await opened.run(Object.fromEntries(tensors));
    return Object.fromEntries(Object.entries(results).map(([key, { data, dims }]) => [key, { data, dims: [...dims] }]));
  }

  return {
    run,
    readChecked,
    spec: document.spec,
    constants: constantsOf(document),
    model: document.spec.name,
    provider,
  };
}

async function readDocument(read) {
  let document;
  try {
    document = JSON.parse(new TextDecoder().decode(await read('kit.json')));
  } catch (error) {
    throw new KitError(`kit.json cannot be read (${error.message})`);
  }
  if (document?.schema !== KIT_SCHEMA) {
    throw new KitError(`the kit's schema is ${JSON.stringify(document?.schema)}, not "${KIT_SCHEMA}"`);
  }
  return document;
}

function tensorOf(ort, data, dims) {
  if (data instanceof Uint8Array) return new ort.Tensor('uint8', data, dims);
  if (data instanceof BigInt64Array) return new ort.Tensor('int64', data, dims);
  return new ort.Tensor('float32', data, dims);
}
