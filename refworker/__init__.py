"""The Workerman model in asyncio: a master forks workers, which serve connections and hand work to tasks."""

__version__ = "0.1.0"
