"""The report to show a colleague: one page, no other resources, light and dark, wide and narrow."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from conformance import __version__
from conformance.case import REGISTRY
from conformance.catalogue import Requirement, catalogue
from conformance.report.evidence import row
from conformance.report.results_file import Summary
from conformance.report.timeline import timeline
from conformance.verdicts import VERDICTS, Result, by_section, exit_status, totals

BYTES = 24
"""Bytes of an event in the table."""

HEADLINES = {
    0: ("good", "Conforming", "Everything that was checked is as the requirements say."),
    1: ("bad", "Not conforming", "Rules that must hold are broken: see the failures below."),
    3: ("bad", "Not judged", "The target did not start, or cannot do the plainest exchange."),
    4: ("open", "Inconclusive", "Nothing failed, but some answers were hidden by noise."),
    5: ("bad", "The suite broke", "At least one case could not be judged, through no fault of the target."),
}
"""Exit status -> tone, headline, sentence."""


def write(folder: Path, summary: Summary) -> None:
    """Write `index.html` into a folder, which is made if need be. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page(summary), encoding="utf-8")


def page(summary: Summary) -> str:
    """The whole page."""
    template = (files("conformance") / "report" / "page.html").read_text(encoding="utf-8")
    tone, headline, sentence = HEADLINES[exit_status(summary.results)]
    spec = summary.spec
    name = escape(spec.name)
    return Template(template).substitute(
        name=name,
        target=f'<a href="{escape(spec.homepage)}">{name}</a>' if spec.homepage else name,
        language=escape(spec.language),
        tone=tone,
        headline=headline,
        sentence=sentence,
        facts=_facts(summary),
        tiles="".join(_tile(verdict, count) for verdict, count in totals(summary.results).items() if count),
        matrix=_matrix(summary.results),
        sections="".join(_section(name, own) for name, own in by_section(summary.results).items()),
    )


def _facts(summary: Summary) -> str:
    """The small print under the headline."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = (
        f"{len(summary.results)} cases",
        f"{summary.seconds:.1f} s",
        f"seed {summary.seed}",
        f"suite {__version__}",
        when,
    )
    return " · ".join(facts)


def _tile(verdict: str, count: int) -> str:
    return (
        f'<button class="tile v-{verdict}" data-verdict="{verdict}" aria-pressed="false">'
        f"<b>{count}</b><span>{verdict}</span></button>"
    )


def _matrix(results: Sequence[Result]) -> str:
    """Sections down, verdicts across, a bar of proportions beside."""
    columns = [verdict for verdict, count in totals(results).items() if count]
    head = "".join(f"<th>{verdict}</th>" for verdict in columns)
    rows = "".join(_matrix_row(name, own, columns) for name, own in by_section(results).items())
    return f"<thead><tr><th>section</th>{head}<th></th></tr></thead><tbody>{rows}</tbody>"


def _matrix_row(name: str, results: Sequence[Result], columns: Sequence[str]) -> str:
    count = totals(results)
    cells = "".join(
        f'<td class="{"v-" + verdict if count[verdict] else "none"}">{count[verdict] or "·"}</td>'
        for verdict in columns
    )
    bar = "".join(f'<i class="v-{v}" style="flex:{count[v]}"></i>' for v in VERDICTS if count[v])
    link = f'<th scope="row"><a href="#{escape(name)}">{escape(name)}</a></th>'
    return f'<tr>{link}{cells}<td class="bar"><div>{bar}</div></td></tr>'


def _section(name: str, results: Sequence[Result]) -> str:
    cases = "".join(map(_case, results))
    return f'<section id="{escape(name)}"><h2>{escape(name)}</h2>{cases}</section>'


def _case(result: Result) -> str:
    """One case: a line that opens to everything that is known about it."""
    case = REGISTRY.get(result.id)
    title = escape(case.title) if case else ""
    return (
        f'<details class="case" data-verdict="{result.verdict}" id="{escape(result.id)}"'
        f"{' open' if result.verdict in {'fail', 'error'} else ''}>"
        f'<summary><span class="badge v-{result.verdict}">{result.verdict}</span>'
        f"<code>{escape(result.id)}</code><small>{result.seconds * 1000:.0f} ms</small></summary>"
        f'<div class="body"><p class="title">{title}</p><dl>{_seen(result)}'
        f"{''.join(_requirement(catalogue().requirements[name]) for name in result.requirements)}</dl>"
        f"{timeline(result.ledger) if result.ledger else ''}{_wire(result)}</div></details>"
    )


def _seen(result: Result) -> str:
    """The outcome, its particulars, and how to see it again."""
    items = _item("outcome", f"<b>{escape(result.outcome)}</b>")
    if result.detail:
        items += _item("detail", f"<pre>{escape(result.detail)}</pre>")
    if result.replay:
        items += _item("again", f"<code>conformance replay {escape(result.replay)}</code>")
    return items


def _requirement(requirement: Requirement) -> str:
    head = f"<b>{requirement.id}</b> {requirement.level} — {escape(requirement.title)}"
    items = _item("requirement", f"{head}<br><small>{escape(requirement.clause)}</small>")
    pairs = (("rule", requirement.rule), ("accepted", requirement.accepted), ("why", requirement.why))
    items += "".join(_item(name, escape(text)) for name, text in pairs)
    if requirement.reference:
        items += _item("reference", f"<code>{escape(requirement.reference)}</code>")
    return items


def _item(name: str, content: str) -> str:
    return f"<dt>{name}</dt><dd>{content}</dd>"


def _wire(result: Result) -> str:
    """Bytes sent and seen, event by event."""
    if not result.evidence:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("s", "", "event and bytes", "hex", "text"))
    rows = "".join(map(_wire_row, result.evidence))
    return f'<div class="wire"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _wire_row(event: Mapping[str, Any]) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row(event, BYTES))
    return f'<tr class="k-{event["kind"]}">{cells}</tr>'
