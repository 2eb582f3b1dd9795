"""The demo's real work: ten thousand documents, analysed and reported.

Owns: the public names of the pure part of `holdfast demo`: collect, analyse one, aggregate all, write the report.
Must not know: workflows, stores, workers, the command line. Whoever maps `analyse` durably stands above this.

    corpus = collect(10_000)                                        # references: small, JSON
    pairs = [(each, analyse(each)) for each in corpus.documents]    # the task, one document at a time
    write_report(aggregate(pairs), proof, Path("demo-report"))      # report.html and report.json
"""

from __future__ import annotations

from holdfast.demo.aggregate import Aggregate, aggregate
from holdfast.demo.corpus import Corpus, Progress, collect
from holdfast.demo.document import DocumentResult, analyse
from holdfast.demo.proof import Kill, Proof, Sample
from holdfast.demo.reference import Reference
from holdfast.demo.report import ReportFiles, write_report

__all__ = [
    "Aggregate",
    "Corpus",
    "DocumentResult",
    "Kill",
    "Progress",
    "Proof",
    "Reference",
    "ReportFiles",
    "Sample",
    "aggregate",
    "analyse",
    "collect",
    "write_report",
]
