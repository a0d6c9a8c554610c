"""TLS settings: the manual's `context={"ssl": {...}}`, or an `ssl.SSLContext`, made into what a handshake needs
(manual: faq/ssl-support, async-tcp-connection/construct).

    Worker("text://0.0.0.0:443", transport="ssl", context={"ssl": {"local_cert": "server.pem"}})

| option | meaning |
| --- | --- |
| `local_cert`, `local_pk`, `passphrase` | this side's chain as PEM, its key (else in the same file), the key's password |
| `verify_peer` | client, default True: the chain must end at a known root; worker, default False: clients must have a certificate that `cafile` signed |
| `verify_peer_name`, `peer_name` | client, default True: the certificate must be for `peer_name`, by default the address's host |
| `allow_self_signed` | client: any certificate will do, as with `verify_peer` False: a self-signed one proves nothing about who made it |
| `cafile` | the roots to trust instead of the system's |
| `SNI_enabled`, `SNI_server_certs` | worker: `{host name: PEM file}`; other names get `local_cert` |

TLS 1.2 is the oldest version that is spoken, and nobody may renegotiate.
"""  # noqa: E501

import ssl
from collections.abc import Mapping
from typing import Any

from refworker.address import AddressError

KNOWN = (
    *("local_cert", "local_pk", "passphrase", "verify_peer", "verify_peer_name", "allow_self_signed"),
    *("cafile", "peer_name", "SNI_enabled", "SNI_server_certs"),
)

Options = Mapping[str, Any]


class TlsError(OSError):
    """A certificate, key or root that cannot be used; the message names option, file, cause and cure."""


def options_of(
    address: str, transport: str, context: Options | None, ready: ssl.SSLContext | None
) -> Options:
    """The `ssl` part of a manual's context, its names checked. Raises AddressError where there is nothing to
    use them for, ValueError for an unknown option.
    """
    options: Options = (context or {}).get("ssl", {})
    if transport != "ssl" and (options or ready):
        raise AddressError(f"{address!r} speaks no TLS; add transport='ssl', or leave the ssl options out")
    if options and ready:
        raise ValueError(f"{address!r} has ssl options and an ssl_context; leave one of them out")
    if unknown := [name for name in options if name not in KNOWN]:
        raise ValueError(f"unknown ssl option {unknown[0]!r}; known are {', '.join(KNOWN)}")
    return options


def server_context(options: Options) -> ssl.SSLContext:
    """What a worker shows its clients (TLS-001, TLS-003, TLS-007). Raises TlsError (TLS-009)."""
    context = _server(options, "local_cert", options.get("local_cert"))
    if options.get("SNI_enabled"):
        by_name = {
            name.lower(): _server(options, f"SNI_server_certs[{name!r}]", file)
            for name, file in options.get("SNI_server_certs", {}).items()
        }
        context.sni_callback = lambda link, name, _: _choose(link, by_name.get((name or "").lower()))
    return context


def _choose(link: Any, context: ssl.SSLContext | None) -> None:
    if context:
        link.context = context


def _server(options: Options, option: str, file: Any) -> ssl.SSLContext:
    context = hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    if not file:
        raise TlsError(f"ssl option {option!r} is missing; give it the certificate's PEM file")
    # A key of its own belongs to `local_cert`; the others have theirs in the same file.
    _load_chain(context, options, option, file, options.get("local_pk") if option == "local_cert" else None)
    if options.get("verify_peer"):
        _trust(context, options)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(options: Options) -> ssl.SSLContext:
    """How a client looks at a server (TLS-007). Raises TlsError."""
    context = hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    if not options.get("verify_peer", True) or options.get("allow_self_signed"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.check_hostname = bool(options.get("verify_peer_name", True))
        _trust(context, options)
    if file := options.get("local_cert"):
        _load_chain(context, options, "local_cert", file, options.get("local_pk"))
    return context


def hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    """Nothing older than TLS 1.2, and no renegotiation, which costs the server more than the client."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _load_chain(context: ssl.SSLContext, options: Options, option: str, file: Any, key: Any) -> None:
    _readable(option, file)
    if key:
        _readable("local_pk", key)
    asked: list[str] = []

    def password() -> str:  # asked only for an encrypted key, for which OpenSSL would else ask the terminal
        asked.append("passphrase")
        return options.get("passphrase") or ""

    try:
        context.load_cert_chain(file, key, password)
    except ssl.SSLError as problem:
        raise TlsError(f"ssl option {option!r}: {file}: {_cause(problem, key, bool(asked))}") from problem


def _cause(problem: ssl.SSLError, key: Any, encrypted: bool) -> str:
    if problem.reason == "KEY_VALUES_MISMATCH":
        return f"the key{f' in {key}' if key else ''} is another certificate's; give the one it was made with"
    if encrypted:
        return "its key does not open; set the option 'passphrase' to the key's password"
    where = f"in {key}" if key else "beside it"
    return f"no PEM certificate there, or no PEM key {where}; 'local_pk' names the key where it is elsewhere"


def _trust(context: ssl.SSLContext, options: Options) -> None:
    """Trust the roots in `cafile`, or those of the system."""
    if not (file := options.get("cafile")):
        context.load_default_certs(
            ssl.Purpose.CLIENT_AUTH
            if context.protocol is ssl.PROTOCOL_TLS_SERVER
            else ssl.Purpose.SERVER_AUTH
        )
        return
    _readable("cafile", file)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as problem:
        raise TlsError(f"ssl option 'cafile': {file}: no certificate there; give a PEM file") from problem


def _readable(option: str, file: Any) -> None:
    try:
        with open(file, "rb"):
            pass
    except OSError as problem:
        raise TlsError(
            f"ssl option {option!r}: {file}: {problem.strerror}; give a PEM file that this user may read"
        ) from problem


def reason_of(problem: ssl.SSLError) -> str:
    """Why a handshake or a record was no good, in OpenSSL's own words."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"certificate refused: {problem.verify_message}"
    return (problem.reason or str(problem)).lower().replace("_", " ")
