from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.base import Close
from refworker.protocols.custom import Custom
from tests.refworker.protocols.whole import assert_invariant, assert_reads, positions, read

LIMIT = 20


class LengthByte:
    """Static functions, called as they stand; the connection is left out."""

    def input(buffer):  # noqa: N805
        return 1 + buffer[0]

    def decode(package):  # noqa: N805
        return bytes(package[1:])

    def encode(message):  # noqa: N805
        return bytes([len(message)]) + message


class Line:
    """An object with methods that want the connection; 0 means: not known yet."""

    def input(self, buffer: bytearray, connection: Any) -> int:
        return buffer.find(b"\n") + 1

    def decode(self, package: bytes, connection: Any) -> bytes:
        return package.rstrip(b"\n")

    def encode(self, message: bytes, connection: Any) -> bytes:
        return message + b"\n"


class Numbered(Line):
    """State of one connection."""

    def __init__(self) -> None:
        self.count = 0

    def decode(self, package: bytes, connection: Any) -> int:
        self.count += 1
        return self.count


def custom(protocol: Any, limit: int = LIMIT) -> Custom:
    connection = SimpleNamespace()
    codec = Custom(protocol, connection, limit)
    connection.consume = codec.consume
    return codec


def unchanged(package: bytes) -> bytes:
    return package


def returning(length: Any = None, decode: Any = unchanged, encode: Any = unchanged) -> SimpleNamespace:
    """A protocol of functions; `length` may be the value that `input` returns."""
    function = length if callable(length) else lambda buffer: length
    return SimpleNamespace(input=function, decode=decode, encode=encode)


@pytest.mark.parametrize(
    ("protocol", "stream", "messages", "rest"),
    [
        (LengthByte, b"\1a\0\3bcd", [b"a", b"", b"bcd"], b"\5ab"),
        (Line, b"a\n\nbc\n", [b"a", b"", b"bc"], b"tail"),
        (Line(), b"a\n\nbc\n", [b"a", b"", b"bc"], b"tail"),
        (Numbered, b"x\nx\nx\n", [1, 2, 3], b"x"),
        (returning(3), b"abcdef", [b"abc", b"def"], b"gh"),
        (returning(1, decode=lambda package: None), b"ab", [None, None], b""),
    ],
    ids=["functions", "methods", "object", "state", "constant", "none"],
)
def test_the_three_functions_make_messages(
    protocol: Any, stream: bytes, messages: list[Any], rest: bytes
) -> None:
    assert_reads(lambda: custom(protocol), stream, messages, rest)


def test_each_connection_has_its_own_state() -> None:
    first, second = custom(Numbered), custom(Numbered)
    assert read(first, [b"x\nx\n"]) == [1, 2]
    assert read(second, [b"x\n"]) == [1]


def test_a_known_length_is_not_asked_for_again() -> None:
    asked: list[bytes] = []

    def length(buffer: bytearray) -> int:
        asked.append(bytes(buffer))
        return 5

    assert read(custom(returning(length)), [b"ab", b"c", b"de", b"f"]) == [b"abcde"]
    assert asked == [b"ab", b"f"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (-1, "ValueError: input() returned -1"),
        (-100, "ValueError: input() returned -100"),
        ("4", "TypeError: input() must return an int, not str"),
        (4.0, "TypeError: input() must return an int, not float"),
        (None, "TypeError: input() must return an int, not NoneType"),
        (True, "TypeError: input() must return an int, not bool"),
        (LIMIT + 1, "ValueError: 21 bytes exceed max_package_size (20)"),
    ],
)
def test_a_wrong_length_closes(answer: Any, error: str) -> None:
    def length(buffer: bytearray) -> Any:
        return 1 if buffer[0:1] == b"a" else answer

    expected = [b"a", Close(error=f"custom protocol: {error}")]
    assert_reads(lambda: custom(returning(length)), b"a!", expected, rest=b"more")


def test_the_exact_limit_is_accepted() -> None:
    assert_reads(lambda: custom(returning(LIMIT)), bytes(LIMIT), [bytes(LIMIT)])


def test_bytes_that_nobody_can_measure_are_bounded() -> None:
    error = Close(error="custom protocol: ValueError: no length found in max_package_size (20) bytes")
    codec = custom(Line)
    assert read(codec, [b"a" * LIMIT]) == []
    assert read(codec, [b"a"]) == [error]


@pytest.mark.parametrize("function", ["input", "decode"])
def test_an_exception_closes(function: str) -> None:
    protocol = returning(1)
    setattr(protocol, function, lambda value: 1 // 0)
    assert read(custom(protocol), [b"a"]) == [
        Close(error="custom protocol: ZeroDivisionError: integer division or modulo by zero")
    ]


def test_input_may_consume_and_what_remains_is_read_at_once() -> None:
    class Skipping:
        def input(buffer: bytearray, connection: Any) -> int:  # noqa: N805
            if buffer[:1] == b"K":
                connection.consume(1)
                return 0
            return 3

        decode = encode = unchanged

    assert_reads(lambda: custom(Skipping), b"KKabcKdef", [b"abc", b"def"], rest=b"KK")


def test_a_message_is_handled_before_the_protocol_sees_the_next() -> None:
    seen: list[bytes] = []

    def length(buffer: bytearray) -> int:
        seen.append(bytes(buffer))
        return 1

    items = iter(custom(returning(length)).feed(b"ab"))
    assert next(items) == b"a"
    assert seen == [b"ab"]
    assert next(items) == b"b"


@pytest.mark.parametrize("value", ["text", 5, None, bytearray(b"x")])
def test_encode_must_give_bytes(value: Any) -> None:
    codec = custom(returning(encode=lambda message: value))
    with pytest.raises(TypeError, match=r"encode\(\) must return bytes"):
        codec.encode(b"x")


def test_a_protocol_needs_all_three_functions() -> None:
    with pytest.raises(TypeError, match="needs input, decode and encode"):
        custom(SimpleNamespace(input=unchanged, decode=unchanged))


def test_it_says_nothing_of_its_own() -> None:
    codec = custom(LengthByte)
    assert (codec.opening, codec.farewell(), codec.encode(b"hi")) == (b"", b"", b"\2hi")


@given(st.binary(max_size=60), positions)
def test_segmentation_changes_nothing(data: bytes, where: list[int]) -> None:
    assert_invariant(lambda: custom(LengthByte), data, where)
    assert_invariant(lambda: custom(Line, limit=len(data)), data.replace(b"\1", b"\n"), where)


@given(st.lists(st.binary(max_size=LIMIT - 1)))
def test_what_is_encoded_is_read_again(messages: list[bytes]) -> None:
    codec = custom(LengthByte)
    assert_reads(lambda: custom(LengthByte), b"".join(map(codec.encode, messages)), messages)
