"""One copy of the target: its folder, its processes if the suite started it, and what is known about it."""

from collections.abc import Mapping
from types import TracebackType

from conformance.outcomes import TargetDown
from conformance.target.calibration import Calibration
from conformance.target.file import TargetSpec
from conformance.target.fill import fill
from conformance.target.folder import Folder
from conformance.target.process import Process
from conformance.wire.address import Address


class Copy:
    """A running target; a context manager that stops what it started. Raises TargetDown when it cannot."""

    def __init__(self, spec: TargetSpec, calibrations: Mapping[str, Calibration] | None = None) -> None:
        self.spec = spec
        self.calibrations = {} if calibrations is None else calibrations
        self.folder = Folder()
        self.process = Process(spec.process, self.folder) if spec.process else None
        self.addresses: Mapping[str, Address] = {
            service: Address.parse(fill(url, self.folder.lookup)) for service, url in spec.endpoints.items()
        }

    def __enter__(self) -> "Copy":
        try:
            if self.process:
                self.process.start(self.addresses.values())
        except TargetDown:
            self.folder.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process:
            self.process.stop()
        self.folder.remove()

    def calibration(self, service: str) -> Calibration:
        """What was measured on this service, or the default before anything was."""
        return self.calibrations.get(service, Calibration())
