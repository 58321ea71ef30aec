// SPDX-License-Identifier: Apache-2.0
// Where in a sound somebody speaks: sound that is loud enough, moves as speech does, and is a voice. Silence, music and
// noise must never be evidence.
#pragma once

#include "graph.h"
#include "kit.h"
#include "media.h"
#include "runs.h"

namespace cad {

// Which slots of a sound hold speech.
Mask find_speech(const Sound& sound, Graph& net, const SpeechConstants& constants);

}  // namespace cad
