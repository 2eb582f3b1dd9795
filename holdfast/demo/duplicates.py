"""Which documents are nearly the same.

Owns: how candidates are found without comparing every pair, how alike is alike, and the clusters.
Must not know: what a document is; it sees fingerprints and their places in a list.

Theory of operation
===================

A fingerprint is split into BANDS bands. Two documents that share a band exactly are candidates: with 16 bands of 8
bytes that happens to 95 % of the pairs with similarity 0.8, to 6 % of those with 0.5 (banded locality-sensitive
hashing). A candidate joins a cluster only when the estimated similarity to the cluster's first document is
SIMILARITY_MIN or more. A document is compared with at most LEADERS_MAX clusters of each band, so that a band that
thousands share (a licence text) costs no more than any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.demo.signature import BINS, similarity

BANDS: Final = 16
SIMILARITY_MIN: Final = 0.8
LEADERS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Likeness:
    """Documents that are nearly the same, by their places in the list, the first one leading.

    `least` is the lowest estimated similarity of a member to the leader, from SIMILARITY_MIN to 1.
    """

    members: tuple[int, ...]
    least: float


def find_clusters(fingerprints: Sequence[bytes]) -> list[Likeness]:
    """Return the clusters of two or more, the largest first. An empty fingerprint is like no other."""
    width = BINS // BANDS
    leaders: dict[tuple[int, bytes], list[int]] = {}
    members: dict[int, list[int]] = {}
    least: dict[int, float] = {}
    for place, fingerprint in enumerate(fingerprints):
        if not fingerprint:
            continue
        bands = [(band, fingerprint[band * width : (band + 1) * width]) for band in range(BANDS)]
        candidates = dict.fromkeys(leader for band in bands for leader in leaders.get(band, ()))
        best, leader = max(
            ((similarity(fingerprint, fingerprints[each]), -each) for each in candidates),
            default=(0.0, 0),
        )
        if best >= SIMILARITY_MIN:
            members[-leader].append(place)
            least[-leader] = min(least[-leader], best)
            continue
        members[place] = [place]
        least[place] = 1.0
        for band in bands:
            known = leaders.setdefault(band, [])
            if len(known) < LEADERS_MAX:
                known.append(place)
    found = [Likeness(tuple(each), least[leader]) for leader, each in members.items() if len(each) > 1]
    return sorted(found, key=lambda each: (-len(each.members), each.members))
