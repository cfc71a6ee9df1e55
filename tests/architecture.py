"""The shape of the program, read from its imports: layers, owners of libraries, circles, sizes.

python -m tests.architecture                  lines and files per package, circles
python -m tests.architecture OTHER_CHECKOUT   the same for another checkout
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNCHECKED = "an import that cannot be checked"

# From the bottom up; names on the same line do not import each other.
LAYERS = (
    {"__version__", "errors", "units", "kv_types", "suggestions", "data"},
    {"settings", "disk"},
    {"files"},
    {"chat", "engine"},
    {"models", "hardware"},
    {"planner"},
    {"runtime", "history"},
    {"server", "client", "diagnostics"},
    {"cli"},
    {"__main__"},
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# The only place that may import each library.
OWNERS = {
    "llama_cpp": "g4run/engine/",
    "numpy": "g4run/engine/",
    "llguidance": "g4run/engine/",
    "psutil": "g4run/hardware/",
    "huggingface_hub": "g4run/models/hub/client.py",
    "httpx2": "g4run/models/",
    "filelock": "g4run/models/",
    "starlette": "g4run/server/",
    "uvicorn": "g4run/server/",
    "typer": "g4run/cli/",
    "rich": "g4run/cli/",
    "prompt_toolkit": "g4run/cli/",
    "platformdirs": "g4run/settings.py",
    "click": "nobody",
    "typer.core": "nobody",
    "typer._click": "nobody",
}

MOST_FILES = 16


def find_imports(source: str, path: str) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, by its full name."""
    package = path.removesuffix(".py").removesuffix("/__init__").split("/")
    if not path.endswith("/__init__.py"):
        package.pop()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = [*package[: len(package) - level + 1]] if level else []
                prefix = ".".join([*base, *([module] if module else [])])
                yield from (f"{prefix}.{alias.name}" for alias in names)
            case ast.Call(func=ast.Name(id="__import__")) | ast.Call(func=ast.Attribute(attr="import_module")):
                yield UNCHECKED


def find_violations(source: str, path: str) -> list[str]:
    """The imports of a file at `path`, relative to the repository, that break the rules."""
    return [
        f"{path}: {module}"
        for module in find_imports(source, path)
        if _points_up(module, path) or _is_owned(module, path)
    ]


def _points_up(module: str, path: str) -> bool:
    if module == UNCHECKED:
        return True
    if not module.startswith("g4run."):
        return False
    ours, theirs = path.split("/")[1].removesuffix(".py"), module.split(".")[1]
    return ours != theirs and RANKS[theirs] >= RANKS[ours]


def _is_owned(module: str, path: str) -> bool:
    return any(
        (module == library or module.startswith(f"{library}.")) and not path.startswith(owner)
        for library, owner in OWNERS.items()
    )


def find_circles(sources: Mapping[str, str]) -> list[str]:
    """Circles among the neighbours of each package, at every depth: one line for each, `PACKAGE: one two three`.

    `sources` maps paths such as g4run/chat/render.py to their text. Modules and packages of one package are neighbours;
    whatever lies in a package counts as that package.
    """
    names = {_module(path) for path in sources}
    graphs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path, source in sources.items():
        for imported in find_imports(source, path):
            _add(graphs, _module(path), imported if imported in names else imported.rpartition(".")[0])
    found = [(package, circle) for package, graph in graphs.items() for circle in _circles(graph)]
    return sorted(f"{package}: {' '.join(sorted(circle))}" for package, circle in found)


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _add(graphs: dict[str, dict[str, set[str]]], importer: str, imported: str) -> None:
    """Note an import in the graph of the innermost package that holds both."""
    ours, theirs = importer.split("."), imported.split(".")
    depth = next((place for place, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), None)  # noqa: B905
    if depth:
        graphs[".".join(ours[:depth])][ours[depth]].add(theirs[depth])


def _circles(graph: Mapping[str, Iterable[str]]) -> list[frozenset[str]]:
    """Groups of names that all reach one another."""
    reached = {name: _reached_from(name, graph) for name in graph}
    return list(
        {
            frozenset(other for other in reached[name] if name in reached.get(other, ()))
            for name in graph
            if name in reached[name]
        }
    )


def _reached_from(start: str, graph: Mapping[str, Iterable[str]]) -> set[str]:
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        fresh = set(graph.get(ahead.pop(), ())) - reached
        reached |= fresh
        ahead += fresh
    return reached


def read_sources(root: Path = ROOT) -> dict[str, str]:
    """The program's files by path, relative to the repository."""
    files = sorted((root / "g4run").rglob("*.py"))
    return {file.relative_to(root).as_posix(): file.read_text("utf-8") for file in files}


def main() -> None:
    """Print lines and files per package, and all circles."""
    sources = read_sources(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    lines, files = Counter[str](), Counter[str]()
    for path, source in sources.items():
        folder = path.rpartition("/")[0]
        files[folder] += 1
        for depth in range(1, folder.count("/") + 2):
            lines["/".join(folder.split("/")[:depth])] += source.count("\n")
    sys.stdout.write(f"{'folder':<40}{'lines, all told':>16}{'files':>7}\n")
    for folder in sorted(lines):
        crowded = "  crowded" if files[folder] > MOST_FILES else ""
        sys.stdout.write(f"{folder:<40}{lines[folder]:>16,}{files[folder]:>7}{crowded}\n")
    circles = find_circles(sources)
    sys.stdout.write("\n".join([f"{len(circles)} circles", *circles, ""]))


if __name__ == "__main__":
    main()
