# SPDX-License-Identifier: Apache-2.0
"""Sentences for speech engines: put together from our own words, so that nobody else's text is spoken."""

from __future__ import annotations

import numpy as np

#: Patterns and fillings by language (ISO 639-1). ``{who}`` and the like are filled at random.
GRAMMARS: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, ...]]]] = {
    "en": (
        (
            "{who} {did} {what} {when}.",
            "Did {who} really {do} {what} {when}?",
            "{when}, {who} {did} {what}, and nobody noticed.",
            "If you {do} {what}, tell {whom} first.",
            "I never thought that {who} {did} {what}.",
            "There are {number} reasons why {who} {did} {what}.",
            "Please {do} {what} before {clock}.",
            "At {clock}, {who} {did} {what} for {whom}.",
        ),
        {
            "who": (
                "the mayor",
                "my neighbour",
                "our teacher",
                "the pilot",
                "a young engineer",
                "her brother",
                "the committee",
                "somebody",
                "the old gardener",
                "Maria",
                "the whole team",
                "Doctor Webb",
            ),
            "whom": ("me", "the others", "your doctor", "the press", "everyone", "the new colleague"),
            "did": ("opened", "forgot", "described", "sold", "repaired", "moved", "measured", "welcomed", "counted"),
            "do": ("open", "forget", "describe", "sell", "repair", "move", "measure", "welcome", "count"),
            "what": (
                "the blue window",
                "a box of lemons",
                "the second report",
                "seven wooden chairs",
                "the garden gate",
                "this peculiar machine",
                "the yellow bus",
                "a very large choir",
                "the frozen lake",
                "his guitar",
                "the evening programme",
                "three measures of flour",
            ),
            "when": (
                "yesterday",
                "last Thursday",
                "in the early morning",
                "during the storm",
                "after the meeting",
                "every single week",
                "twenty years ago",
                "just before lunch",
            ),
            "number": ("three", "eleven", "forty-two", "a hundred and six", "nineteen", "several"),
            "clock": ("half past eight", "noon", "a quarter to five", "midnight", "ten o'clock"),
        },
    ),
    "de": (
        ("{who} hat {when} {what} {done}.", "Warum hat {who} {what} {done}?", "{when} hat {who} {what} {done}."),
        {
            "who": ("die Lehrerin", "mein Nachbar", "der Pilot", "unsere Gruppe", "jemand"),
            "when": ("gestern", "am Donnerstag", "vor zwanzig Jahren", "kurz vor Mittag"),
            "what": ("das blaue Fenster", "sieben Stühle", "den zweiten Bericht", "die große Brücke"),
            "done": ("repariert", "verkauft", "vergessen", "gemessen", "beschrieben"),
        },
    ),
    "es": (
        ("{who} {did} {what} {when}.", "¿Por qué {who} {did} {what}?", "{when}, {who} {did} {what}."),
        {
            "who": ("la maestra", "mi vecino", "el piloto", "todo el equipo", "alguien"),
            "when": ("ayer", "el jueves pasado", "hace veinte años", "por la mañana"),
            "what": ("la ventana azul", "siete sillas", "el segundo informe", "una caja de limones"),
            "did": ("vendió", "olvidó", "describió", "reparó", "midió"),
        },
    ),
    "fr": (
        ("{who} a {done} {what} {when}.", "Pourquoi {who} a {done} {what} ?", "{when}, {who} a {done} {what}."),
        {
            "who": ("la directrice", "mon voisin", "le pilote", "toute l'équipe", "quelqu'un"),
            "when": ("hier", "jeudi dernier", "il y a vingt ans", "avant midi"),
            "what": ("la fenêtre bleue", "sept chaises", "le deuxième rapport", "une caisse de citrons"),
            "done": ("vendu", "oublié", "décrit", "mesuré", "réparé"),
        },
    ),
    "it": (
        ("{who} ha {done} {what} {when}.", "Perché {who} ha {done} {what}?", "{when}, {who} ha {done} {what}."),
        {
            "who": ("la maestra", "il mio vicino", "il pilota", "tutta la squadra", "qualcuno"),
            "when": ("ieri", "giovedì scorso", "vent'anni fa", "prima di pranzo"),
            "what": ("la finestra azzurra", "sette sedie", "il secondo rapporto", "una cassa di limoni"),
            "done": ("venduto", "dimenticato", "descritto", "misurato", "riparato"),
        },
    ),
    "ja": (
        ("{when}、{who}が{what}を{did}。", "{who}は{when}、{what}を{did}。"),
        {
            "who": ("先生", "となりの人", "パイロット", "新しい友だち"),
            "when": ("きのう", "先週の木曜日", "けさ早く", "二十年前"),
            "what": ("青いまど", "七つのいす", "二番目の手紙", "古いギター"),
            "did": ("直しました", "売りました", "わすれました", "はかりました"),
        },
    ),
}


def draw_sentence(language: str, rng: np.random.Generator) -> str:
    """Return a random sentence of ``language``; the first letter is a capital one where there are such."""
    patterns, fillings = GRAMMARS[language]
    pattern = patterns[int(rng.integers(len(patterns)))]
    sentence = pattern.format(**{slot: words[int(rng.integers(len(words)))] for slot, words in fillings.items()})
    first = 1 if sentence[0] in "¿¡" else 0
    return sentence[:first] + sentence[first].upper() + sentence[first + 1 :]
