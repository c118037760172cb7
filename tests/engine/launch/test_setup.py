"""The environment, made for real in a small tree of its own from packages that are written here."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.launch import setup


@dataclass(frozen=True)
class Tree:
    """A checkout with the set-up in it, an index of packages, and nothing else."""

    root: Path
    index: Path

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "TEMPER_"))}
        settings = {"PIP_INDEX_URL": self.index.as_uri(), "PIP_CONFIG_FILE": os.devnull}
        command = [sys.executable, "-m", "engine.launch.setup", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=kept | settings | variables, capture_output=True, text=True, timeout=180
        )

    def version(self, package: str) -> str:
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        return subprocess.run(
            [self.root / ".venv/bin/python", "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()

    def require(self, *lines: str) -> None:
        (self.root / "requirements.txt").write_text("\n".join(lines) + "\n")


def publish(index: Path, name: str, version: str) -> None:
    """Put a package with nothing in it on an index."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        about = f"{name}-{version}.dist-info"
        file.writestr(f"{name}/__init__.py", "")
        file.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    links = "".join(f'<a href="{quote(path.name)}">{path.name}</a>' for path in folder.glob("*.whl"))
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """One for all tests here, since an environment takes seconds to make."""
    folder = tmp_path_factory.mktemp("set-up")
    made = Tree(folder / "checkout", folder / "index")
    shutil.copytree(Path(setup.__file__).parent, made.root / "engine" / "launch", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(setup.ROOT / "engine" / "__init__.py", made.root / "engine")
    publish(made.index, "small", "1.0")
    publish(made.index, "small", "2.0")
    return made


def test_requirements_are_installed_once_and_again_only_when_they_change(tree: Tree) -> None:
    tree.require("small==1.0")
    first = tree.make()
    assert first.returncode == 0, first.stderr
    assert 0 <= first.stdout.index("GB to fetch") < first.stdout.index("small")
    assert tree.version("small") == "1.0"

    again = tree.make()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

    tree.require("small==2.0")
    assert tree.make().returncode == 0
    assert tree.version("small") == "2.0"


def test_an_installation_that_failed_is_told_and_tried_again(tree: Tree) -> None:
    tree.require("late==3.0")
    failed = tree.make()
    assert failed.returncode == 2
    assert "Run make again" in failed.stderr
    publish(tree.index, "late", "3.0")
    assert tree.make().returncode == 0
    assert tree.version("late") == "3.0"


def test_torch_and_only_torch_comes_from_the_index_that_is_named(tree: Tree) -> None:
    only_cpu = tree.index.parent / "cpu"
    publish(tree.index, "torch", "9.0")
    publish(tree.index, "other", "1.0")
    publish(only_cpu, "torch", "9.0+cpu")
    publish(only_cpu, "other", "1.0+cpu")
    tree.require("other==1.0", "torch==9.0")
    done = tree.make(TEMPER_TORCH_INDEX=only_cpu.as_uri())
    assert done.returncode == 0, done.stdout + done.stderr
    assert tree.version("torch") == "9.0+cpu"
    assert tree.version("other") == "1.0"


def test_a_broken_environment_is_made_anew(tree: Tree) -> None:
    tree.require("small==1.0")
    python = tree.root / ".venv/bin/python"
    assert tree.make().returncode == 0
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert tree.make().returncode == 0
    assert tree.version("small") == "1.0"


def test_without_ensurepip_the_missing_package_is_named(tree: Tree, tmp_path: Path) -> None:
    fresh = shutil.copytree(tree.root, tmp_path / "fresh", ignore=shutil.ignore_patterns(".venv"))
    code = "import sys, runpy; sys.modules['ensurepip'] = None; runpy.run_module('engine.launch.setup', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=fresh, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"python3.{sys.version_info[1]}-venv" in done.stderr


def test_an_older_python_still_reads_the_set_up() -> None:
    """A Python that is too old has to get as far as saying so."""
    ast.parse(Path(setup.__file__).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_the_pins_name_no_local_version_and_every_one_is_exact() -> None:
    for name in ("requirements.txt", "requirements-test.txt"):
        lines = [line.split(";")[0].strip() for line in (setup.ROOT / name).read_text().splitlines()]
        pins = [line for line in lines if line and not line.startswith("#")]
        assert pins and all("==" in pin and "+" not in pin for pin in pins)
    assert setup.torch_pins(["requirements.txt"])


def test_what_is_installed_here_is_what_is_pinned() -> None:
    wrong = []
    for line in (setup.ROOT / "requirements.txt").read_text().splitlines():
        name, _, rest = line.partition("==")
        pin = rest.split(";")[0].strip()
        if pin and not line.startswith("#"):
            try:
                found = version(name).split("+")[0]
            except PackageNotFoundError:
                found = "nothing" if not rest.partition(";")[2] else pin
            wrong += [f"{name}: {pin} is pinned, {found} is installed"] if found != pin else []
    assert not wrong, wrong
