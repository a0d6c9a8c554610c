"""Imported once by the process from which runs of the suite are forked (see `suite.py`), and from these the
servers (see `forked.py`).
"""

import encodings.idna  # noqa: F401  what `getaddrinfo` needs
import gc
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import h11  # noqa: F401
import hypothesis  # noqa: F401
import pytest  # noqa: F401
import wsproto  # noqa: F401

from conformance import session
from conformance.catalogue import catalogue
from conformance.clients import session as clients
from conformance.outcomes import TargetDown
from conformance.target import family
from conformance.target.folder import certificate

catalogue()
session.load_cases()
clients.load_cases()
with suppress(TargetDown):  # whoever asks for one is told why there is none
    certificate()

sys.path.insert(0, str(Path(__file__).parents[2] / "fixtures"))
import_module("zoo.mutations").find()

family.living()  # who lives already is none of theirs
gc.collect()
gc.freeze()  # a collection in a forked run would touch, and so copy, all that was imported here
