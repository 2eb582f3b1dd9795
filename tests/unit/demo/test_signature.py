"""Fingerprints estimate how much two documents share, and clusters hold the near-copies and nothing else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.duplicates import SIMILARITY_MIN, find_clusters
from holdfast.demo.signature import BINS, SHINGLE_WORDS, fingerprint, similarity

WORDS = [f"w{number}" for number in range(4_000)]


def text_of(seed: int, length: int) -> list[str]:
    """Return so many words drawn by a seed."""
    return random.Random(seed).choices(WORDS, k=length)


def shared(one: list[str], other: list[str]) -> float:
    """Return the true share of runs of words that two documents have in common."""
    first, second = (
        {tuple(each[place : place + SHINGLE_WORDS]) for place in range(len(each) - SHINGLE_WORDS + 1)}
        for each in (one, other)
    )
    return len(first & second) / len(first | second)


@given(st.lists(st.sampled_from(WORDS), max_size=300))
def test_a_document_is_like_itself_or_too_short(words: list[str]) -> None:
    """A fingerprint has its full length, is like itself entirely, and is empty for a short document."""
    mark = fingerprint(words)
    assert len(mark) in (0, BINS)
    assert not mark or similarity(mark, mark) == 1
    assert mark or len(set(words)) < len(words) or len(words) < 40


@pytest.mark.parametrize("length", [60, 300, 3_000])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_the_estimate_is_near_the_truth(length: int, share: float) -> None:
    """Over twenty pairs the mean error is small, for short documents with borrowed bins too."""
    errors = []
    for seed in range(20):
        one = text_of(seed, length)
        kept = int(length * share)
        other = one[:kept] + text_of(seed + 1_000, length - kept)
        errors.append(similarity(fingerprint(one), fingerprint(other)) - shared(one, other))
    assert abs(sum(errors) / len(errors)) < 0.03
    assert max(map(abs, errors)) < 0.25


def test_documents_without_a_fingerprint_cannot_be_compared() -> None:
    """A missing fingerprint is an error, not a similarity of nothing."""
    with pytest.raises(ValueError, match="without a fingerprint"):
        similarity(b"", b"")


def test_near_copies_are_found_among_strangers() -> None:
    """Small edits stay in the cluster of their original; other documents and short ones are in none."""
    documents = [text_of(seed, 400) for seed in range(200)]
    originals = (3, 50, 120)
    for number, original in enumerate(originals):
        for copy in range(number + 1):
            edited = list(documents[original])
            edited[10 + 7 * copy] = "edited"
            documents.append(edited)
    documents.append(["short"])
    clusters = find_clusters([fingerprint(each) for each in documents])
    assert [each.members for each in clusters] == [(120, 203, 204, 205), (50, 201, 202), (3, 200)]
    assert all(SIMILARITY_MIN <= each.least <= 1 for each in clusters)


def test_a_crowd_of_copies_is_one_cluster() -> None:
    """Two thousand copies are compared with their leader, not with each other."""
    mark = fingerprint(text_of(1, 200))
    (cluster,) = find_clusters([mark] * 2_000)
    assert len(cluster.members) == 2_000


def test_a_chain_of_edits_does_not_drift_into_one_cluster() -> None:
    """Every member is like the leader, not only like its neighbour."""
    words = text_of(7, 500)
    chain = []
    for step in range(30):
        words = list(words)
        words[step * 16 : step * 16 + 12] = text_of(900 + step, 12)
        chain.append(fingerprint(words))
    for cluster in find_clusters(chain):
        assert all(similarity(chain[cluster.members[0]], chain[each]) >= SIMILARITY_MIN for each in cluster.members)
    assert len(find_clusters(chain)) > 1
