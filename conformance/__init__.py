"""A black-box conformance suite for socket servers in any language."""

__version__ = "0.1.0"
