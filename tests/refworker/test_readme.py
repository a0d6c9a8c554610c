"""What the README says of cases is true: they exist."""

import re
from pathlib import Path

from conformance import session
from conformance.case import REGISTRY

README = Path(__file__).parents[2] / "refworker" / "README.md"


def test_the_cases_that_prove_a_row_of_the_manual_exist() -> None:
    session.load_cases()
    named = set(re.findall(r"`([a-z-]+/[a-z-]+/[a-z0-9-]+)`", README.read_text("utf-8")))
    assert len(named) > 25
    assert named <= REGISTRY.keys()
