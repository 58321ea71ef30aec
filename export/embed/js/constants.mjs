// SPDX-License-Identifier: Apache-2.0
// Sorts the constants of kit.json, which stand under the package's modules, by the part of the program that uses them.

const PARTS = {
  speech: ['cad.speech', 'cad.speech_net'],
  faces: [
    'cad.faces.shot',
    'cad.faces.track',
    'cad.faces.tracker',
    'cad.faces.finder',
    'cad.faces.cuts',
    'cad.faces.smooth',
  ],
  lips: ['cad.faces.active_speaker'],
  stillness: ['cad.faces.stillness'],
  scores: ['cad.runtime.feeding'],
  verdict: ['cad.verdict.aggregate', 'cad.verdict.stretches', 'cad.verdict.reasons', 'cad.verdict.validity'],
};

/** Returns {part: {NAME: value}}; asking for a constant that the kit lacks is an error, not undefined. */
export function constantsOf(document) {
  const given = document.constants ?? {};
  const valuesOf = (modules) => Object.assign({}, ...modules.map((name) => given[name]));
  return Object.fromEntries(Object.entries(PARTS).map(([part, modules]) => [part, strict(valuesOf(modules))]));
}

function strict(values) {
  return new Proxy(values, {
    get(target, name) {
      if (!(name in target)) throw new Error(`kit.json has no constant ${String(name)}; it is of another version`);
      return target[name];
    },
  });
}
