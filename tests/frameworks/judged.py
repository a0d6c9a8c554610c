"""The site that `fixtures/third-party/` has for servers of ASGI, on a worker: `judged.py start`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "fixtures" / "third-party"))

from asgi_site import application

from refworker import TcpConnection, Worker, run_all, serve_asgi
from refworker.testee_http import limits

TcpConnection.default_max_package_size = int(os.environ["MAX_PACKAGE_SIZE"])
serve_asgi(Worker(f"http://127.0.0.1:{os.environ['PORT_HTTP']}", limits=limits()), application)
run_all(pid_file=os.environ["PID_FILE"], log_file=os.environ["LOG_FILE"])
