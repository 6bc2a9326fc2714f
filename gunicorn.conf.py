"""What gunicorn does for script/server beyond its options: it says where the course is."""

import os
from typing import Any


def post_worker_init(worker: Any) -> None:
    """Print the address to open, once the app is loaded and answers."""
    if worker.age == 1:  # not again when a worker was replaced
        address = f"http://127.0.0.1:{os.environ['LABRUNNER_PORT']}"
        print(f"Open {address}/?token={os.environ['LABRUNNER_TOKEN']}", flush=True)
        print("Ctrl-C ends the server.", flush=True)
