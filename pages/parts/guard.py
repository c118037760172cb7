"""What every request passes before Streamlit sees it: whom it may come from, and what a page may load.

A page of Temper shows text that models and data sets wrote. The policy makes such text unable to load anything from
elsewhere, whatever a renderer lets through. Who is signed in is not asked here.
"""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

FIXED_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    # not no-referrer: with it a browser sends "Origin: null" even from our own page
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def content_security_policy(page: str) -> str:
    """The policy under which Streamlit's HTML ``page`` works and nothing is loaded from another host."""
    inline = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    )
    return "; ".join(
        (
            "default-src 'self'",
            # Streamlit imports a component's inline script from a blob and compiles WebAssembly for 64-bit numbers;
            # neither lets text on the page become a script
            f"script-src 'self' blob: 'wasm-unsafe-eval' {inline}",
            "style-src 'self' 'unsafe-inline'",  # Streamlit and its charts write style elements
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def refusal(headers: Sequence[tuple[bytes, bytes]], allowed: Sequence[str]) -> str | None:
    """Why a request may not pass, or None. A foreign Host is a rebound name, a foreign Origin another site's page."""
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    if len(hosts) != 1 or _name(hosts[0]) not in allowed:
        return f"This address is not one of Temper's own: {', '.join(allowed)}."
    if any(origin not in (f"http://{hosts[0]}", f"https://{hosts[0]}") for origin in origins):
        return "Another site's page may not use Temper."
    return None


def _name(host: str) -> str | None:
    """The name in a Host header, without its port; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class Guard:
    """An ASGI application around Streamlit's: refuses what may not pass, and adds the headers to every answer."""

    def __init__(self, inner: Application, page: Path, allowed: Sequence[str]) -> None:
        self.inner = inner
        self.allowed = allowed
        policy = content_security_policy(page.read_text(encoding="utf-8"))
        self.headers = (*FIXED_HEADERS, (b"content-security-policy", policy.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.inner(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = {name for name, _ in self.headers}
                theirs = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in ours]
                message = {**message, "headers": [*theirs, *self.headers]}
            await send(message)

        reason = refusal(scope["headers"], self.allowed)
        if reason is None:
            await self.inner(scope, receive, send_guarded)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            plain = [(b"content-type", b"text/plain; charset=utf-8")]
            await send_guarded({"type": "http.response.start", "status": 403, "headers": plain})
            await send({"type": "http.response.body", "body": reason.encode()})
