"""The client is light: pages import it."""

import subprocess
import sys

HEAVY = ("torch", "transformers", "peft", "httpx", "starlette", "uvicorn", "datasets", "trl")


def test_importing_the_client_imports_nothing_heavy() -> None:
    code = f"import sys; from engine.generation import ask, answers, fingerprint; print([m for m in {HEAVY} if m in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"
