"""Serves the app: Streamlit's ASGI application around app.py, behind the guard. ``python -m pages.parts.serve [--port N]``.

It stands apart from app.py, which Streamlit runs anew for every look at a page, and knows it by its path only.
"""

import argparse
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.environment import PRIVATE
from engine.errors import TemperError
from engine.launch import start
from pages.parts.guard import Guard
from storage import db
from storage.home import Home

SCRIPT = Path(__file__).resolve().parents[2] / "app.py"
LAST_ANSWERS = 3  # seconds that open requests get when the app ends


def serve(home: Home, listening: socket.socket, script: Path = SCRIPT) -> None:
    """Answer at ``listening`` with what ``script`` draws, until a signal says to end."""
    # about a second of imports that a second `make run` does not need to say where the first one is
    import streamlit
    import uvicorn
    from streamlit.runtime.pages_manager import PagesManager

    # a folder named pages makes Streamlit take this for its older kind of app until the first st.navigation has run: whoever
    # opened a page below the root first would be told that there is none
    PagesManager.uses_pages_directory = False

    @asynccontextmanager
    async def told(_: Any) -> AsyncIterator[None]:
        start.announce(home, listening.getsockname()[1])
        yield

    app = streamlit.App(script, lifespan=told)
    page = Path(streamlit.__file__).parent / "static" / "index.html"
    guarded = Guard(app, page, streamlit.get_option("server.allowedHosts"))
    settings = uvicorn.Config(
        guarded, ws="websockets-sansio", log_level="warning", access_log=False, timeout_graceful_shutdown=LAST_ANSWERS
    )
    uvicorn.Server(settings).run(sockets=[listening])


def main(arguments: list[str]) -> int:
    """Be this home's app; 0 when it ended as asked or already runs, else the exit code of what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m pages.parts.serve", description="Serve the app of one home.")
    parser.add_argument("--port", type=int, default=start.PORT, help="the first port to try")
    given = parser.parse_args(arguments)
    os.environ.update(PRIVATE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Home.resolve()
    try:
        with start.only_app(home) as alone:
            if not alone:
                print(start.running_elsewhere(home))
                return 0
            start.start_engine(home)
            with start.listen(given.port) as listening:
                serve(home, listening)
    except (TemperError, db.NewerHome) as problem:
        print(problem, file=sys.stderr)
        return getattr(problem, "exit_code", 2)
    except KeyboardInterrupt:
        print(start.farewell(home), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
