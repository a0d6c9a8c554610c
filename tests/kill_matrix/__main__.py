"""`python -m tests.kill_matrix`: run the suite against every faulty server, and every faulty client.

By default each server meets only the cases that `kills.toml` names for it, which repeats the whole proof in
minutes; a server that is not named there meets its whole sections. `--record` runs whole sections, repeats
what it chose from their catches, and writes `kills.toml` anew, or with `--only` the lines of those servers.

A busy machine hides faults: who got away, or was to prove a case that now proves nothing, is judged once more
when all others are done, a few at a time, and what is still hidden then, alone. Exit status 0: the matrix is
complete.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path
from random import Random
from time import monotonic

from tests.kill_matrix import forked
from tests.kill_matrix.matrix import Ending, Judgement, Matrix, Mutant, Selection
from tests.kill_matrix.page import page
from tests.kill_matrix.suite import finished

ROOT = Path(__file__).parents[2]
ZOO = ROOT / "fixtures" / "zoo"
CLIENTS = ROOT / "fixtures" / "clients" / "zoo"
KILLS = Path(__file__).with_name("kills.toml")
REPEATS = 2
"""How often a catch has to be seen again before it is recorded."""

SLOW = 8.0
"""Seconds from which on a server counts as slow."""

COMPANY = 3
"""How many other servers are started after each slow one, so that neither come all at the end."""

AGAIN = (3, 1, 1)
"""How many of those that hid something are judged at the same time, the next time and the last ones."""

CONFORMANCE = Path(sys.executable).with_name("conformance")


def main() -> int:
    """Judge every faulty server, write the page, and say what is missing."""
    options = arguments()
    forked.make_room()
    matrix = Matrix(frozenset(listed()) if options.only == "*" else frozenset())
    if options.record:
        record(matrix, chosen(options.only), options.n)
    else:
        judge_patiently(matrix, chosen(options.only), selections(), options.n)
    return concluded(matrix, options)


def judge_patiently(matrix: Matrix, servers: list[Mutant], known: Selection, processes: int) -> None:
    """Judge all servers, and those again that leave a gap: by what they hid, and with less beside them."""
    judge_all(matrix, servers, known, processes)
    for together in AGAIN:
        hidden = matrix.hiding(known)
        if not hidden:
            return
        print(f"once more, {together} at a time: {len(hidden)}")
        matrix.judgements[:] = [each for each in matrix.judgements if each not in hidden]
        again = {each.mutant.name: still_due(each, known) for each in hidden}
        judge_all(matrix, [each.mutant for each in hidden], again, min(together, processes), hidden)


def still_due(judgement: Judgement, known: Selection) -> list[str]:
    """The cases that have to judge a server again: those that missed it, or all where none did."""
    missed = sorted(case for _, case in judgement.missed(known))
    return missed or list(known.get(judgement.mutant.name, ()))


def record(matrix: Matrix, servers: list[Mutant], processes: int) -> None:
    """Judge whole sections, choose what repeats the proof, and see it repeated: luck proves nothing."""
    judge_patiently(matrix, servers, {}, processes)
    proven: dict[str, list[str]] = {}
    slow = {name: seconds for name, seconds in slow_ones().items() if name not in {s.name for s in servers}}
    while todo := {name: cases for name, cases in matrix.selection().items() if proven.get(name) != cases}:
        print(f"repeated: {len(todo)}")
        again = Matrix(frozenset())
        judge_all(again, REPEATS * [each for each in servers if each.name in todo], todo, processes)
        matrix.forget({catch for each in again.judgements for catch in each.missed(todo)})
        proven |= todo
        slow |= {each.mutant.name: each.seconds for each in again.judgements if each.seconds > SLOW}
    KILLS.write_text(recorded(slow, {**selections(), **matrix.selection()}), "utf-8")


def judge_all(
    matrix: Matrix,
    servers: list[Mutant],
    known: Selection,
    processes: int,
    before: Sequence[Judgement] = (),
) -> None:
    """Judge servers side by side; what an earlier judgement of one has caught stays caught."""
    earlier = {each.mutant: each for each in before}
    with ThreadPoolExecutor(processes) as pool:
        todo = [pool.submit(judge, each, known.get(each.name)) for each in servers]
        for done, future in enumerate(as_completed(todo), 1):
            judgement = future.result()
            if former := earlier.get(judgement.mutant):
                judgement = judgement.joined(former)
            matrix.judgements.append(judgement)
            print(f"{done:3}/{len(servers)} {judgement.seconds:5.1f} s  {summary(judgement)}", flush=True)


def chosen(glob: str) -> list[Mutant]:
    """Faulty servers by name or section, in an order that keeps the processor busy to the end: the slow ones
    let time pass, so each stands before some of the others.
    """
    found = [each for each in zoo() if any(fnmatchcase(word, glob) for word in (each.name, *each.sections))]
    Random(0).shuffle(found)
    seconds = slow_ones()
    slow = [each for each in found if each.name in seconds]
    slow.sort(key=lambda each: -seconds[each.name])
    others = [each for each in found if each.name not in seconds]
    lines = zip_longest(slow, *(others[start::COMPANY] for start in range(COMPANY)))
    return [each for line in lines for each in line if each]


def selections() -> Selection:
    """The cases that `kills.toml` names for each server."""
    cases: Selection = tomllib.loads(KILLS.read_text("utf-8"))["cases"]
    return cases


def slow_ones() -> dict[str, float]:
    """The servers that took long when `kills.toml` was written, and how many seconds."""
    return dict(tomllib.loads(KILLS.read_text("utf-8"))["slow"])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill_matrix", description="Prove the suite.")
    parser.add_argument("--record", action="store_true", help="run everything, and write kills.toml anew")
    parser.add_argument("--only", default="*", metavar="GLOB", help="faulty servers by name or section")
    parser.add_argument(
        "--report", type=Path, default=ROOT / "report", metavar="DIR", help="where the page goes"
    )
    parser.add_argument(
        "-n", type=int, default=8 * (os.cpu_count() or 2), metavar="PROCESSES", help="at the same time"
    )
    return parser.parse_args()


def zoo() -> list[Mutant]:
    """The faulty servers and clients, as their zoos list them."""
    return [mutant for folder in (ZOO, CLIENTS) for mutant in inhabitants(folder)]


def inhabitants(folder: Path) -> Iterator[Mutant]:
    """The mutants of one zoo, with the whole paths of their target files."""
    command = [sys.executable, folder / "main.py", "list"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for row in json.loads(done.stdout):
        place = str(folder / row["target"])
        yield Mutant(**{**row, "sections": tuple(row["sections"]), "target": place})


def listed() -> list[str]:
    """The ids of all cases."""
    done = subprocess.run([CONFORMANCE, "list"], check=True, capture_output=True, text=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.strip()]


def judge(mutant: Mutant, cases: Sequence[str] | None) -> Judgement:
    """Run the suite against one faulty server: `cases`, or the sections that it breaks."""
    started = monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as folder:
        results, output = Path(folder) / "results.json", Path(folder) / "output"
        globs = cases or mutant.sections
        status = finished(Path(mutant.target), mutant.name, globs, results, output)
        written = json.loads(results.read_text("utf-8")) if results.exists() else []
        printed = output.read_text("utf-8", errors="replace") if output.exists() else ""
    judged = {case["id"]: Ending(case["verdict"], case["outcome"], case["seconds"]) for case in written}
    return Judgement(mutant, status, judged, printed, monotonic() - started)


def summary(judgement: Judgement) -> str:
    """One line of progress."""
    if problem := judgement.problem():
        return f"GAP    {problem}"
    caught = sorted(judgement.kills)
    what = f"{caught[0]}{f' and {len(caught) - 1} more' if caught[1:] else ''}" if caught else "fitness"
    return f"caught {judgement.mutant.name:40} {what}"


def concluded(matrix: Matrix, options: argparse.Namespace) -> int:
    """Write what is to be kept, and print what is missing."""
    options.report.mkdir(parents=True, exist_ok=True)
    (options.report / "kill-matrix.html").write_text(page(matrix), "utf-8")
    problems = matrix.problems()
    print()
    for problem in problems:
        print(f"GAP    {problem}")
    kills = sum(len(each.kills) for each in matrix.judgements)
    print(f"{len(matrix.judgements)} faulty servers, {len(matrix.cases)} cases, {kills} catches, ", end="")
    print(f"{len(problems)} gaps" if problems else "complete")
    return 1 if problems else 0


def recorded(slow: Mapping[str, float], selection: Selection) -> str:
    """`kills.toml`: for each faulty server the cases that must catch it, and which servers are slow."""
    lines = ["# Written by `--record`. Seconds of servers that take long, for the order of a run.", "[slow]"]
    lines += [f'"{name}" = {seconds:.0f}' for name, seconds in sorted(slow.items())]
    lines += ["", "# For each faulty server the cases that must catch it.", "[cases]"]
    for name, cases in sorted(selection.items()):
        lines.append(f'"{name}" = [{", ".join(json.dumps(case) for case in cases)}]')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
