"""The report a person reads, and the same facts for a program.

Owns: what stands in `report.html` and `report.json`, in which order, and how much of it.
Must not know: how documents were processed, or how the run was watched.

The page needs nothing but itself: no script, no request, one style sheet inside; its content security policy says so
to the browser too. Names and titles come from files, and files may be hostile: everything goes through
`fragments.text`. Both files are written beside their place and moved there, so that a reader never sees half of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Final

import msgspec

from holdfast.demo.aggregate import Aggregate, Cluster, OutlineStatistics, Row, Share
from holdfast.demo.charts import histogram, throughput
from holdfast.demo.fragments import Html, join, text
from holdfast.demo.kinds import LABELS
from holdfast.demo.language import NAMES
from holdfast.demo.proof import Kill, Proof
from holdfast.demo.wording import count, counted, seconds, size

FORMAT: Final = "holdfast-demo-report/1"
"""What `report.json` calls its own shape; another shape gets another number."""

SHARES_MAX: Final = 12
CLUSTERS_MAX: Final = 10
CLUSTER_NAMES_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where the report was written."""

    html: Path
    json: Path


def write_report(aggregate: Aggregate, proof: Proof | Mapping[str, object], path: Path) -> ReportFiles:
    """Write `report.html` and `report.json` into the directory `path`, which is made if it is not there.

    `proof` may be a mapping with the fields of Proof. Raises msgspec.ValidationError when one is missing or of a wrong
    type, OSError when the files cannot be written.
    """
    account = proof if isinstance(proof, Proof) else msgspec.convert(proof, Proof, strict=False)
    path.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(html=path / "report.html", json=path / "report.json")
    _write(files.json, render_json(aggregate, account))
    _write(files.html, render_html(aggregate, account).encode())
    return files


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def render_json(aggregate: Aggregate, proof: Proof) -> bytes:
    """Return the report for programs: the proof, the corpus as a whole, and every document."""
    facts: dict[str, Any] = msgspec.to_builtins(replace(aggregate, rows=()))
    del facts["rows"]
    facts["picks"] = [{"id": aggregate.rows[each.row].id, "why": each.why} for each in aggregate.picks]
    return msgspec.json.encode(
        {"format": FORMAT, "holds": proof.holds, "proof": proof, "corpus": facts, "documents": aggregate.rows},
    )


def render_html(aggregate: Aggregate, proof: Proof) -> Html:
    """Return the report for people as one page of HTML."""
    page = Template(resources.files("holdfast.demo").joinpath("report.html").read_text(encoding="utf-8"))
    return Html(
        page.substitute(
            verdict="holds" if proof.holds else "broken",
            headline=_headline(proof),
            summary=_summary(aggregate, proof),
            tiles=_tiles(aggregate, proof),
            throughput=throughput(proof.samples, proof.killed, proof.documents_in),
            happened=_happened(proof),
            kinds=_bars(aggregate.kinds, aggregate.analysed),
            languages=_bars(aggregate.languages, aggregate.analysed),
            sizes=histogram(aggregate.sizes),
            facts=_facts(aggregate),
            terms=_terms(aggregate),
            clusters=_clusters(aggregate),
            documents_note=_documents_note(aggregate),
            documents=join([_document(aggregate.rows[each.row], each.why) for each in aggregate.picks]),
            footer=_footer(proof),
        ),
    )


def _headline(proof: Proof) -> Html:
    return Html(f"{counted(proof.documents_in, 'document')} in, {counted(proof.results_out, 'result')} out.")


def _summary(aggregate: Aggregate, proof: Proof) -> Html:
    if proof.holds:
        first = "Nothing lost, nothing done twice"
        dead = counted(len(proof.killed), "worker")
        first += f", though {dead} died by <code>kill -9</code>." if proof.killed else "."
    else:
        wrong = [
            counted(proof.missing, "document has", "documents have") + " no result" if proof.missing else "",
            counted(proof.effects_twice, "effect") + " happened twice" if proof.effects_twice else "",
            counted(proof.runs_lost, "run was", "runs were") + " lost" if proof.runs_lost else "",
            "there are more results than documents" if proof.results_out > proof.documents_in else "",
        ]
        first = "This run did not keep its promises: " + "; ".join(each for each in wrong if each) + "."
    made_of = f"The documents are {counted(proof.files, 'whole file')}"
    made_of += f" and {counted(proof.sections, 'section')} of long files" if proof.sections else ""
    made_of += f", {size(aggregate.size_bytes)} in all, each with different bytes."
    note = f"<p>{text(proof.corpus)}</p>" if proof.corpus else f"<p>{made_of}</p>"
    return Html(f'<p class="lead">{first}</p>{note}')


def _tiles(aggregate: Aggregate, proof: Proof) -> Html:
    sequential = f"one process: about {seconds(proof.sequential_seconds_estimate)}"
    tiles = [
        (seconds(proof.seconds), "from start to last result", sequential),
        (_rate(proof.documents_per_second), "documents a second", f"{count(aggregate.words)} words read"),
        (f"{proof.speedup:.1f} ×", "as fast as one process", counted(proof.workers, "worker")),
        (count(len(proof.killed)), "workers killed" if len(proof.killed) != 1 else "worker killed", _held(proof)),
        (count(proof.missing), "documents lost", f"of {count(proof.documents_in)}"),
        (count(proof.effects_twice), "done twice", f"{counted(proof.runs_lost, 'run')} lost"),
    ]
    return join(
        [
            Html(f'<div class="tile"><b>{number}</b><span>{label}</span><small>{note}</small></div>')
            for number, label, note in tiles
        ],
    )


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}"


def _held(proof: Proof) -> str:
    return (
        f"held {counted(sum(each.items_held for each in proof.killed), 'document')}"
        if proof.killed
        else "not this time"
    )


def _happened(proof: Proof) -> Html:
    if not proof.killed:
        return Html('<p class="empty">No worker was killed in this run.</p>')
    return Html(f'<ol class="happened">{join([_kill(each) for each in proof.killed])}</ol>')


def _kill(kill: Kill) -> Html:
    after = kill.taken_over_after_seconds
    if after is None:
        went_on = Html('<span class="bad">Nobody took its work over.</span>')
    else:
        taker = text(kill.taken_over_by or "another worker")
        went_on = Html(f'<span class="good"><b>{taker}</b> took its work over {seconds(after)} later.</span>')
    return Html(
        f"<li><time>{seconds(kill.at_seconds)}</time>"
        f'<span><span class="bad"><code>kill -9 {kill.pid}</code></span>: '
        f"worker <b>{text(kill.member)}</b> died holding {counted(kill.items_held, 'document')}. {went_on}</span></li>",
    )


def _bars(shares: tuple[Share, ...], total: int) -> Html:
    if not shares:
        return Html('<p class="empty">Nothing was read.</p>')
    shown, rest = shares[:SHARES_MAX], shares[SHARES_MAX:]
    if rest:
        number, bytes_together = sum(each.documents for each in rest), sum(each.size_bytes for each in rest)
        shown = (*shown, Share("", f"{len(rest)} more", number, bytes_together))
    most = max(each.documents for each in shown)
    rows = [
        Html(
            f'<tr><th scope="row">{text(each.label)}</th>'
            f'<td class="track"><i style="width:{_percent(each.documents, most)}%"></i></td>'
            f"<td>{count(each.documents)}</td><td>{_percent(each.documents, total)} %</td></tr>",
        )
        for each in shown
    ]
    return Html(f'<table class="bars"><tbody>{join(rows)}</tbody></table>')


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0"


def _facts(aggregate: Aggregate) -> Html:
    facts = [
        ("Text", f"{count(aggregate.lines)} lines, {count(aggregate.words)} words, {size(aggregate.size_bytes)}"),
        ("Outlines", _outlines(aggregate.outlines)),
        ("Near-copies", _near_copies(aggregate)),
        ("Encodings", "; ".join(f"{text(each.label)}: {count(each.documents)}" for each in aggregate.encodings[:6])),
        ("Read in part", f"{counted(aggregate.truncated, 'long document')}: the beginning was analysed"),
        ("Unreadable", f"{counted(aggregate.unreadable, 'document')} that vanished or changed before being read"),
    ]
    return join([Html(f"<dt>{label}</dt><dd>{value}</dd>") for label, value in facts])


def _outlines(outlines: OutlineStatistics) -> str:
    return (
        f"{counted(outlines.headings, 'heading')} in {counted(outlines.documents, 'document')}; "
        f"half of them have {count(outlines.median)} or more, one has {count(outlines.most)}"
    )


def _near_copies(aggregate: Aggregate) -> str:
    together = sum(len(each.documents) for each in aggregate.clusters)
    return f"{counted(len(aggregate.clusters), 'group')} with {counted(together, 'document')} together"


def _terms(aggregate: Aggregate) -> Html:
    if not aggregate.terms:
        return Html('<p class="empty">Too few documents share words.</p>')
    heaviest = aggregate.terms[0].weight or 1.0
    chips = [
        Html(
            f'<li style="--w:{each.weight / heaviest:.2f}" title="in {counted(each.documents, "document")}">'
            f"{text(each.text)}<small>{count(each.documents)}</small></li>",
        )
        for each in aggregate.terms
    ]
    return Html(f'<ul class="terms">{join(chips)}</ul>')


def _clusters(aggregate: Aggregate) -> Html:
    if not aggregate.clusters:
        return Html('<p class="empty">No two documents are nearly the same.</p>')
    row_of = {each.id: each for each in aggregate.rows}
    return join([_cluster(each, row_of) for each in aggregate.clusters[:CLUSTERS_MAX]])


def _cluster(cluster: Cluster, row_of: dict[str, Row]) -> Html:
    members = [row_of[each] for each in cluster.documents]
    shown = members[:CLUSTER_NAMES_MAX]
    names = [Html(f"<li>{text(each.name)} <small>{text(_folder(each))}</small></li>") for each in shown]
    more = len(members) - len(names)
    if more:
        names.append(Html(f"<li><small>and {counted(more, 'more', 'more')}</small></li>"))
    title = members[0].title or members[0].name
    return Html(
        f"<details><summary><b>{len(members)} ×</b> <span>{text(title)}</span> "
        f"<small>at least {100 * cluster.least_similarity:.0f} % alike</small></summary>"
        f"<ul>{join(names)}</ul></details>",
    )


def _documents_note(aggregate: Aggregate) -> Html:
    shown, total = len(aggregate.picks), aggregate.documents
    if shown == total:
        return Html("Every document.")
    return Html(f"{count(shown)} of {count(total)}, picked for what is unusual about them. All are in report.json.")


def _document(row: Row, why: str) -> Html:
    terms = join([Html(f"<em>{text(each)}</em> ") for each in row.terms])
    section = Html(f"<span>{text(row.section)}</span>") if row.section is not None else Html("")
    name = row.path.rpartition("/")[2]
    return Html(
        f"<tr{'' if row.status == 'analysed' else ' class=unreadable'}>"
        f"<td><b>{text(name)}</b>{section}<small>{text(_folder(row))}</small></td>"
        f"<td>{text(why)}</td><td>{text(LABELS[row.kind])}</td><td>{text(NAMES.get(row.language, row.language))}</td>"
        f'<td><span>{text(row.title)}</span><small class="words">{terms}</small></td>'
        f'<td class="number">{size(row.size_bytes)}</td><td class="number">{count(row.lines)}</td></tr>',
    )


def _folder(row: Row) -> str:
    folder = row.path.rpartition("/")[0]
    return folder if len(folder) <= 72 else "…" + folder[-71:]


def _footer(proof: Proof) -> Html:
    facts = [
        ("run", proof.run_id),
        ("database", proof.database),
        ("machine", proof.machine),
    ]
    shown = [Html(f"{label} <code>{text(value)}</code>") for label, value in facts if value]
    return Html(" · ".join(shown))
