"""The names that the testee contract fixes: services, clients, commands, limits, placeholders.

Target files, cases and reports all take them from here, so that a name is spelled in one place.
"""

SERVICES = (
    "tcp", "text", "frame", "websocket", "http", "udp", "unix", "tls", "wss", "https", "custom", "task",
    "relay", "pipe", "flow", "auth", "heartbeat", "group", "probe.control", "probe.text", "probe.websocket",
    "probe.tcp", "probe.udp", "probe.http",
)  # fmt: skip

CLIENTS = ("websocket-client",)
"""What `conformance serve` judges: the suite is the server, and the client connects to it."""

COMMANDS = ("stop", "stop_graceful", "reload", "reload_graceful", "restart", "status", "connections")

LIMITS = (
    "max_package_size", "max_send_buffer_size", "max_request_line", "max_header_size", "max_header_count",
)  # fmt: skip
"""Sizes in bytes, and the number of fields in a head."""

TIME_LIMITS = ("header_timeout", "body_timeout", "keepalive_timeout")
"""Seconds, fractions too: for a whole head, for a body that does not come on, between two requests."""

PATHS = ("dir", "static", "cert", "key", "version", "outbox", "python")
"""Placeholders of target files, beside `{port.NAME}`."""
