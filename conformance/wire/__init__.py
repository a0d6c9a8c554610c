"""The suite's own clients: raw bytes out, strict readers in. Nothing here knows any server's code."""
