"""`python -m tests.interop`: the suite against correct servers of others, and what it found out about them.

A case that one of them fails is wrong, or the server is, and then its target file says so in `[deviations]`.
What was too noisy to tell is counted apart, and so is a SHOULD that is broken. Every other verdict is a
difference, and so is a deviation that has gone, unless its reason begins with "at times": exit status 1. A
server that is not installed is named, and changes nothing.

By default the independent servers meet every section but those about processes, which take minutes for each
server; servers of others that have no commands, that fail no more than a few cases by chance, and whose
library is not another one's as well, meet the sections of their services. Cases of much volume are left out.
With --all, or for servers that are named, it is every case, and all servers of others are judged.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Container, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.servers import FIXTURES, Missing, Server, servers

ROOT = FIXTURES.parent
CONFORMANCE = Path(sys.executable).with_name("conformance")
PATIENCE = 1800
"""Seconds after which a run of the suite hangs: every section takes minutes on a full machine."""

EXPECTED = ("pass", "weak", "info", "deviation", "unsupported", "inconclusive")
PROCESSES = ("lifecycle/*", "timer/*")
"""Cases that take long, since each has a copy of the server for itself."""

VOLUME = ("websocket/chop/*", "websocket/cost/*", "websocket/size/round-trips-*")
"""Cases that need seconds of a processor for each server."""

EVERYTHING = "*"

COLUMNS = ("pass", "weak", "info", "deviation", "fixed", "unsupported", "inconclusive")


SIDE_BY_SIDE, QUICK = 3, 1
"""Processes of a run with every section, and of one with few; each costs a second and one copy more, so that
several runs at the same time are better than several processes of one.
"""


@dataclass(frozen=True)
class Outcome:
    """A server's version, the verdict on every case, and what it has seen, in a line; without verdicts
    `trouble` says why.
    """

    server: Server
    version: str = ""
    trouble: str = ""
    verdicts: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def differences(self) -> list[str]:
        """Whatever is not as it should be."""
        return differences(self.verdicts, self.seen, self.server.at_times)

    @property
    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        counts = [str(list(self.verdicts.values()).count(verdict) or "·") for verdict in COLUMNS]
        return (self.server.name, self.version, *counts, str(len(self.differences) or "·"))


def differences(
    verdicts: Mapping[str, str], seen: Mapping[str, str], at_times: Container[str] = ()
) -> list[str]:
    """Whatever is not as it should be: a verdict on a case, and what it saw. Cases of `at_times` may fail."""
    strange = [
        f"{verdict} {name} {seen.get(name, '')}".rstrip()
        for name, verdict in verdicts.items()
        if verdict not in EXPECTED and not (verdict == "fixed" and name in at_times)
    ]
    empty = ["no case passed"] if verdicts and "pass" not in verdicts.values() else []
    return strange + empty


def main() -> int:
    """Judge the servers side by side, and print the table."""
    options = arguments()
    known = {server.name: server for server in servers()}
    if unknown := set(options.server) - known.keys():
        print(f"interop: no server {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    usual = [name for name, server in known.items() if server.is_usual]
    named = options.server or (list(known) if options.all else usual)
    options.whole = bool(options.all or options.server)
    chosen = sorted(
        (known[name] for name in named), key=lambda server: not server.is_ours
    )  # the longest first
    with ThreadPoolExecutor(options.n) as pool:
        todo = [pool.submit(judge, server, options) for server in chosen]
        outcomes = [report(future.result()) for future in as_completed(todo)]
    if done := [each for each in outcomes if each.verdicts]:
        table(sorted(done, key=lambda each: each.server.name))
    for outcome in outcomes:  # once more, where whoever reads the end of a long log finds them
        complain(outcome)
    return max(int(bool(each.differences)) for each in outcomes)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description="Prove the suite on others.")
    parser.add_argument("server", nargs="*", help="folders in fixtures/independent or fixtures/third-party")
    parser.add_argument("--all", action="store_true", help="every server, and every section")
    parser.add_argument("--only", default=EVERYTHING, metavar="GLOB", help="these cases")
    parser.add_argument(
        "--report", type=Path, default=ROOT / "report", metavar="DIR", help="where the pages go"
    )
    parser.add_argument("-n", type=int, default=8, metavar="SERVERS", help="at the same time")
    return parser.parse_args()


def judge(server: Server, options: argparse.Namespace) -> Outcome:
    """Run the suite against a server."""
    try:
        version = server.version()
    except Missing as missing:
        return Outcome(server, trouble=str(missing))
    options.report.mkdir(exist_ok=True)
    page = options.report / f"interop-{server.name}"
    results = page.with_suffix(".json")
    results.unlink(missing_ok=True)
    processes = QUICK if server.is_quick else SIDE_BY_SIDE
    run = [CONFORMANCE, "run", server.target, "--strict", f"-n{processes}", "--json", results, "--html", page]
    run += selection(server, options)
    try:
        done = subprocess.run(run, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(server, version, verdicts={f"not done after {PATIENCE} s": "error"})
    if not results.exists():
        return Outcome(server, version, verdicts={done.stderr.strip(): "error"})
    verdicts, seen = judged(results)
    return Outcome(server, version, verdicts=verdicts, seen=seen)


def judged(results: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The verdict on every case, and what it saw: its outcome, and the first line of the details."""
    cases = json.loads(results.read_text())["cases"]
    seen = {case["id"]: f"[{case['outcome']}: {case['detail'].partition(chr(10))[0]}]" for case in cases}
    return {case["id"]: case["verdict"] for case in cases}, seen


def selection(server: Server, options: argparse.Namespace) -> list[str]:
    """The options that choose a server's cases."""
    if options.only != EVERYTHING:
        return [f"--only={options.only}"]
    if options.whole:
        return [f"--skip={glob}" for glob in server.elsewhere]
    if server.is_quick:
        sections = [f"--only={service}/*" for service in server.described["endpoints"]]
        return sections + [f"--skip={glob}" for glob in VOLUME]
    return [f"--skip={glob}" for glob in (*PROCESSES, *VOLUME)]


def report(outcome: Outcome) -> Outcome:
    """Say how it went, at once."""
    if outcome.trouble:
        print(f"{outcome.server.name}: unsupported: {outcome.trouble}", flush=True)
    complain(outcome)
    return outcome


def complain(outcome: Outcome) -> None:
    """A line for each difference: the server, the verdict, the case and what it saw."""
    for difference in outcome.differences:
        print(f"difference: {outcome.server.name}: {difference}", flush=True)


def table(outcomes: list[Outcome]) -> None:
    """A line for each server."""
    rows = [("server", "version", *COLUMNS, "different"), *(outcome.row for outcome in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, version, *counts in rows:
        cells = [
            f"{name:{widths[0]}}",
            f"{version:{widths[1]}}",
            *(f"{c:>{w}}" for c, w in zip(counts, widths[2:], strict=True)),
        ]
        print("  ".join(cells))


if __name__ == "__main__":
    sys.exit(main())
