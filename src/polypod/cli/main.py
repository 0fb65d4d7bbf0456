"""Finds the verb: the daemon and the plugin executables start lean, people's verbs use click.

A name of a built-in plugin in argv[0] makes this that plugin's executable.
"""

from __future__ import annotations

import gc
import sys

from polypod.cli.names import PLUGIN_NAMES


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return the exit code."""
    words = sys.argv if argv is None else argv
    name = words[0].rpartition("/")[2] if words else "polypod"
    if name in PLUGIN_NAMES:
        from polypod.cli import plugin

        return plugin.main(name)
    if len(words) == 3 and words[1] == "plugin" and words[2] in PLUGIN_NAMES:
        from polypod.cli import plugin

        return plugin.main(words[2])
    if len(words) > 1 and words[1] == "daemon":
        gc.disable()  # what is imported stays: nothing is looked for among it before it serves
        from polypod.cli import daemon

        return daemon.main(words[2:])
    from polypod.cli import people

    return people.main(words[1:])


if __name__ == "__main__":
    raise SystemExit(main())
