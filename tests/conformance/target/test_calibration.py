"""Waits derive from the round trip, between a floor and a ceiling."""

from conformance.target.calibration import Calibration


def test_the_median_counts() -> None:
    assert Calibration.of([0.01, 9.0, 0.01]).round_trip == 0.01


def test_waits_grow_with_the_round_trip() -> None:
    fast, slow = Calibration(0.0001), Calibration(0.05)
    assert (fast.gap, fast.quiet, fast.deadline) == (0.002, 0.08, 2.0)
    assert (slow.gap, slow.quiet, slow.deadline) == (0.05, 1.0, 5.0)
    assert not slow.noisy


def test_waits_have_a_ceiling() -> None:
    noisy = Calibration(3.0)
    assert (noisy.gap, noisy.quiet, noisy.deadline) == (0.05, 2.0, 15.0)
    assert noisy.noisy
