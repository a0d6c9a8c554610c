import mimetypes

import pytest

from refworker.protocols.http.mime import TYPES, UNKNOWN, media_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("/x/y.CSS", "text/css; charset=utf-8"),
        ("a.b.js", "text/javascript; charset=utf-8"),
        ("a.svg", "image/svg+xml; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.png", "image/png"),
        ("a.unknown", UNKNOWN),
        ("html", UNKNOWN),
        (".html", UNKNOWN),
        ("a.html.", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_by_extension(name: str, expected: str) -> None:
    assert media_type(name) == expected


JUDGE = mimetypes.MimeTypes(filenames=()).types_map[True]
OTHERS = {".js", ".mjs", ".gz", ".tar", ".map", ".rtf", ".opus", ".xml", ".wav", ".ogg", ".oga", ".weba"}
"""Where the table of the standard library is older, or knows an encoding instead."""


def test_the_standard_library_agrees() -> None:
    shared = JUDGE.keys() & TYPES.keys() - OTHERS
    assert len(shared) > 20
    assert {each: TYPES[each] for each in shared} == {each: JUDGE[each] for each in shared}
