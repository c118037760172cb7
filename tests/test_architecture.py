"""The shape of the house, read from the source: who may import whom, what may stand where, how long things get."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ("app", "pages", "engine", "storage")  # in the direction of the arrows
SWEPT = (*HOUSE, "tests", "benchmarks")
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "accelerate", "sentence_transformers", "llguidance"}
# these define classes over a heavy library's own, so they import it at their top and are imported inside functions only
HEAVY_AT_TOP = {
    "engine.generation.room", "engine.methods.trainer", "engine.methods.preference_trainers", "engine.methods.rollout_trainers",
}  # fmt: skip
DATABASES = {"sqlite3", "pysqlite3", "sqlite_utils"}
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s(OR\s\w+\s)?INTO|UPDATE\s\w+\sSET|DELETE\sFROM|CREATE\s(TABLE|INDEX|TRIGGER)|PRAGMA)\b",
    re.DOTALL,
)
VAGUE = {"utils", "util", "helpers", "helper", "manager", "handler", "common", "misc"}


@cache
def sources() -> dict[str, ast.Module]:
    """Every Python file that is swept, as its dotted name and its tree."""
    found = [ROOT / "app.py"] + [path for name in SWEPT for path in (ROOT / name).rglob("*.py")]
    return {module(path): ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in sorted(found) if path.exists()}


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def path_of(name: str) -> Path:
    file = ROOT.joinpath(*name.split(".")).with_suffix(".py")
    return file if file.exists() else ROOT.joinpath(*name.split("."), "__init__.py")


def below(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    return ((name, tree) for name, tree in sources().items() if name.split(".")[0] in packages)


def imported(name: str, nodes: Iterator[ast.AST]) -> set[str]:
    """The dotted names that import statements among ``nodes`` of module ``name`` bring in."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively; the house uses whole names"
            # `from engine import prepare` may name a module or a thing inside one
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def all_imports(name: str) -> set[str]:
    return imported(name, ast.walk(sources()[name]))


def imports_at_top(name: str) -> set[str]:
    """What importing module ``name`` imports at once: nothing inside functions, nothing for type checkers only."""

    def walk(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield node
            elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from walk([*node.body, *node.orelse])
            elif isinstance(node, ast.Try | ast.With | ast.ClassDef):
                yield from walk(node.body)

    return imported(name, walk(sources()[name].body))


def roots(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_the_swept_folders_hold_something() -> None:
    assert {name.split(".")[0] for name in sources()} >= set(HOUSE)


def test_arrows_point_from_app_to_pages_to_engine_to_storage() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, _ in below(*HOUSE)
        for target in sorted(all_imports(name))
        if target.split(".")[0] in HOUSE[: HOUSE.index(name.split(".")[0])]
    ]
    assert not wrong, wrong


def test_streamlit_is_imported_by_the_app_and_its_pages_only() -> None:
    # these two draw the pages to time them, or speak their protocol, as tests do
    timed = ("benchmarks.pages", "benchmarks.annotators")
    others = [name for name, _ in below("engine", "storage", "benchmarks") if name not in timed]
    assert not [name for name in others if "streamlit" in roots(all_imports(name))]


def test_no_script_lies_directly_under_pages() -> None:
    assert {path.name for path in (ROOT / "pages").glob("*.py")} <= {"__init__.py"}


def test_a_page_never_imports_another_page() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, _ in below("pages")
        for target in all_imports(name)
        if target.startswith("pages.") and target.split(".")[1] not in ("parts", name.split(".")[1])
    ]
    assert not wrong, wrong


def test_no_popover_asks_for_a_rerun_when_it_closes() -> None:
    # the click that closes it may be one on a link: what comes after that click, in the old page's name, undoes it
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in below("pages")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("popover")
        and any(k.arg == "on_change" for k in node.keywords)
    ]
    assert not wrong, wrong


def defines_a_method(tree: ast.Module) -> bool:
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    return any(isinstance(target, ast.Name) and target.id == "METHOD" for target in targets)


def test_a_method_never_imports_another_and_the_table_lists_them_all() -> None:
    methods = {name for name, tree in below("engine") if name.startswith("engine.methods.") and defines_a_method(tree)}
    assert methods, "no module of engine/methods defines METHOD"
    wrong = [f"{name} imports {other}" for name in methods for other in methods - {name} if other in all_imports(name)]
    assert not wrong, wrong
    assert methods <= all_imports("engine.methods"), "METHODS misses a method"


def test_jobs_know_methods_through_their_table_only() -> None:
    methods = {name for name, tree in below("engine") if name.startswith("engine.methods.") and defines_a_method(tree)}
    assert not [
        f"{name}: {methods & all_imports(name)}"
        for name, _ in below("engine")
        if name.startswith("engine.jobs") and methods & all_imports(name)
    ]


def test_databases_are_opened_and_spoken_to_in_storage_only() -> None:
    wrong = [
        f"{name} imports a database library"
        for name, _ in below("app", "pages", "engine")
        # a database in memory that a model's query is tried on is no storage
        if DATABASES & roots(all_imports(name)) and name != "engine.evaluation.queries"
    ]
    # the Pocket lab's corpus contains SQL as text to learn from
    for name, tree in below("app", "pages", "engine"):
        if not name.startswith(("engine.samples", "engine.evaluation.queries")):
            strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
            wrong += [f"{name}:{node.lineno} holds SQL" for node in strings if SQL.search(str(node.value))]
    assert not wrong, wrong


def test_heavy_libraries_are_imported_inside_functions_of_the_engine_only() -> None:
    outside = [name for name, _ in below("app", "pages", "storage") if HEAVY & roots(all_imports(name))]
    assert not outside, outside
    at_top = {name for name, _ in below("engine") if HEAVY & roots(imports_at_top(name))}
    assert at_top <= HEAVY_AT_TOP, at_top - HEAVY_AT_TOP
    reach_them = [
        f"{name} imports {heavy} at its top"
        for name, _ in below(*HOUSE)
        for heavy in HEAVY_AT_TOP
        if heavy in imports_at_top(name) and name not in HEAVY_AT_TOP
    ]
    assert not reach_them, reach_them


def test_no_page_pays_for_a_heavy_library() -> None:
    """What app.py and all pages import, imported for real in a fresh process, brings in none of them."""
    light = sorted(
        {
            target
            for name, _ in below("app", "pages")
            for target in all_imports(name)
            if target in sources() and target.startswith("engine")
        }
    )
    code = f"import sys, {', '.join(light)}\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("package", SWEPT)
def test_files_and_functions_stay_short(package: str) -> None:
    wrong = []
    for name, tree in below(package):
        path = path_of(name)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_FILE:
            wrong.append(f"{path}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    wrong.append(f"{path}:{node.lineno} {node.name}: {length} lines")
    assert not wrong, wrong


def test_files_are_named_after_one_idea() -> None:
    assert not [name for name in sources() if VAGUE & set(name.split("."))]


def test_nothing_is_swallowed_guessed_or_rendered_raw() -> None:
    wrong = []
    for name, tree in below(*HOUSE):
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and all(isinstance(line, ast.Pass) for line in node.body):
                wrong.append(f"{name}:{node.lineno} except: pass")
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                given = {key.arg: ast.unparse(key.value) for key in node.keywords}
                if called == "hasattr":
                    wrong.append(f"{name}:{node.lineno} hasattr")
                if given.get("unsafe_allow_html", "False") != "False" or called in ("st.html", "st.components.v1.html"):
                    wrong.append(f"{name}:{node.lineno} renders HTML")
                if given.get("trust_remote_code", "False") == "True" or called in ("torch.load", "pickle.load", "pickle.loads"):
                    wrong.append(f"{name}:{node.lineno} runs code that came with weights")
    assert not wrong, wrong
