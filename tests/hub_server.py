"""A small model hub on this machine, speaking what huggingface_hub asks for: facts, file lists, files with ranges and tokens."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "c0ffee" + "0" * 34
PIECE = 64 * 1024


@dataclass
class Hub:
    """What the server holds and what was asked of it. ``slow``: seconds between two pieces of a large file."""

    repos: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    token: str = "let-me-in"
    slow: float = 0.0
    ranges: list[str] = field(default_factory=list)
    sent: int = 0
    address: str = ""


class _Answer(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing: the test tells what matters."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/").split("/")
        id = "/".join(path[2:4] if path[0] == "api" else path[:2])
        if id not in self.hub.repos:
            return self._refuse(404, "RepoNotFound")
        if id in self.hub.gated and self.headers.get("authorization") != f"Bearer {self.hub.token}" and path[0] != "api":
            return self._refuse(401, "GatedRepo")
        if path[0] != "api":
            return self._file(self.hub.repos[id] / "/".join(path[4:]))
        return self._json(self._facts(id))

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _facts(self, id: str) -> dict[str, Any]:
        files = [_fact(p) for p in sorted(self.hub.repos[id].iterdir())]
        return {"id": id, "sha": COMMIT, "gated": "auto" if id in self.hub.gated else False, "private": False, "tags": [],
                "siblings": files, "cardData": {"license": "mit"}, "safetensors": {"parameters": {"BF16": 1}, "total": 70_000}}  # fmt: skip

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._refuse(404, "EntryNotFound")
            return
        body, asked = path.read_bytes(), self.headers.get("range")
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        if asked:
            self.hub.ranges.append(f"{path.name} {asked}")
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        for at in range(start, len(body), PIECE):
            try:
                self.wfile.write(body[at : at + PIECE])
            except OSError:
                return  # who asked has gone
            self.hub.sent += len(body[at : at + PIECE])
            time.sleep(self.hub.slow if len(body) > PIECE else 0)


def _fact(path: Path) -> dict[str, Any]:
    body = path.read_bytes()
    told = {"rfilename": path.name, "size": len(body), "blobId": hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()}
    if path.suffix == ".safetensors":
        told["lfs"] = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "pointerSize": 134}
    return told


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Answer for ``hub`` until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answer", (_Answer,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
