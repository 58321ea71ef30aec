// SPDX-License-Identifier: Apache-2.0
// Sorts the constants of kit.json, which stand under the package's modules, by the part of the program that uses them.

const PARTS = {
  speech: ['cad.speech', 'cad.speech_net'],
  faces: ['cad.faces.shot', 'cad.faces.track', 'cad.faces.tracker', 'cad.faces.finder', 'cad.faces.cuts', 'cad.faces.smooth'],
  lips: ['cad.faces.active_speaker'],
  scores: ['cad.runtime.scorer'],
  verdict: ['cad.verdict.aggregate', 'cad.verdict.stretches', 'cad.verdict.reasons', 'cad.verdict.validity'],
};

/** Returns {part: {NAME: value}}; asking for a constant that the kit lacks is an error, not undefined. */
export function constantsOf(document) {
  const given = document.constants ?? {};
  const parts = Object.entries(PARTS).map(([part, modules]) => {
    const values = Object.assign({}, ...modules.map((name) => given[name]));
    // Crops are made so late that a gap can be bridged before.
    if (part === 'faces') values.LAG_SLOTS = values.BRIDGE_SLOTS;
    return [part, strict(values)];
  });
  return Object.fromEntries(parts);
}

function strict(values) {
  return new Proxy(values, {
    get(target, name) {
      if (!(name in target)) throw new Error(`kit.json has no constant ${String(name)}; it is of another version`);
      return target[name];
    },
  });
}
