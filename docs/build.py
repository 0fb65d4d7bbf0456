"""Writes pages and manifests that follow from the code, and builds the site: `./dev docs`.

    docs/build.py              write the generated pages, then build the site into build/site
    docs/build.py --check      write nothing; end with 1 when a generated page is stale
    docs/build.py --figures [FILE]
                               take the figures of the last ./dev bench into docs/figures.json

The pages are committed, so that they can be read without building anything; a unit test compares
them with what the code says now.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from docs.generate import (  # noqa: E402 - the path is set above, for a start as a program
    benchmarks,
    cli,
    configuration,
    conformance,
    deploy,
    errors,
    logs,
    metrics,
    ops,
    picture,
    platforms,
    plugins,
    settings,
    stage,
)

PAGES: Mapping[str, Callable[[], str]] = {
    "benchmarks.md": benchmarks.render,
    "reference/cli.md": cli.render,
    "reference/configuration.md": configuration.render,
    "reference/conformance.md": conformance.render,
    "reference/errors.md": errors.render,
    "reference/metrics.md": metrics.render,
    "reference/logs.md": logs.render,
    "reference/platforms.md": platforms.render,
    "reference/plugins.md": plugins.render,
    "reference/ops.md": ops.render,
    "reference/settings.md": settings.render,
    "images/rooms.svg": picture.render,
}
"""Every generated file below docs/, and what writes it."""


def rendered() -> dict[str, str]:
    """Return every generated file's text by its path from docs/, deploy/ included."""
    pages = {name: render() for name, render in PAGES.items()}
    return pages | {f"{deploy.FOLDER}/{name}": text for name, text in deploy.files().items()}


def stale() -> dict[str, str]:
    """Return the generated files that differ from what the code says now, with that."""
    return {name: text for name, text in rendered().items() if _text(ROOT / "docs" / name) != text}


def write() -> list[str]:
    """Write what is stale; return it."""
    found = stale()
    for name, text in found.items():
        path = ROOT / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(found)


def _path(name: str) -> Path:
    return (ROOT / "docs" / name).resolve().relative_to(ROOT)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def build() -> int:
    """Build the site, warnings as errors; return the exit code."""
    started = time.monotonic()
    folder = stage.stage(ROOT, ROOT / "build" / "pages")
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [str(program), "build", "--strict", "--clean", "-f", str(folder / "mkdocs.yml")],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        return done.returncode
    site = ROOT / "build" / "site"
    shutil.rmtree(site, ignore_errors=True)
    (folder / "site").rename(site)
    print(
        f"{len(list(site.rglob('*.html')))} pages in build/site, {time.monotonic() - started:.1f} s"
    )
    return 0


def main(words: list[str]) -> int:
    """Run one command line; return the exit code."""
    if words == ["--check"]:
        found = stale()
        for name in found:
            print(f"{_path(name)} is stale: call ./dev docs", file=sys.stderr)
        return 1 if found else 0
    if words[:1] == ["--figures"]:
        benchmarks.take(Path(words[1]) if words[1:] else ROOT / "build" / "bench.json")
        return 0
    for name in write():
        print(f"wrote {_path(name)}")
    return build()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
