"""Stands in for the ``vllm`` command: takes its arguments, speaks its interface, and says which weights it was asked for."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class Server(BaseHTTPRequestHandler):
    """What vLLM answers on the paths that Temper asks."""

    adapters: ClassVar[dict[str, str]] = {}
    name = ""

    def log_message(self, format: str, *args: Any) -> None:
        return

    def reply(self, status: int, body: Any) -> None:
        told = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def do_GET(self) -> None:
        self.reply(200 if self.allowed() else 401, {"data": [{"id": self.name}]})

    def allowed(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {os.environ['VLLM_API_KEY']}"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.allowed():
            return self.reply(401, {"error": "key"})
        if self.path == "/v1/load_lora_adapter":
            Server.adapters[body["lora_name"]] = body["lora_path"]
            return self.reply(200, {})
        if body["model"] != self.name and body["model"] not in self.adapters:
            return self.reply(404, {"error": {"message": f"no {body['model']}"}})
        text = f"{os.path.basename(self.adapters.get(body['model'], 'base'))} says {body.get('chat_template', 'own')[:10]}"
        if not body.get("stream"):
            return self.reply(200, {"model": body["model"], "choices": [{"text": text, "logprobs": {"tokens": [text]}}]})
        self.send_response(200)
        self.end_headers()
        for piece in text.split(" "):
            event = {"model": body["model"], "choices": [{"delta": {"content": piece + " "}}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        return None


def main() -> None:
    arguments = sys.argv[1:]
    flat = [a for a in arguments[2:] if a != "--enable-lora"]
    given = dict(zip(flat[::2], flat[1::2], strict=True))
    if os.path.basename(arguments[1]) == "full":
        sys.exit("no kernel for this model")
    assert arguments[0] == "serve" and os.environ["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    Server.name = given["--served-model-name"]
    ThreadingHTTPServer((given["--host"], int(given["--port"])), Server).serve_forever()


if __name__ == "__main__":
    main()
