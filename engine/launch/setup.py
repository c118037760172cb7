"""The environment that everything runs in: `.venv` with the pinned packages, and for the tests a browser.

Runs with the system's own Python before `.venv` exists, so it needs nothing but the standard library; `make` calls it as
`python3 -m engine.launch.setup [--tests] [--browser]`. A file of requirements that has not changed is not looked at again.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
INSTALLED = VENV / "installed.json"  # file of requirements -> hash of what was installed from it
OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
TORCH_INDEX = "TEMPER_TORCH_INDEX"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# gigabytes to fetch and to keep, summed over the wheels of the pinned versions for Python 3.11 (2026-11)
WITH_CUDA = (3.0, 6.0)
WITHOUT_CUDA = (0.4, 2.0)


class SetupFailed(Exception):
    """Something outside is missing; the message says what to do."""


def use_a_new_enough_python() -> None:
    """Go on with a newer Python where this one is too old; SetupFailed where there is none."""
    if sys.version_info[:2] >= OLDEST:
        return
    for name in NEWER:
        found = shutil.which(name)
        if found:
            os.execv(found, [found, "-m", "engine.launch.setup", *sys.argv[1:]])
    raise SetupFailed(
        f"Temper needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. "
        "Install one (on Debian or Ubuntu: apt-get install python3.11 python3.11-venv) and run make again."
    )


def make_environment() -> None:
    """`.venv` with a Python and a pip that start; one that does not (a moved or upgraded Python) is made anew."""
    if PYTHON.exists() and subprocess.run([PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL).returncode == 0:
        return
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise SetupFailed(
            f"{sys.executable} cannot make a virtual environment: its module ensurepip is missing. "
            f"On Debian or Ubuntu install it with: apt-get install {package}"
        )
    print(f"Making {VENV} with Python {sys.version.split()[0]}", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)]).returncode != 0:
        raise SetupFailed(f"The virtual environment {VENV} could not be made; the lines above say why.")


def install(names: list[str]) -> None:
    """Install what the files of requirements name, unless each is the one that was installed last."""
    wanted = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names}
    installed = json.loads(INSTALLED.read_text()) if INSTALLED.exists() else {}
    if all(installed.get(name) == digest for name, digest in wanted.items()):
        return
    if not any(VENV.glob("lib/*/site-packages/torch")):
        say_how_much()
    index = os.environ.get(TORCH_INDEX)
    if index:
        # torch alone, and nothing else, comes from that index; the pin without a local version accepts what it offers
        pip("--no-deps", "--index-url", index, *torch_pins(names))
    pip(*(part for name in names for part in ("-r", str(ROOT / name))))
    # last, so that an installation that was cut off is taken up again
    INSTALLED.write_text(json.dumps({**installed, **wanted}, indent=1))


def torch_pins(names: list[str]) -> list[str]:
    """The requirements that are torch itself."""
    lines = [line.strip() for name in names for line in (ROOT / name).read_text().splitlines()]
    return [line for line in lines if line.startswith("torch==")]


def pip(*arguments: str) -> None:
    """Run pip's install inside the environment."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise SetupFailed("Packages could not be installed; the lines above say why. Run make again: what was fetched is kept.")


def say_how_much() -> None:
    """Say what the first installation will fetch; SetupFailed where the disk cannot take it."""
    cuda = sys.platform == "linux" and os.uname().machine == "x86_64" and not os.environ.get(TORCH_INDEX)
    fetched, kept = WITH_CUDA if cuda else WITHOUT_CUDA
    what = "PyTorch with its CUDA libraries for NVIDIA GPUs" if cuda else "PyTorch without CUDA libraries"
    print(f"The packages come once: up to {fetched:.1f} GB to fetch ({what}), {kept:.1f} GB on disk in {VENV}.")
    if cuda and not Path("/proc/driver/nvidia").exists():
        print(
            f"This machine shows no NVIDIA GPU. To fetch {WITHOUT_CUDA[0]:.1f} GB instead, press Ctrl-C and run\n"
            f"    {TORCH_INDEX}=URL make run\n"
            "with the address of PyTorch's CPU-only index (pytorch.org names it under Get Started)."
        )
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < kept:
        raise SetupFailed(f"Only {free:.1f} GB are free on the disk of {ROOT}. Free some space and run make again.")
    sys.stdout.flush()


def system_browser() -> str | None:
    """A Chromium or Chrome of this system that starts, or None. (A stub that only asks for a snap does not start.)"""
    for name in BROWSERS:
        found = shutil.which(name)
        if found and subprocess.run([found, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return found
    return None


def get_browser() -> None:
    """Make sure that the browser tests have a Chromium: the system's, else Debian's package, else Playwright's own."""
    if system_browser():
        return
    root = os.geteuid() == 0
    if root and shutil.which("apt-get"):
        print("The browser tests need a Chromium: installing the package chromium", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], env=quiet)
        if system_browser():
            return
    print("The browser tests need a Chromium: fetching Playwright's own", flush=True)
    done = subprocess.run([str(PYTHON), "-m", "playwright", "install", *(["--with-deps"] if root else []), "chromium"])
    if done.returncode != 0:
        raise SetupFailed("There is no Chromium for the browser tests, and none could be fetched. Install the package chromium.")


def main(arguments: list[str]) -> int:
    """Make the environment ready; 0 when it is."""
    parser = argparse.ArgumentParser(prog="python3 -m engine.launch.setup", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="also what the tests and checks need")
    parser.add_argument("--browser", action="store_true", help="also a Chromium")
    given = parser.parse_args(arguments)
    try:
        use_a_new_enough_python()
        VENV.mkdir(exist_ok=True)
        folder = os.open(VENV, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)  # a second make waits instead of installing into the same folder
        make_environment()
        install(["requirements.txt", *(["requirements-test.txt"] if given.tests else [])])
        if given.browser:
            get_browser()
    except SetupFailed as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nSet-up was stopped. Run make again: it goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
