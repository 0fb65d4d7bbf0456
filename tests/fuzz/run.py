"""Drive one target by coverage: `python -m tests.fuzz.run TARGET SECONDS`, as `./dev fuzz` does.

Findings are written to build/fuzz/ and end the run with a traceback. Inputs that reached something
new stay in build/fuzz/corpus, so that a later run begins where this one ended.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

atheris: Any = importlib.import_module("atheris")  # ./dev fuzz puts it on the path

with atheris.instrument_imports(include=["polypod"]):
    from tests.fuzz.targets import TARGETS

FOLDER = Path(__file__).parents[2] / "build" / "fuzz"
MAX_INPUT_BYTES = 4096


def main(name: str, seconds: str) -> None:
    """Feed a target, from its seeds, for so many seconds."""
    target = TARGETS[name]
    corpus = FOLDER / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "max_len": MAX_INPUT_BYTES,
        "timeout": 10,
        "artifact_prefix": f"{FOLDER}/{name}-",
        "verbosity": 0,
        "print_final_stats": 1,
    }
    flags = [f"-{key}={value}" for key, value in options.items()]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
