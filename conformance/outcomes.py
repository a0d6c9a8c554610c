"""How a case ends when it does not simply return the name of its outcome.

An outcome with figures behind it, and exceptions, raised by cases and by the clients of `conformance.wire`
and understood by the runner: the target broke the rule, it does not offer what the case needs, or the machine
hid the answer.
"""


class Observation(str):
    """The name of an outcome, and the figures behind it for the report."""

    detail: str

    def __new__(cls, outcome: str, detail: str = "") -> "Observation":
        """An outcome as any other, with `detail`."""
        self = super().__new__(cls, outcome)
        self.detail = detail
        return self


class Violation(Exception):
    """The target broke a rule: a short *named* outcome (`"reset"`), and a sentence with the particulars."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(f"{outcome}: {detail}" if detail else outcome)
        self.outcome = outcome
        self.detail = detail


class Unsupported(Exception):
    """The target does not offer what the case needs; never a failure."""


class Inconclusive(Exception):
    """The machine was too noisy, or another failure hid the answer."""


class TargetDown(Exception):
    """The target did not start or cannot be reached: nothing can be judged."""
