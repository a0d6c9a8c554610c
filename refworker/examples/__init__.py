"""Programs to run and to read: `python -m refworker.examples.NAME`."""
