"""The words of a document, and the few that say what it is about.

Owns: what a word is, which words say nothing, and which counts are worth sending home.
Must not know: other documents: how rare a word is elsewhere is the aggregate's business.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from holdfast.demo.language import STOPWORDS

TERMS_MAX: Final = 56
"""How many terms of a document are kept, the most frequent first."""

TERM_CHARACTERS_MIN: Final = 3
TERM_CHARACTERS_MAX: Final = 24
"""A longer word is a key, a checksum or a piece of encoded data."""

TERMS_BYTES_MAX: Final = 900
"""What all terms of a document with their counts may take as JSON."""

_WORD = re.compile(r"[^\W\d_]+")

_NOISE_WORDS: Final = (
    "self def return import class none true false int str float bool char void const static struct elif else raise "
    "except try while assert lambda yield pass break continue async await typedef define ifdef ifndef endif include "
    "extern unsigned long short sizeof null args kwargs isinstance len range print type typing object cls super init "
    "name value var let function http https www com org html xml utf tmp usr etc note todo"
)
_PROGRAMMING_NOISE: Final = frozenset(_NOISE_WORDS.split())


def split_words(text: str) -> list[str]:
    """Return the words of `text` in order, in lower case: runs of letters; `snake_case` is two words."""
    return _WORD.findall(text.lower())


def key_terms(counts: Counter[str], language: str) -> dict[str, int]:
    """Return the most frequent words that say something, with their counts.

    At most TERMS_MAX of them and TERMS_BYTES_MAX as JSON. Ties go by alphabet, so that the answer is always the same.
    """
    noise = STOPWORDS.get(language, frozenset()) | STOPWORDS["en"] | _PROGRAMMING_NOISE
    telling = [
        (-number, word)
        for word, number in counts.items()
        if TERM_CHARACTERS_MIN <= len(word) <= TERM_CHARACTERS_MAX and word not in noise
    ]
    telling.sort()
    terms: dict[str, int] = {}
    left = TERMS_BYTES_MAX
    for negative, word in telling[:TERMS_MAX]:
        left -= len(word.encode()) + len(str(-negative)) + 4  # two quotes, a colon, a comma
        if left < 0:
            break
        terms[word] = -negative
    return terms
