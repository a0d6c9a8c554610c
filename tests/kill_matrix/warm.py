"""Imported once by the process from which runs of the suite are forked (see `suite.py`)."""

import h11  # noqa: F401
import hypothesis  # noqa: F401
import pytest  # noqa: F401
import wsproto  # noqa: F401

from conformance import cli, session

cli.catalogue()
session.load_cases()
