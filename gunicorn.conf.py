"""What gunicorn does for script/server beyond its options: it says where the course is, and tells
what holds a thread for long, streams and shells, when the server is closing."""

import os
import signal
from typing import Any


def post_worker_init(worker: Any) -> None:
    """Print the address to open, once the app is loaded and answers."""

    def close(number: int, frame: Any) -> None:
        _tell(worker)
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, close)  # gunicorn 27 has no hook for it
    signal.siginterrupt(signal.SIGTERM, False)
    if worker.age == 1:  # not again when a worker was replaced
        address = f"http://127.0.0.1:{os.environ['LABRUNNER_PORT']}"
        print(f"Open {address}/?token={os.environ['LABRUNNER_TOKEN']}", flush=True)
        print("Ctrl-C ends the server.", flush=True)


def worker_int(worker: Any) -> None:
    _tell(worker)  # Ctrl-C


def worker_exit(server: Any, worker: Any) -> None:
    _tell(worker)  # when gunicorn itself was killed, no signal came


def _tell(worker: Any) -> None:
    if app := getattr(worker, "wsgi", None):  # none where the app could not be loaded
        from labrunner.web.services import get_web_services  # not before the worker has the app

        get_web_services(app).closing.set()
