"""Two targets, the same bytes: where they do not agree, one of them is wrong, or a standard leaves room.

Whoever stands behind another server wants exactly this: that both see the same requests in the same stream.
`grammar.py` makes requests that are almost right, `behaviour.py` says what a target made of them,
`contest.py` sends them to both, `shrinking.py` makes small what they disagree about, `report.py` shows it,
and `command.py` is `conformance diff`.
"""
