"""Floor 0: bytes to messages and back, without any I/O. Read `base.py` first."""
