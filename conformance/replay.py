"""Replay files: a failure as data, to be sent again without the suite.

    {"format": 1, "case": "text/…", "outcome": "no-answer", "detail": "…",
     "target": "/path/of/target.toml",
     "connections": {"1": {"service": "text", "url": "tcp://127.0.0.1:9000"}},
     "steps": [{"on": 1, "do": "send", "bytes": "6869", "after": 0.002},
               {"on": 1, "do": "expect", "bytes": "68690a"}, …]}

`bytes` is hex; each `send` is one segment, `after` the seconds since the step before. What is done:
`connect`, `send`, `finish` (FIN), `reset` (RST), `close`; what is expected: `expect` (exactly these bytes),
`silent` (for `seconds`), `ending` (the stream ends). `seen` steps tell what came when the file was written.
`send_again.py`, saved beside it, does the same in twenty lines.

Where two targets did not agree (`conformance diff`), each connection has a `target` of its own, and the last
step is `compare`: what both have made of what they were sent.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

from conformance.differential.behaviour import agree, behaviour
from conformance.outcomes import Violation
from conformance.report.evidence import collect, row
from conformance.target.calibration import Calibration
from conformance.target.file import load as load_target
from conformance.target.instance import Copy
from conformance.verdicts import Result
from conformance.wire.address import Address
from conformance.wire.clock import clock
from conformance.wire.datagram import Datagrams
from conformance.wire.peer import Peer, watch
from conformance.wire.transcript import Entry, Transcript

FORMAT = 1

Say = Callable[[str], None]

WORTH_SAVING = frozenset({"fail", "weak", "deviation"})
"""Verdicts whose conversation is kept."""

SCRIPT = Path(__file__).parent / "report" / "send_again.py"
"""Copied beside every replay file: sends one without the suite, with the standard library alone."""

ACTIONS = frozenset({"connect", "send", "finish", "reset", "close", "expect", "silent", "ending"})


def save(folder: Path, result: Result, transcript: Transcript, target: str | None) -> str | None:
    """Write the replay file of a failure; its path, or None where the bytes are not all known.

    `target` is the path of the target file, None for a server that was running already.
    """
    if not transcript.complete or not any(entry.kind == "send" for entry in transcript):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.id.replace('/', '.')}.json"
    shutil.copyfile(str(SCRIPT), folder / SCRIPT.name)
    path.write_text(json.dumps(document(result, transcript, target), indent=1) + "\n", encoding="utf-8")
    return str(path)


def document(result: Result, transcript: Transcript, target: str | None) -> dict[str, Any]:
    """The replay of one case as plain data."""
    return {
        "format": FORMAT,
        "case": result.id,
        "outcome": result.outcome,
        "detail": result.detail,
        "target": target and str(Path(target).resolve()),
        "connections": {str(entry.peer): _place(entry) for entry in transcript if entry.kind == "connect"},
        "steps": list(steps(transcript)),
    }


def _place(entry: Entry) -> dict[str, str]:
    service, _, url = entry.note.partition(" ")
    return {"service": service, "url": url}


def steps(transcript: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Only the gap between two segments is a delay of its own; everything else waits for the target."""
    previous: Entry | None = None
    for entry in transcript:
        segments = previous is not None and previous.kind == entry.kind == "send"
        after = entry.at - previous.at if previous is not None and segments else 0.0
        yield {"on": entry.peer, **_step(entry), "after": round(after, 4)}
        previous = entry


def _step(entry: Entry) -> dict[str, Any]:
    """The step without its connection and its time."""
    if entry.kind not in ACTIONS:
        return {"do": "seen", "what": entry.kind, "bytes": entry.data.hex(), "note": entry.note}
    extra = {"seconds": float(entry.note)} if entry.kind == "silent" else {}
    return {"do": entry.kind, **({"bytes": entry.data.hex()} if entry.data else {}), **extra}


class ReplayError(Exception):
    """A replay file that cannot be used, in one line."""


def load(path: Path) -> dict[str, Any]:
    """Read a replay file. Raises ReplayError."""
    try:
        story: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        wrong = story["format"] != FORMAT or not isinstance(story["steps"], list)
    except OSError as problem:
        raise ReplayError(f"{path}: {problem.strerror}; give the path of a replay file") from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise ReplayError(f"{path}: not a replay file; give one that `conformance run` saved") from problem
    if wrong:
        raise ReplayError(f"{path}: not of format {FORMAT}; save it again with this version")
    return story


def play(story: dict[str, Any], endpoints: Mapping[str, str], say: Say) -> bool:
    """Send the bytes of a story again; whether the target breaks the same expectation.

    They go to `endpoints` (service -> URL) where it names the service, else to a fresh copy of the target
    that the story came from, else where they went before. `say` is called with a line for each step. Raises
    ReplayError for a story that makes no sense.
    """
    say(f"{story['case']}: {story['outcome']}: {story['detail']}")
    try:
        with ExitStack() as stack:
            return _play_at(story, _urls(story, endpoints, stack), say)
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        raise ReplayError(f"a step makes no sense: {problem!r}; save the failure again") from problem


def _urls(story: dict[str, Any], endpoints: Mapping[str, str], stack: ExitStack) -> dict[int, str]:
    """Where each connection goes; targets are started once each, and stopped with the stack."""
    urls, copies = dict[int, str](), dict[str, Copy]()
    for number, place in story["connections"].items():
        file = place.get("target", story["target"])
        if endpoints or not file:
            urls[int(number)] = endpoints.get(place["service"], place["url"])
            continue
        if file not in copies:
            copies[file] = stack.enter_context(Copy(load_target(Path(file))))
        urls[int(number)] = copies[file].addresses[place["service"]].url
    return urls


def _play_at(story: dict[str, Any], urls: Mapping[int, str], say: Say) -> bool:
    transcript, peers = Transcript(), dict[int, Peer | Datagrams]()
    try:
        endings = [_do(step, urls, peers, transcript) for step in story["steps"]]
        outcome = next((ending for ending in reversed(endings) if ending), "as expected")
    except Violation as violation:
        outcome = violation.outcome
    finally:
        for peer in peers.values():
            peer.close()
    for event in collect(transcript):
        say("  ".join(row(event, 32)))
    reproduced: bool = outcome == story["outcome"]
    say(f"now: {outcome}" + (" (reproduced)" if reproduced else ""))
    return reproduced


def _do(
    step: dict[str, Any],
    urls: Mapping[int, str],
    peers: dict[int, Peer | Datagrams],
    transcript: Transcript,
) -> str | None:
    """One step; for `ending`, how the stream ended. Raises Violation where an expectation is broken."""
    number, data = step["on"], bytes.fromhex(step.get("bytes", ""))
    sleep(step["after"])
    if step["do"] == "connect":
        address = Address.parse(urls[number])
        kind = Datagrams if address.transport == "udp" else Peer
        peers[number] = kind(address, Calibration(), transcript)
        return None
    if step["do"] == "compare":
        return _compared(peers[number], peers[step["with"]])
    peer = peers[number] if step["do"] in ACTIONS else None
    if isinstance(peer, Datagrams):
        _do_with_datagrams(step["do"], peer, data)
        return None
    doing: dict[str, Callable[[Peer], str | None]] = {
        "send": lambda peer: peer.send(data),
        "expect": lambda peer: peer.expect(data),
        "silent": lambda peer: peer.silent(step["seconds"]),
        "ending": lambda peer: peer.ending(),
        "finish": lambda peer: peer.finish(),
        "reset": lambda peer: peer.reset(),
        "close": lambda peer: peer.close(),
    }
    return doing[step["do"]](peer) if peer else None


def _compared(*peers: Peer | Datagrams) -> str:
    """`agree` or `disagree`: what two targets have made of the same stream, once both had their time."""
    streams = [peer for peer in peers if isinstance(peer, Peer)]
    watch(streams, max(peer.calibration.deadline for peer in streams), clock)
    return "agree" if agree(*map(behaviour, streams)) else "disagree"


def _do_with_datagrams(do: str, sender: Datagrams, data: bytes) -> None:
    """What there is to do without a connection."""
    doing: dict[str, Callable[[], None]] = {
        "send": lambda: sender.send(data),
        "expect": lambda: sender.expect(data),
        "silent": sender.silent,
        "close": sender.close,
    }
    doing[do]()
