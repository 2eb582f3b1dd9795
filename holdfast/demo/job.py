"""The demo's automation: a workflow that maps one task over all documents.

Owns: the task with its one outside effect, and the workflow.
Must not know: processes, kills, the screen.

The outside effect is a card in a catalogue: a file whose name is made from the
task's idempotency key, and which can be made only once. The catalogue is what
"a receiver that honours idempotency keys" means, in its smallest form: a second
attempt finds the card and leaves it alone. Were the key another one after a
crash, a document would get two cards, and the demo would say so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from holdfast.authoring import Retry, map_tasks, task, task_info, workflow
from holdfast.demo.document import DocumentResult, analyse
from holdfast.demo.reference import Reference

POOL: Final = "documents"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be catalogued, and the folder for the cards."""

    documents: list[Reference]
    cards: str


@dataclass(frozen=True, slots=True)
class Card:
    """The effect of one document's task: who made it, under which key."""

    document: str
    key: str
    pid: int


@task(pool=POOL, isolation="thread", timeout="60s", retry=Retry(attempts=3, initial="100ms"))
def catalogue(document: Reference, cards: str) -> DocumentResult:
    """Analyse one document and put its card into the catalogue."""
    result = analyse(document)
    put_card(Path(cards), Card(document.id, task_info().idempotency_key, os.getpid()))
    return result


@workflow
async def catalogue_all(job: Job) -> int:
    """Catalogue every document; return how many results there are."""
    results = await map_tasks(catalogue, [(document, job.cards) for document in job.documents])
    return len(results)


def put_card(folder: Path, card: Card) -> bool:
    """Make a card, once for each key; say whether this call made it."""
    name = blake2b(card.key.encode(), digest_size=16).hexdigest()
    content = msgspec.json.encode(card)
    try:
        descriptor = os.open(folder / f"{name}.json", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        # A second attempt: the first one's worker died between this effect and recording the result.
        (folder / f"{name}.repeated-{os.getpid()}").touch()
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return True


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the cards say: how many there are, documents with more than one, attempts that found a card."""

    cards: int
    twice: int
    repeated: int


def count_cards(folder: Path) -> Catalogue:
    """Read all cards."""
    documents: dict[str, int] = {}
    repeated = 0
    for entry in os.scandir(folder):
        if not entry.name.endswith(".json"):
            repeated += 1
            continue
        content = Path(entry.path).read_bytes()
        # A card whose maker was killed between making and filling it is empty: it stands for the attempt after it.
        name = msgspec.json.decode(content, type=Card).document if content else entry.name
        documents[name] = documents.get(name, 0) + 1
    return Catalogue(sum(documents.values()), sum(1 for count in documents.values() if count > 1), repeated)
