"""Fetch the locked pip wheel for a Python that came without pip; print the path it was written to.

The index is PIP_INDEX_URL, or PyPI. The file is accepted only with a hash that requirements/dev.txt
holds. `./dev setup` calls this; installing is pip's own work.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import sys
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

INDEX = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
LOCK = Path(__file__).parents[1] / "requirements" / "dev.txt"


class Links(HTMLParser):
    """Collect the targets of all links of a page."""

    def __init__(self) -> None:
        """Begin without links."""
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the target of a link."""
        self.targets += [value for name, value in attrs if tag == "a" and name == "href" and value]


def locked() -> tuple[str, frozenset[str]]:
    """Read the version and the accepted hashes of pip from the lock."""
    found = re.search(r"^pip==(\S+)((?:\s*\\\n\s+--hash=\S+)+)", LOCK.read_text(), re.MULTILINE)
    if found is None:
        sys.exit(f"get_pip: no pip in {LOCK}")
    return found[1], frozenset(re.findall(r"sha256:([0-9a-f]{64})", found[2]))


def fetch(url: str) -> bytes:
    """Read one address, with the certificates pip would use."""
    trust = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
    with urllib.request.urlopen(url, timeout=60, context=trust) as answer:
        return bytes(answer.read())


def wheel_url(page: str, name: str) -> str:
    """Find the wheel on the index page."""
    links = Links()
    links.feed(fetch(page).decode())
    for target in links.targets:
        url = urllib.parse.urljoin(page, target)
        if urllib.parse.urlsplit(url).path.endswith("/" + name):
            return url
    sys.exit(f"get_pip: {page} does not list {name}")


def main(folder: Path) -> None:
    """Write the wheel into folder and print its path."""
    version, hashes = locked()
    name = f"pip-{version}-py3-none-any.whl"
    try:
        content = fetch(wheel_url(INDEX.rstrip("/") + "/pip/", name))
    except OSError as error:
        sys.exit(f"get_pip: {INDEX} cannot be read: {error}")
    if hashlib.sha256(content).hexdigest() not in hashes:
        sys.exit(f"get_pip: {name} does not have the locked hash")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    print(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
