"""What a case sees of a client: the `client` argument of every case in `conformance/clients/cases/`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from time import sleep

from conformance.case import Case
from conformance.clients.gate import Gate
from conformance.target.calibration import Calibration
from conformance.target.view import Effort
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript

NUMBERS = count(1)
"""Every connection of a run has a path of its own, so that nobody comes to the wrong one."""


@dataclass
class Client:
    """One client during one case. `patience` is how many seconds it may take to come to a connection."""

    gate: Gate
    case: Case
    effort: Effort = field(default_factory=Effort)
    transcript: Transcript = field(default_factory=Transcript)
    calibration: Calibration = field(default_factory=Calibration)
    patience: float = 15.0

    @property
    def random(self) -> Random:
        """A fresh source of chance for this case: the same values for the same seed."""
        return Random(f"{self.effort.seed} {self.case.id}")

    @contextmanager
    def connected(self) -> Iterator[Peer]:
        """The client's next connection, with nothing read from it yet; closed in the end. Raises Lost.

        `address.path` is where it was told to go.
        """
        path = f"/case/{next(NUMBERS)}/{self.case.id}?seed={self.effort.seed}&of=this+run"
        caller = self.gate.summon(path, self.patience)
        address = replace(self.gate.address, url=f"{self.gate.url}{path}", path=path)
        with Peer(address, self.calibration, self.transcript, self.case.service, connection=caller) as peer:
            yield peer

    def pause(self) -> None:
        """Long enough that what is sent before and after is read apart."""
        sleep(self.calibration.gap)
