"""What a run shows: a line for each case, a table by section, and the first failures explained."""

import os
from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import TextIO

from conformance.case import Case
from conformance.catalogue import Requirement, catalogue
from conformance.report.evidence import row
from conformance.session import Run
from conformance.verdicts import FATAL, VERDICTS, Result, by_section, totals

COLOURS = {
    "pass": "32",
    "fail": "1;31",
    "weak": "33",
    "info": "36",
    "deviation": "35",
    "fixed": "34",
    "unsupported": "2",
    "inconclusive": "1;33",
    "error": "1;37;41",
}
"""ANSI colours, used on a terminal and where NO_COLOR is not set."""

EXPLAINED = 5
"""Failures explained at the end; `conformance explain` and the report have all."""

BYTES = 16
"""Bytes of an event on one line."""

ENDINGS = {
    0: "conforming",
    1: "not conforming",
    3: "the target did not start or is unfit",
    4: "inconclusive",
    5: "the suite itself broke",
}
"""Exit status in words."""


class Progress:
    """Writes to a stream while a run goes on."""

    def __init__(self, stream: TextIO, total: int) -> None:
        self.stream = stream
        self.total = total
        self.done = 0
        self.reasons: set[tuple[str, str]] = set()
        self.coloured = stream.isatty() and "NO_COLOR" not in os.environ

    def begin(self, name: str, seed: int) -> None:
        """Say what is about to happen."""
        self._print(f"conformance of {name}: {self.total} cases, seed {seed}")

    def invite(self, url: str, seconds: float | None) -> None:
        """Say where a client has to come, and for how many seconds it is waited for (None: it is started)."""
        waiting = f", waiting {seconds:g} s for a client" if seconds else ""
        self._print(f"serving at {url}{waiting}")

    def result(self, result: Result) -> None:
        """One line for one case."""
        self.done += 1
        if result.outcome in FATAL and self._told(result):
            return
        verdict = self._paint(result.verdict, result.verdict.ljust(12))
        count = f"{self.done:>{len(str(self.total))}}/{self.total}"
        self._print(f"{count} {verdict} {result.id}{_remark(result)}")

    def again(self, count: int) -> None:
        """Say that so many cases are asked again, and count anew."""
        self.done, self.total = 0, count
        self._print(f"inconclusive, and asked again one by one: {count}")

    def _told(self, result: Result) -> bool:
        """Whether what takes a whole section down was shown already: once is enough."""
        reason = (result.outcome, result.section)
        known = reason in self.reasons
        self.reasons.add(reason)
        return known

    def end(self, run: Run, status: int, unknown_deviations: Iterable[str]) -> None:
        """The table, the first failures explained, and the verdict on the whole."""
        self._print("", *table(run.results))
        for key in unknown_deviations:
            self._print(f"note: the deviation {key!r} names nothing that this version knows")
        for result in _worst(run.results):
            self._print(
                "", self._paint(result.verdict, f"{result.verdict}: {result.id}"), *explanation(result)
            )
        ending = "broken off" if run.interrupted else ENDINGS[status]
        self._print("", f"{ending} after {run.seconds:.1f} s")

    def _print(self, *lines: str) -> None:
        self.stream.write("".join(f"{line}\n" for line in lines))
        self.stream.flush()

    def _paint(self, verdict: str, text: str) -> str:
        return f"\x1b[{COLOURS[verdict]}m{text}\x1b[0m" if self.coloured else text


def _remark(result: Result) -> str:
    """What to say behind a result: the reason where there was no judgement, figures where there are any."""
    if result.verdict in {"unsupported", "inconclusive"}:
        return f"  [{result.detail}]"
    figures = f": {result.detail}" if result.detail and result.verdict in {"pass", "info"} else ""
    return f"  [{result.outcome}{figures}]" if figures or result.verdict != "pass" else ""


def table(results: Sequence[Result]) -> list[str]:
    """Sections down, verdicts across; verdicts that did not happen are left out."""
    columns = [verdict for verdict, count in totals(results).items() if count]
    lines = [("section", *columns)]
    for section, own in by_section(results).items():
        count = totals(own)
        lines.append((section, *(str(count[verdict] or "·") for verdict in columns)))
    lines.append(("total", *(str(totals(results)[verdict]) for verdict in columns)))
    first = max(len(line[0]) for line in lines)
    return [
        line[0].ljust(first)
        + "".join(cell.rjust(len(column) + 2) for cell, column in zip(line[1:], columns, strict=True))
        for line in lines
    ]


def _worst(results: Sequence[Result]) -> list[Result]:
    """What to explain: errors and failures, then the weak; of what is unfit only the first case."""
    order = [verdict for verdict in ("error", "fail", "weak") if verdict in VERDICTS]
    chosen = [result for verdict in order for result in results if result.verdict == verdict]
    fatal = [result for result in chosen if result.outcome in FATAL]
    first = {(result.outcome, result.section): result for result in reversed(fatal)}
    return [*first.values(), *(result for result in chosen if result.outcome not in FATAL)][:EXPLAINED]


def explanation(result: Result) -> list[str]:
    """Why a result is what it is: clause, rule, outcome, bytes, the reference's place, the replay."""
    rules = () if result.outcome in FATAL else result.requirements
    lines = [line for name in rules for line in _rule(catalogue().requirements[name])]
    lines += [_field("seen", f"{result.outcome}: {result.detail}" if result.detail else result.outcome)]
    lines += [_wire_line(row(event, BYTES)) for event in result.evidence]
    if result.replay:
        lines.append(_field("again", f"conformance replay {result.replay}"))
    return lines


def _rule(requirement: Requirement) -> list[str]:
    head = f"{requirement.id} {requirement.level} {requirement.title} ({requirement.clause})"
    where = [_field("reference", requirement.reference)] if requirement.reference else []
    return [_field("clause", head), _field("rule", requirement.rule), *where]


def _field(name: str, text: str) -> str:
    """A name and a paragraph beside it; line breaks of the text stay."""
    indent = " " * 13
    wrapped = [fill(part, 100, initial_indent=indent, subsequent_indent=indent) for part in text.split("\n")]
    return f"  {name:<11}" + "\n".join(wrapped)[len(indent) :]


def _wire_line(cells: tuple[str, str, str, str, str]) -> str:
    at, who, what, hexadecimal, text = cells
    return f"  {at:>8} {who:<4}{what:<14} {hexadecimal:<{3 * BYTES + 2}} {text}".rstrip()


def case_line(case: Case) -> str:
    """A case on one line, for `conformance list`."""
    level = catalogue().level(case.requirements)
    return f"{case.id:<52} {level:<7} {', '.join(case.requirements)}"


def case_page(case: Case) -> str:
    """A case and its requirements, for `conformance explain`."""
    accepted = ", ".join(f"{outcome} ({verdict})" for outcome, verdict in case.accept.items())
    lines = [
        case.id,
        _field("case", case.title),
        _field("service", case.service),
        _field("accepts", accepted),
    ]
    if case.needs:
        lines.append(_field("needs", ", ".join(case.needs)))
    for name in case.requirements:
        lines += ["", *_requirement_lines(catalogue().requirements[name])]
    return "\n".join(lines)


def requirement_page(key: str, cases: Mapping[str, Case]) -> str:
    """A requirement with the cases that check it, or the reason why there is none."""
    if waiver := catalogue().waivers.get(key):
        return "\n".join([f"{key} {waiver.title}", _field("no case", waiver.reason)])
    checked = [_field("case", case.id) for case in cases.values() if key in case.requirements]
    return "\n".join([*_requirement_lines(catalogue().requirements[key]), *checked])


def autobahn_page(found: Mapping[str, Sequence[str]], cases: Mapping[str, Case]) -> str:
    """Ids of the Autobahn testsuite, and the cases that judge the same; their titles where they are few."""
    lines = [f"{one:<8} {', '.join(ours)}" for one, ours in found.items()]
    ours = dict.fromkeys(name for names in found.values() for name in names)
    lines += [_field("case", f"{name}: {cases[name].title}") for name in ours if name in cases]
    return "\n".join(lines)


def _requirement_lines(requirement: Requirement) -> list[str]:
    pairs = (
        ("rule", requirement.rule),
        ("sent", requirement.check),
        ("accepted", requirement.accepted),
        ("why", requirement.why),
        ("clause", requirement.clause),
        ("reference", requirement.reference),
    )
    head = f"{requirement.id} {requirement.level} {requirement.title}"
    return [head, *(_field(name, text) for name, text in pairs if text)]
