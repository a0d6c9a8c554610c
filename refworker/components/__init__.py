"""What is built on workers, each usable by itself: static files and virtual hosts, a bridge to ASGI."""
