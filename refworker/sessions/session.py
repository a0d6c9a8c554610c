"""One client's session: names and values, as JSON has them."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

ID = re.compile(r"[a-zA-Z0-9,-]{16,256}", re.ASCII)
"""Nothing in it can leave a folder, a cookie or a key (HAPI-012)."""


class Session:
    """What `request.session()` gives. Changes are kept when the request is answered, and its lifetime begins
    anew.
    """

    __slots__ = ("_data", "_saver", "id", "kept")

    def __init__(self, key: str, text: str = "", saver: Callable[["Session"], Any] | None = None) -> None:
        self.id = key
        """Whoever knows it is taken for this client: keep it out of pages and logs."""
        self.kept = text
        """What the store has of it."""
        self._data, self._saver = data_of(text), saver

    def get(self, name: str, default: Any = None) -> Any:
        """A value."""
        return self._data.get(name, default)

    def set(self, name: str, value: Any) -> None:
        """Keep a value: None, numbers, str, and lists and dictionaries of those."""
        self.put({name: value})

    def put(self, values: Mapping[str, Any]) -> None:
        """Keep several values."""
        self._data.update(values)

    def delete(self, name: str) -> None:
        """Forget a value."""
        self.forget([name])

    def forget(self, names: str | Iterable[str]) -> None:
        """Forget one value, or several."""
        for name in [names] if isinstance(names, str) else names:
            self._data.pop(name, None)

    def pull(self, name: str, default: Any = None) -> Any:
        """A value, which is forgotten with that."""
        value = self.get(name, default)
        self.delete(name)
        return value

    def all(self) -> dict[str, Any]:
        """A copy of all of it."""
        return dict(self._data)

    def flush(self) -> None:
        """Forget all of it."""
        self.forget(list(self._data))

    def has(self, name: str) -> bool:
        """Whether there is such a value, and it is not None."""
        return self._data.get(name) is not None

    def exists(self, name: str) -> bool:
        """Whether there is such a value, None included."""
        return name in self._data

    def save(self) -> Any:
        """Keep it now: with a store that has to be waited for, `await session.save()`."""
        return self._saver(self) if self._saver else None

    refresh = save

    def as_text(self) -> str:
        """What a store keeps; nothing for an empty session. Raises TypeError or ValueError for a value that
        JSON does not have.
        """
        return json.dumps(self._data, allow_nan=False, separators=(",", ":")) if self._data else ""


def data_of(text: str) -> dict[str, Any]:
    """From what a store has kept; what is damaged is nothing."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
