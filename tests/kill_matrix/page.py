"""The matrix as a page to look at."""

from html import escape

from tests.kill_matrix.matrix import Judgement, Matrix

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kill matrix</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 78rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #8884 }
code { font-size: .9em } .gap { color: #c22; font-weight: 600 } .scroll { overflow-x: auto }
</style>
<h1>Kill matrix</h1>
<p>A faulty server is a correct one with a single mutation. A suite is as good as the mutations that it
notices: every faulty server must be caught by a case, and every case must catch a faulty server.</p>
"""


def page(matrix: Matrix) -> str:
    """The whole page, without anything from elsewhere."""
    problems = matrix.problems()
    verdict = "complete" if not problems else f"{len(problems)} gaps"
    lines = [HEAD, f"<p><strong>{len(matrix.judgements)}</strong> faulty servers, "]
    lines.append(f"<strong>{len(matrix.cases)}</strong> cases: <strong>{verdict}</strong>.</p>")
    lines += [f'<p class="gap">{escape(problem)}</p>' for problem in problems]
    return "\n".join([*lines, *servers(matrix), *cases(matrix)])


def servers(matrix: Matrix) -> list[str]:
    """One row for each faulty server."""
    rows = [row(each) for each in sorted(matrix.judgements, key=lambda each: each.mutant.name)]
    head = "<tr><th>server<th>breaks<th>what it does<th>caught by</tr>"
    return ["<h2>Faulty servers</h2>", '<div class="scroll"><table>', head, *rows, "</table></div>"]


def row(judgement: Judgement) -> str:
    """Name, requirement, sentence, and the cases that caught it."""
    mutant = judgement.mutant
    caught = "<br>".join(f"<code>{escape(case)}</code>" for case in sorted(judgement.kills))
    if not caught:
        caught = "fitness" if judgement.status == 3 else '<span class="gap">nothing</span>'
    return (
        f"<tr><td><code>{escape(mutant.name)}</code><td>{escape(mutant.requirement)}"
        f"<td>{escape(mutant.sentence)}<td>{caught}</tr>"
    )


def cases(matrix: Matrix) -> list[str]:
    """One row for each case: which servers it caught."""
    rows = []
    for case in sorted(matrix.cases):
        caught = sorted(each.mutant.name for each in matrix.judgements if case in each.kills)
        names = ", ".join(f"<code>{escape(name)}</code>" for name in caught)
        rows.append(
            f"<tr><td><code>{escape(case)}</code><td>{names or '<span class=gap>nothing</span>'}</tr>"
        )
    head = "<tr><th>case<th>has caught</tr>"
    return ["<h2>Cases</h2>", '<div class="scroll"><table>', head, *rows, "</table></div>"]
