"""Who may talk to the host: whoever has its token and calls it by its own address. Everyone else learns nothing."""

import hmac
from typing import Any

from starlette.responses import JSONResponse

LARGEST_BODY = 16 * 1024 * 1024


def refusal(status: int, code: str, message: str) -> JSONResponse:
    """An error as OpenAI's clients read it."""
    return JSONResponse({"error": {"message": message, "type": code, "code": code, "param": None}}, status)


class Guard:
    """ASGI middleware. A web page in a browser can neither guess the token nor, by DNS rebinding, change the Host header."""

    def __init__(self, app: Any, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {f"127.0.0.1:{port}".encode(), f"localhost:{port}".encode()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refused = self._refuse(scope["headers"])
        await (refused or self._app)(scope, receive, send)

    def _refuse(self, headers: list[tuple[bytes, bytes]]) -> JSONResponse | None:
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return refusal(400, "wrong_host", "This host answers to its own address on this machine only.")
        given = [value for name, value in headers if name == b"authorization"]
        scheme, _, token = (given[0] if len(given) == 1 else b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
            answer = refusal(401, "invalid_api_key", "This needs the token from host.json in the home, as a bearer token.")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        lengths = [value for name, value in headers if name == b"content-length"]
        if lengths and (not lengths[0].isdigit() or int(lengths[0]) > LARGEST_BODY):
            return refusal(413, "too_large", f"A request takes at most {LARGEST_BODY // 1024**2} MB.")
        return None
