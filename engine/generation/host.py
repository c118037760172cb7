"""The model host: one process for a home that keeps models in memory and answers on this machine's loopback.

``python -m engine.generation.host --home DIR``. It writes its address and token to ``host.json`` in the home, readable by
its owner alone, takes that away when it ends, and ends only when it is asked to or its home is gone.
"""

import argparse
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from engine.environment import HUGE, OFFLINE, ONE_GPU, POLITE, PRIVATE, QUIET
from engine.jobs import processes
from storage.home import Home

PLACE = "host.json"
# nothing here looks for the network
ENVIRONMENT = PRIVATE | QUIET | OFFLINE | POLITE | HUGE | ONE_GPU | {"TRANSFORMERS_VERBOSITY": "error"}
LOST = 2.0  # seconds between two looks whether the home still names this host
KEPT_OPEN = 300  # seconds that an idle connection stays
CLOSING = 2  # seconds that open streams have to end


def serve(home: Home, port: int = 0) -> int:
    """Answer until asked to end, on ``port`` or on any that is free. 0 also where another host of this home is already there, 2
    where the port cannot be had."""
    held = processes.hold(home.root / "host.lock")
    if held is None:
        print("Another host answers for this home.", flush=True)
        return 0
    import uvicorn

    from engine.generation import vllm
    from engine.generation.server import application
    from engine.generation.speaker import Speaker

    token, place = secrets.token_urlsafe(32), home.root / PLACE
    # the protocol is named, or asyncio does not send at once and every reply is 40 ms late
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as problem:
            print(f"Port {port} cannot be had: {problem}. Choose another one, or none for any that is free.", flush=True)
            return 2
        listening.listen(128)
        port = listening.getsockname()[1]
        speaker = Speaker()

        def end() -> None:
            server.should_exit = True

        class Server(uvicorn.Server):
            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                app.state.close()  # at once, or requests that are being answered would be cut off without a word
                await super().shutdown(sockets)

        app = application(home, speaker, token, port, end)
        settings = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_keep_alive=KEPT_OPEN,
            timeout_graceful_shutdown=CLOSING,
        )  # fmt: skip
        server = Server(settings)
        # uvicorn ends in good order on a signal and then raises it once more: that one must not cut off what follows
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        try:
            processes.write_identity(place, os.getpid(), url=f"http://127.0.0.1:{port}", token=token)
            threading.Thread(target=_end_when_lost, args=(place, end), daemon=True).start()
            server.run(sockets=[listening])
        finally:
            if _is_named(place):
                place.unlink()
            speaker.close()
            vllm.end_left(home)
    return 0


def _end_when_lost(place: Path, end: Callable[[], None]) -> None:
    """End once nobody can find this host any more: its home was deleted, or another process wrote the address."""
    while _is_named(place):
        time.sleep(LOST)
    end()


def _is_named(place: Path) -> bool:
    written = processes.read_identity(place)
    return written is not None and written.pid == os.getpid()


def main() -> NoReturn:
    """The process: its arguments and its environment."""
    parser = argparse.ArgumentParser(prog="python -m engine.generation.host", description="Answers for one home, on loopback.")
    parser.add_argument("--home", required=True, help="the data home")
    parser.add_argument("--port", type=int, default=0, help="any free one by default")
    given = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    code = serve(Home.resolve(given.home), given.port)
    sys.stdout.flush()
    # a thread in the middle of reading a large model would be waited for; nothing is left to be written
    os._exit(code)


if __name__ == "__main__":
    main()
