"""Which terms tell documents apart: TF-IDF over the whole corpus.

Owns: document frequencies, the weight of a term in a document, and the strongest terms of a document and of all.
Must not know: where the counts come from.

The weight of a term is (1 + ln count) * ln(documents / documents that have it). Counts are the bounded lists that the
tasks sent home, so a word outside a document's most frequent ones is not seen there; for rare words, which TF-IDF is
about, that changes little. For the corpus as a whole each document votes for its own strongest terms, with its weights
scaled to length 1, so that long documents do not outvote short ones and what is everywhere gets no votes.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DOCUMENTS_MIN: Final = 2
"""A term that only one document has may be a misprint or a key: such terms come last."""

OVERALL_DOCUMENTS_MIN: Final = 3
"""A term of the whole corpus must be in at least this many documents."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the corpus: its summed weight and in how many documents it is."""

    text: str
    weight: float
    documents: int


class TermTable:
    """The terms of all documents, held as numbers: ten thousand documents take some 10 MiB."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._terms: list[str] = []
        self._documents = array("I")
        self._rows: list[tuple[array[int], array[int]]] = []

    def add(self, terms: Mapping[str, int]) -> None:
        """Append the terms of the next document."""
        numbers = array("I")
        for term in terms:
            number = self._numbers.setdefault(term, len(self._terms))
            if number == len(self._terms):
                self._terms.append(term)
                self._documents.append(0)
            self._documents[number] += 1
            numbers.append(number)
        self._rows.append((numbers, array("I", terms.values())))

    def weigh(self, top_of_document: int, top_of_all: int) -> tuple[list[tuple[str, ...]], tuple[Term, ...]]:
        """Return the strongest terms of each document, in the order they were added, and of the whole corpus."""
        count = len(self._rows)
        rarity = [math.log(count / documents) for documents in self._documents]
        totals: dict[int, float] = {}
        tops: list[tuple[str, ...]] = []
        for numbers, counts in self._rows:
            weights = [
                ((1 + math.log(each)) * rarity[number], number) for number, each in zip(numbers, counts, strict=True)
            ]
            strongest = self._strongest(weights, top_of_document)
            tops.append(tuple(self._terms[number] for _, number in strongest))
            length = math.sqrt(sum(weight * weight for weight, _ in weights))
            if length:
                for weight, number in strongest:
                    totals[number] = totals.get(number, 0.0) + weight / length
        strong = sorted(
            (-weight, self._terms[number], self._documents[number])
            for number, weight in totals.items()
            if self._documents[number] >= OVERALL_DOCUMENTS_MIN
        )
        return tops, tuple(Term(text, -weight, documents) for weight, text, documents in strong[:top_of_all])

    def _strongest(self, weights: list[tuple[float, int]], most: int) -> list[tuple[float, int]]:
        def order(weighted: tuple[float, int]) -> tuple[bool, float, str]:
            weight, number = weighted
            return self._documents[number] < DOCUMENTS_MIN, -weight, self._terms[number]

        return sorted(weights, key=order)[:most]
