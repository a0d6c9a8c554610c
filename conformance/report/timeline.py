"""The ledger as a picture: requests over time, a lane for each client, what was done to the target marked.

Inline SVG without a script; colours come from the page's style sheet, for light and dark. Input is
the plain data of `ledger.plain`. Answers are many and alike, so those of one kind are one path; whatever is
no answer is a rectangle of its own that tells its story when it is pointed at.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from conformance.ledger import ANSWERED, ENDINGS
from conformance.wire.render import as_text

LABELS, PICTURE = 230, 770
"""Width of the lanes' names and of the picture, in units of the view box."""

LANE, HEAD, FOOT = 11, 46, 18
"""Height of a lane, of the marks' names above, of the scale below."""

THINNEST = 2.0
"""Units that even the shortest request is wide."""

ROWS = 3
"""Names of marks that may stand above each other before they start at the top again."""

Plain = Mapping[str, Any]


def timeline(ledger: Plain) -> str:
    """The picture and its legend, as HTML."""
    return f'<figure class="ledger">{_svg(ledger)}<figcaption>{_legend(ledger)}</figcaption></figure>'


def _legend(ledger: Plain) -> str:
    counts = ledger["counts"]
    items = "".join(
        f'<span title="{escape(ENDINGS[ending])}"><i class="l-{ending}"></i>{count} {ending}</span>'
        for ending, count in counts.items()
    )
    shown = len(ledger["entries"])
    left_out = ledger["total"] - shown
    return items + (f"<span>{shown} of {ledger['total']} requests drawn</span>" if left_out else "")


def _svg(ledger: Plain) -> str:
    lanes = {int(number): place for place, number in enumerate(ledger["lanes"])}
    height = HEAD + LANE * len(lanes) + FOOT
    end = max([entry["to"] for entry in ledger["entries"]] + [mark[0] for mark in ledger["marks"]] + [0.1])
    scale = PICTURE / end
    parts = [
        *_names(ledger["lanes"]),
        *_scale(end, scale, height - FOOT),
        *_answers(ledger["entries"], lanes, scale),
        *_others(ledger["entries"], lanes, scale),
        *_marks(ledger["marks"], scale, height - FOOT),
    ]
    size = f'viewBox="0 0 {LABELS + PICTURE + 10} {height}"'
    return f'<svg {size} role="img" aria-label="requests over time">{"".join(parts)}</svg>'


def _x(seconds: float, scale: float) -> str:
    return f"{LABELS + seconds * scale:.1f}"


def _names(lanes: Mapping[str, str]) -> Iterable[str]:
    """The clients on the left, and a faint line for each."""
    for place, name in enumerate(lanes.values()):
        middle = HEAD + LANE * place + LANE / 2
        yield f'<path class="lane" d="M{LABELS} {middle}h{PICTURE}"/>'
        yield f'<text x="{LABELS - 6}" y="{middle + 3:.1f}" text-anchor="end">{escape(name)}</text>'


def _scale(end: float, scale: float, bottom: float) -> Iterable[str]:
    """Seconds below, about eight of them."""
    step = next(step for step in (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 600) if end / step <= 8 or step == 600)
    for number in range(int(end / step) + 1):
        x = _x(number * step, scale)
        yield f'<path class="tick" d="M{x} {HEAD}V{bottom}"/>'
        yield f'<text x="{x}" y="{bottom + 12}" text-anchor="middle">{number * step:g} s</text>'


def _answers(entries: Iterable[Plain], lanes: Mapping[int, int], scale: float) -> Iterable[str]:
    strokes: dict[str, list[str]] = {}
    for entry in entries:
        if entry["ending"] in ANSWERED:
            middle = HEAD + LANE * lanes[entry["lane"]] + LANE / 2
            start, width = _x(entry["from"], scale), _width(entry, scale)
            strokes.setdefault(entry["ending"], []).append(f"M{start} {middle}h{width}")
    for ending, parts in strokes.items():
        yield f'<path class="l-{ending}" stroke-width="{LANE - 4}" d="{"".join(parts)}"/>'


def _width(entry: Plain, scale: float) -> str:
    return f"{max(THINNEST, (entry['to'] - entry['from']) * scale):.1f}"


def _others(entries: Iterable[Plain], lanes: Mapping[int, int], scale: float) -> Iterable[str]:
    for entry in entries:
        if entry["ending"] not in ANSWERED:
            top = HEAD + LANE * lanes[entry["lane"]] + 1
            where = f'x="{_x(entry["from"], scale)}" y="{top}" width="{_width(entry, scale)}"'
            title = f"<title>{escape(_story(entry))}</title>"
            yield f'<rect class="l-{entry["ending"]}" {where} height="{LANE - 2}">{title}</rect>'


def _story(entry: Plain) -> str:
    """What the pointer is told: when, what was sent, what came."""
    sent, came = (as_text(bytes.fromhex(entry[key])) for key in ("request", "came"))
    times = f"{entry['from']:.3f} to {entry['to']:.3f} s"
    return (
        f"{entry['ending']}: {entry['asked']}, {times}: sent {sent}; {came or 'nothing'} came, {entry['how']}"
    )


def _marks(marks: Iterable[tuple[float, str]], scale: float, bottom: float) -> Iterable[str]:
    """A line through all lanes for everything that was done, its name above."""
    for number, (at, what) in enumerate(marks):
        x, row = _x(at, scale), 12 + 12 * (number % ROWS)
        anchor = "end" if at * scale > PICTURE * 0.85 else "start"
        yield f'<path class="mark" d="M{x} {row - 8}V{bottom}"/>'
        beside = float(x) + (-3 if anchor == "end" else 3)
        where = f'x="{beside:.1f}" y="{row}" text-anchor="{anchor}"'
        yield f'<text class="mark" {where}>{escape(what)}</text>'
