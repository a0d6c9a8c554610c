"""Judging clients: the suite is the server, and whoever connects plays the cases (`conformance serve`)."""
