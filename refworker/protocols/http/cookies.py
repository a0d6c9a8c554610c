"""Cookies (RFC 6265): what a request brings, and the line that sets one (HAPI-006)."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from refworker.protocols.http.mediatype import TOKEN

NAME = re.compile(TOKEN)
PATH = re.compile(r"/[ -:<-~]*")
LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
DOMAIN = re.compile(rf"\.?(?:{LABEL}\.)*{LABEL}")
SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}
"""What SameSite may be, in any case."""


def read_cookies(values: Iterable[str]) -> dict[str, str]:
    """The cookies of all Cookie fields by name, values as they were sent. Of those with the same name the
    first counts: clients put the one of the closest path there (section 5.4).
    """
    cookies: dict[str, str] = {}
    for value in values:
        for pair in value.split(";"):
            name, mark, text = pair.partition("=")
            if mark and (name := name.strip(" \t")):
                cookies.setdefault(name, text.strip(" \t"))
    return cookies


def set_cookie(
    name: str,
    value: str = "",
    max_age: int | None = None,
    path: str = "",
    domain: str = "",
    secure: bool = False,
    http_only: bool = False,
    same_site: str = "",
) -> str:
    """The value of a Set-Cookie field; `value` is percent-encoded, `max_age` is in seconds, and 0 deletes.

    Raises ValueError for what would not be kept, or would be something else: a name that is no token, an
    attribute that another could hide in, `SameSite=None` without `Secure`, a prefix of the name whose
    promises do not hold (RFC 6265bis section 4.1.3).
    """
    _check(name, path, domain, same_site)
    _check_promises(name, path, domain, secure, same_site)
    attributes = [
        f"Domain={domain}" if domain else "",
        f"Max-Age={int(max_age)}" if max_age is not None else "",
        f"Path={path}" if path else "",
        "Secure" if secure else "",
        "HttpOnly" if http_only else "",
        f"SameSite={SAME_SITE[same_site.lower()]}" if same_site else "",
    ]
    return "; ".join([f"{name}={quote(str(value), safe='')}", *filter(None, attributes)])


def _check(name: str, path: str, domain: str, same_site: str) -> None:
    wrong = {
        "name": not NAME.fullmatch(name),
        "path": bool(path) and not PATH.fullmatch(path),
        "domain": bool(domain) and not DOMAIN.fullmatch(domain),
        "same_site": bool(same_site) and same_site.lower() not in SAME_SITE,
    }
    given = {"name": name, "path": path, "domain": domain, "same_site": same_site}
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise ValueError(f"{given[what]!r} cannot be the {what} of a cookie")


def _check_promises(name: str, path: str, domain: str, secure: bool, same_site: str) -> None:
    if same_site.lower() == "none" and not secure:
        raise ValueError(f"cookie {name}: SameSite=None is only kept with Secure")
    if name.lower().startswith("__secure-") and not secure:
        raise ValueError(f"cookie {name}: the prefix __Secure- is only kept with Secure")
    if name.lower().startswith("__host-") and not (secure and path == "/" and not domain):
        raise ValueError(f"cookie {name}: the prefix __Host- wants Secure, Path=/ and no Domain")
