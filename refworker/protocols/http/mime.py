"""Media types by the extension of a file's name.

A short table of our own: what a machine's tables say differs from one to the next, and a service should not.
"""

from pathlib import PurePosixPath

UNKNOWN = "application/octet-stream"

TYPES = {
    **dict.fromkeys((".html", ".htm"), "text/html"),
    **dict.fromkeys((".js", ".mjs"), "text/javascript"),
    **dict.fromkeys((".txt", ".text", ".log"), "text/plain"),
    **dict.fromkeys((".md", ".markdown"), "text/markdown"),
    **dict.fromkeys((".yaml", ".yml"), "application/yaml"),
    **dict.fromkeys((".jpg", ".jpeg"), "image/jpeg"),
    **dict.fromkeys((".tif", ".tiff"), "image/tiff"),
    **dict.fromkeys((".json", ".map"), "application/json"),
    **dict.fromkeys((".oga", ".ogg", ".opus"), "audio/ogg"),
    ".css": "text/css",
    ".csv": "text/csv",
    ".ics": "text/calendar",
    ".vtt": "text/vtt",
    ".xml": "application/xml",
    ".xhtml": "application/xhtml+xml",
    ".atom": "application/atom+xml",
    ".rss": "application/rss+xml",
    ".jsonld": "application/ld+json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".pdf": "application/pdf",
    ".epub": "application/epub+zip",
    ".rtf": "application/rtf",
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".tar": "application/x-tar",
    ".7z": "application/x-7z-compressed",
    ".apng": "image/apng",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".ico": "image/vnd.microsoft.icon",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".otf": "font/otf",
    ".ttf": "font/ttf",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".ogv": "video/ogg",
    ".webm": "video/webm",
}

TEXTS = frozenset({"application/xml", "application/xhtml+xml", "image/svg+xml", "text/javascript"})
"""Types beside `text/…` whose charset clients would otherwise guess."""


def media_type(name: str) -> str:
    """The Content-Type of a file with this name; text is UTF-8. What is not known is `UNKNOWN`."""
    kind = TYPES.get(PurePosixPath(name).suffix.lower(), UNKNOWN)
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind in TEXTS else kind
