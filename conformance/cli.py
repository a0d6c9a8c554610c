"""The command line: `conformance run`, `serve`, `diff`, `list`, `explain`, `replay` (contract, section 8)."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import filter as filter_names
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

from conformance import __version__, autobahn, replay, session
from conformance.case import Case
from conformance.catalogue import CatalogueError, NoSuchCase, catalogue, gaps, select, suggestion
from conformance.clients import session as clients
from conformance.clients.command import command
from conformance.differential import command as differential
from conformance.differential import report as differences
from conformance.outcomes import TargetDown
from conformance.plugin import spec_of
from conformance.report import html, junit, results_file, terminal
from conformance.target.file import TargetFileError, TargetSpec, from_endpoints, load_client, read_endpoints
from conformance.verdicts import BROKE, CONFORMING, FAILED, UNFIT, WRONG_USAGE, exit_status

REFERENCE = Path(str(files("conformance") / "target" / "refworker.toml"))
"""The target when none is named."""


LAST_PORT = 65535


class Usage(Exception):
    """Wrong usage, in one line."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status of the contract."""
    given, behind = _divided(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser().parse_args(given)
        options.behind = behind
        status: int = options.command(options)
    except (Usage, TargetFileError, NoSuchCase, replay.ReplayError) as problem:
        return _complain(problem, WRONG_USAGE)
    except TargetDown as problem:
        return _complain(problem, UNFIT)
    except CatalogueError as problem:
        return _complain(problem, BROKE)
    except BrokenPipeError:  # whoever read the output has had enough, as in `conformance list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKE
    return status


def _divided(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first `--` of `serve`, and what stands behind it: the client's command."""
    words = list(arguments)
    if words[:1] != ["serve"] or "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


def _complain(problem: Exception, status: int) -> int:
    print(f"conformance: {problem}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="conformance", description="Judge a socket server or client by what it does on the wire."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_run(commands.add_parser("run", help="judge a target; the reference when none is named"))
    _add_serve(commands.add_parser("serve", help="judge a client: it connects, and plays the cases"))
    _add_diff(
        commands.add_parser(
            "diff", help="send the same bytes to two targets, and list what they disagree about"
        )
    )
    listing = commands.add_parser("list", help="list cases")
    listing.add_argument("glob", nargs="?", default="*", metavar="GLOB")
    listing.set_defaults(command=_list)
    explaining = commands.add_parser(
        "explain", help="explain a case, a requirement, or a case of the Autobahn testsuite"
    )
    explaining.add_argument("id", metavar="ID", help="as `list` has it, WS-035, or autobahn:6.4.1")
    explaining.set_defaults(command=_explain)
    replaying = commands.add_parser("replay", help="send the bytes of a saved failure again")
    replaying.add_argument("file", type=Path, metavar="FILE")
    replaying.add_argument(
        "--endpoint", action="append", default=[], metavar="SERVICE=URL", help="send them there instead"
    )
    replaying.set_defaults(command=_replay)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("target", nargs="?", type=Path, metavar="TARGET.toml", help="target file")
    add("--endpoint", action="append", default=[], metavar="SERVICE=URL", help="a server that runs already")
    add("-n", type=_whole, default=session.default_processes(), metavar="PROCESSES", help="test processes")
    _add_choice(parser)
    parser.set_defaults(command=_run)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    """One protocol by now; each has a parser of its own."""
    protocols = parser.add_subparsers(required=True, metavar="PROTOCOL", parser_class=_Parser)
    websocket = protocols.add_parser("websocket", help="RFC 6455")
    websocket.usage = "conformance serve websocket [CLIENT.toml] [options] [-- COMMAND ...]"
    add = websocket.add_argument
    add("client", nargs="?", type=Path, metavar="CLIENT.toml", help="client file")
    add("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    add("--port", type=_port, default=0, help="on which port (a free one)")
    add("--name", default="", help="the client's name in reports")
    add("--wait", type=_seconds, default=60.0, metavar="SECONDS", help="for the client to come at all (60)")
    add("--patience", type=_seconds, default=15.0, metavar="SECONDS", help="for it to come back (15)")
    _add_choice(websocket)
    websocket.set_defaults(command=_serve)


def _add_diff(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "targets",
        nargs="+",
        type=Path,
        metavar="TARGET.toml",
        help="two target files, or one and the reference",
    )
    add(
        "--only",
        action="append",
        default=[],
        metavar="GLOB",
        help="these families of streams; may be repeated",
    )
    add("--examples", type=_whole, default=100, metavar="N", help="streams of each family (100)")
    add("--seed", type=_whole, default=0, metavar="N", help="seed of everything random (0)")
    add("--json", type=Path, metavar="FILE", help="write the results as JSON")
    add("--replays", type=Path, default=session.Plan.replays, metavar="DIR", help="where replay files go")
    parser.set_defaults(command=_diff)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    """Which cases, how hard they try, and what is written of them."""
    add = parser.add_argument
    add("--only", action="append", default=[], metavar="GLOB", help="run these cases; may be repeated")
    add("--skip", action="append", default=[], metavar="GLOB", help="leave these out; may be repeated")
    add("--strict", action="store_true", help="broken SHOULDs and outdated deviations fail the run")
    add("--json", type=Path, metavar="FILE", help="write the results as JSON")
    add("--junit", type=Path, metavar="FILE", help="write them as JUnit XML")
    add("--html", type=Path, metavar="DIR", help="write a report to look at")
    add("--seed", type=_whole, default=0, metavar="N", help="seed of everything random (0)")
    add("--fuzz", type=_minutes, default=0.0, metavar="MINUTES", help="search that long for counterexamples")


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes")
    return minutes


def _seconds(text: str) -> float:
    seconds = _minutes(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is no time")
    return seconds


def _port(text: str) -> int:
    number = _whole(text)
    if number > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return number


def _run(options: argparse.Namespace) -> int:
    path, spec = _aim(options)
    cases = session.load_cases()
    selected = _selected(cases, options)
    plan = session.Plan(
        tuple(selected),
        path,
        tuple(options.endpoint),
        options.n,
        options.seed,
        options.fuzz,
        _replays(options),
    )
    progress = terminal.Progress(sys.stdout, len(selected))
    progress.begin(spec.name, options.seed)
    outcome = session.run(plan, spec, progress.result, progress.again)
    return _conclude(options, spec, outcome, progress, cases)


def _conclude(
    options: argparse.Namespace,
    spec: TargetSpec,
    outcome: session.Run,
    progress: terminal.Progress,
    cases: Mapping[str, Case],
) -> int:
    """Write the reports, say how it ended, and return the exit status."""
    _write(options, spec, outcome)
    status = BROKE if outcome.interrupted else exit_status(outcome.results, strict=options.strict)
    progress.end(outcome, status, _unknown_deviations(spec, cases))
    return status


def _selected(cases: Mapping[str, Case], options: argparse.Namespace) -> list[str]:
    """The ids that the options choose, everything about them and their reports being in order."""
    elsewhere = _all_cases().keys() - cases.keys()
    for glob in options.only:
        if not filter_names(cases, glob) and filter_names(elsewhere, glob):
            raise Usage(f"{glob!r}: `conformance run` is for servers, `conformance serve` for clients")
    selected = select(cases, options.only, options.skip)
    if not selected:
        raise Usage("nothing selected; leave out a --skip")
    for gap in gaps(cases[name] for name in selected):
        raise CatalogueError(gap)
    _check_places(options)
    return selected


def _serve(options: argparse.Namespace) -> int:
    spec, cases = _client(options), clients.load_cases()
    selected = _selected(cases, options)
    plan = clients.Plan(
        tuple(selected),
        options.host,
        options.port,
        options.seed,
        options.fuzz,
        options.wait,
        options.patience,
    )
    progress = terminal.Progress(sys.stdout, len(selected))
    try:
        with clients.opened(plan, spec) as bench:
            progress.begin(spec.name, options.seed)
            progress.invite(bench.gate.url, None if spec.process else options.wait)
            outcome = clients.run(plan, spec, bench, progress.result)
    except OSError as problem:
        place = f"{options.host}:{options.port}"
        raise Usage(f"cannot listen on {place}: {problem.strerror}; give another --host or --port") from None
    return _conclude(options, spec, outcome, progress, cases)


def _client(options: argparse.Namespace) -> TargetSpec:
    """The client that a file or a command describes, or one that somebody else runs."""
    if options.client and options.behind:
        raise Usage("the client file names a command already; give one of the two")
    if options.client:
        spec = load_client(options.client)
        return replace(spec, name=options.name or spec.name)
    process = command(options.behind) if options.behind else None
    name = options.name or " ".join(options.behind) or "a WebSocket client"
    return TargetSpec(name=name, endpoints={}, process=process)


def _diff(options: argparse.Namespace) -> int:
    summary = differential.run(_contest(options), print)
    for number, _ in enumerate(summary.disagreements):
        print("", *differences.page(summary, number), sep="\n", end="")
    if options.json:
        differences.write(options.json, summary)
    print(differences.closing(summary))
    return FAILED if summary.disagreements else CONFORMING


def _contest(options: argparse.Namespace) -> differential.Plan:
    """What to compare, everything about it being in order."""
    files: list[Path] = [*options.targets, REFERENCE][: max(2, len(options.targets))]
    families = differential.chosen(options.only)
    if len(files) != 2:
        raise Usage(
            f"two targets are compared, not {len(files)}; name two, or one to compare with the reference"
        )
    if not families or not options.examples:
        raise Usage(f"nothing to send; families are {', '.join(differential.chosen([]))}")
    _check_places(options)
    specs = (spec_of(str(files[0]), []), spec_of(str(files[1]), []))
    return differential.Plan(
        (files[0], files[1]), specs, families, options.examples, options.seed, options.replays
    )


def _aim(options: argparse.Namespace) -> tuple[Path | None, TargetSpec]:
    """The target file if one is used, and what it or the endpoints say."""
    path = options.target
    if path is None and not options.endpoint:
        path = REFERENCE
    return path, spec_of(str(path) if path else None, options.endpoint)


def _check_places(options: argparse.Namespace) -> None:
    """Reports can be written where they are wanted; better known before a run than after it."""
    for path in filter(None, (options.json, getattr(options, "junit", None))):
        if not path.parent.is_dir():
            raise Usage(
                f"cannot write {path}: there is no folder {path.parent}; make it, or name another path"
            )


def _replays(options: argparse.Namespace) -> Path:
    return options.html / "replays" if options.html else session.Plan.replays


def _write(options: argparse.Namespace, spec: TargetSpec, outcome: session.Run) -> None:
    """Write the reports that were asked for."""
    summary = results_file.Summary(spec, options.seed, outcome.seconds, outcome.results)
    for writer, path in ((results_file, options.json), (junit, options.junit), (html, options.html)):
        if path is not None:
            try:
                writer.write(path, summary)
            except OSError as problem:
                raise Usage(f"cannot write {path}: {problem.strerror}; give another path") from problem


def _unknown_deviations(spec: TargetSpec, cases: Mapping[str, Case]) -> list[str]:
    """Deviations that name nothing this version knows, renamed cases aside."""
    known = {*cases, *catalogue().requirements, *catalogue().waivers}
    return [key for key in spec.deviations if catalogue().resolve(key) not in known]


def _all_cases() -> Mapping[str, Case]:
    """About servers, then about clients."""
    return {**session.load_cases(), **clients.load_cases()}


def _list(options: argparse.Namespace) -> int:
    cases = _all_cases()
    for name in select(cases, [options.glob]):
        print(terminal.case_line(cases[name]))
    return CONFORMING


def _explain(options: argparse.Namespace) -> int:
    cases, known = _all_cases(), catalogue()
    key = known.resolve(options.id)
    if key.startswith(autobahn.PREFIX):
        print(_explain_autobahn(key, cases))
    elif key in cases:
        print(terminal.case_page(cases[key]))
    elif key in known.requirements or key in known.waivers:
        print(terminal.requirement_page(key, cases))
    else:
        everything = (*cases, *known.requirements, *known.waivers)
        raise Usage(f"no case or requirement {key!r}; {suggestion(key, everything)}")
    return CONFORMING


def _explain_autobahn(key: str, cases: Mapping[str, Case]) -> str:
    """The page of an id of the Autobahn testsuite, or of all below it. Raises Usage for one that it lacks."""
    found = autobahn.below(key.removeprefix(autobahn.PREFIX))
    if not found:
        known = [f"{autobahn.PREFIX}{one}" for one in autobahn.table()]
        raise Usage(f"the Autobahn testsuite has no {key!r}; {suggestion(key, known)}")
    return terminal.autobahn_page(found, cases)


def _replay(options: argparse.Namespace) -> int:
    endpoints = from_endpoints(read_endpoints(options.endpoint)).endpoints if options.endpoint else {}
    reproduced = replay.play(replay.load(options.file), endpoints, print)
    return FAILED if reproduced else CONFORMING


if __name__ == "__main__":
    sys.exit(main())
