"""What gunicorn does for script/server beyond its options: it prints the address of the course,
tells streams and shells, which hold a thread for long, when the server is closing, and waits for no
client without end."""

import os
import signal
from typing import Any

from labrunner.web.limits import THREADS
from labrunner.web.services import get_web_services

worker_class = "labrunner.web.worker.Worker"
threads = THREADS
keepalive = 5  # seconds that a connection may be idle, or a request may take to come
# No header says where the app is: its own environment does, see `labrunner/address.py`.
forwarded_allow_ips = ""
header_map = "refuse"


def post_worker_init(worker: Any) -> None:
    """Print the address to open, once the app is loaded and answers."""

    def close(number: int, frame: Any) -> None:
        _tell(worker)
        worker.handle_exit(number, frame)

    os.environ.pop("SCRIPT_NAME", None)  # the app takes the prefix off; gunicorn would as well
    signal.signal(signal.SIGTERM, close)  # gunicorn 27 has no hook for it
    signal.siginterrupt(signal.SIGTERM, False)
    if worker.age == 1:  # not again when a worker was replaced
        address = worker.wsgi.config["ADDRESS"].url
        print(f"Open {address}/?token={os.environ['LABRUNNER_TOKEN']}", flush=True)
        print("Ctrl-C ends the server.", flush=True)


def worker_int(worker: Any) -> None:
    _tell(worker)  # Ctrl-C


def worker_exit(server: Any, worker: Any) -> None:
    _tell(worker)  # when gunicorn itself was killed, no signal came


def _tell(worker: Any) -> None:
    if app := getattr(worker, "wsgi", None):  # none where the app could not be loaded
        get_web_services(app).closing.set()
