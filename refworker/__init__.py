"""The Workerman model in asyncio: a master forks workers, which serve connections and hand work to tasks."""

__version__ = "0.1.0"  # before the imports: the floors below read it

from refworker.address import AddressError
from refworker.client import AsyncTcpConnection
from refworker.components.asgi import serve_asgi
from refworker.components.static import StaticFiles
from refworker.components.web_server import WebServer
from refworker.connection import TcpConnection
from refworker.cron import cron
from refworker.protocols.http import Chunk, Limits, Request, Response, ServerSentEvents, Streamed
from refworker.protocols.registry import register_protocol
from refworker.protocols.websocket import Deflate
from refworker.quota import Quota
from refworker.sessions import FileStore, MemoryStore, Sessions
from refworker.sessions.redis_store import RedisStore
from refworker.status import CONNECT_FAIL, SEND_FAIL, Status, statistics
from refworker.supervisor import (
    ServiceStatus,
    get_all_workers,
    get_graceful_stop,
    get_status,
    is_running,
    reload_service,
    run_all,
    stop_all,
    stop_service,
)
from refworker.tasks import Dispatcher, TaskError, TaskWorker
from refworker.timer import Timer
from refworker.udp import AsyncUdpConnection, UdpConnection
from refworker.uploads import Uploads
from refworker.worker import Worker

__all__ = [
    "CONNECT_FAIL",
    "SEND_FAIL",
    "AddressError",
    "AsyncTcpConnection",
    "AsyncUdpConnection",
    "Chunk",
    "Deflate",
    "Dispatcher",
    "FileStore",
    "Limits",
    "MemoryStore",
    "Quota",
    "RedisStore",
    "Request",
    "Response",
    "ServerSentEvents",
    "ServiceStatus",
    "Sessions",
    "StaticFiles",
    "Status",
    "Streamed",
    "TaskError",
    "TaskWorker",
    "TcpConnection",
    "Timer",
    "UdpConnection",
    "Uploads",
    "WebServer",
    "Worker",
    "__version__",
    "cron",
    "get_all_workers",
    "get_graceful_stop",
    "get_status",
    "is_running",
    "register_protocol",
    "reload_service",
    "run_all",
    "serve_asgi",
    "statistics",
    "stop_all",
    "stop_service",
]
