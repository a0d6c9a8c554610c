"""`python -m tests.interop.clients`: run the suite against correct clients of others, and expect nothing.

Each may be *unsupported*, or deviate where its client file says so; a SHOULD that is broken is counted apart.
Every other verdict is a difference, and so is a deviation that has gone, unless its reason begins with "at
times": exit status 1. A client that is not installed is named, and changes nothing.
"""

import argparse
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.__main__ import differences, judged
from tests.interop.servers import FIXTURES, Missing, Version, by_chance, node, package

ROOT = FIXTURES.parent
CONFORMANCE = Path(sys.executable).with_name("conformance")
PATIENCE = 300
"""Seconds after which a run of the suite hangs."""

VERSIONS: dict[str, Version] = {
    "aiohttp": package("aiohttp"),
    "websockets": package("websockets"),
    "ws": node,
    "zoo": lambda folder: "",
}
"""How the version of each client is found, everything that it needs being installed; raises Missing."""


@dataclass(frozen=True)
class Outcome:
    """The verdict on every case; without verdicts `trouble` says why."""

    name: str
    trouble: str = ""
    verdicts: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def differences(self) -> list[str]:
        """Whatever is not as it should be."""
        described = tomllib.loads((FIXTURES / "clients" / self.name / "client.toml").read_text("utf-8"))
        return differences(self.verdicts, self.seen, by_chance(described))

    def line(self) -> str:
        """How it went."""
        if self.trouble:
            return f"{self.name}: unsupported: {self.trouble}"
        found = list(self.verdicts.values())
        counts = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in dict.fromkeys(found))
        return f"{self.name}: {counts}"


def main() -> int:
    """Judge the clients side by side."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.clients", description="Prove the suite.")
    parser.add_argument("client", nargs="*", choices=[[], *VERSIONS], help="folders in fixtures/clients")
    parser.add_argument("--only", default="*", metavar="GLOB", help="these cases")
    parser.add_argument("-n", type=int, default=5, metavar="CLIENTS", help="at the same time")
    options = parser.parse_args()
    with ThreadPoolExecutor(options.n) as pool:
        outcomes = list(pool.map(lambda name: judge(name, options.only), options.client or VERSIONS))
    print("\n".join(outcome.line() for outcome in outcomes))
    for outcome in outcomes:
        for difference in outcome.differences:
            print(f"difference: client {outcome.name}: {difference}")
    return int(any(outcome.differences for outcome in outcomes))


def judge(name: str, only: str) -> Outcome:
    """Run the suite against one client."""
    folder = FIXTURES / "clients" / name
    try:
        VERSIONS[name](folder)
    except Missing as missing:
        return Outcome(name, trouble=str(missing))
    report = ROOT / "report"
    report.mkdir(exist_ok=True)
    page = report / f"interop-client-{name}"
    results = page.with_suffix(".json")
    results.unlink(missing_ok=True)
    run = [CONFORMANCE, "serve", "websocket", folder / "client.toml", "--strict", "--only", only]
    run += ["--json", results, "--html", page]
    try:
        done = subprocess.run(run, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(name, verdicts={f"not done after {PATIENCE} s": "error"})
    if not results.exists():
        return Outcome(name, verdicts={done.stderr.strip(): "error"})
    verdicts, seen = judged(results)
    return Outcome(name, verdicts=verdicts, seen=seen)


if __name__ == "__main__":
    sys.exit(main())
