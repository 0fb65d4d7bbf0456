"""The rows of the acceptance vectors for the meta-plugin: their ids, and those left out.

A test says which row it is in its name (`test_k05_...`) or in a parameter's id (`id="K05"`);
test_multus_rows.py compares these with SECTIONS, so that no row is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

SECTIONS: Mapping[str, tuple[str, str]] = {
    "A": (
        "annotation, comma form",
        "01 02 04 05 07 08 10 11 13 14 16 17 19 20 22 23 25 26 28 29 31 32 34",
    ),
    "B": (
        "annotation, JSON form",
        ("01 03 04 06 07 09 10 12 13 15 16 18 19 21 22 24 25 27 28 30 31 33 34 36 37 39 40"),
    ),
    "C": ("default network", "02 03 05 06 08 09 11 12"),
    "D": ("configuration", "01 02 04 05 07 08 10 11 13 14 16 17 19"),
    "E": ("delegates", "01 03 04 06 07 09 10 12 13 15 16 18 19 21 22"),
    "F": ("arguments and capabilities", "01 02 04 05 07 08 10 11 13 14 16 17"),
    "G": ("from name to network", "02 03 05 06 08 09 11 12 14 15 17 18 20 21"),
    "H": ("cluster network", "02 03 05 06 08 09 11 12 14 15 17 18"),
    "I": ("namespace isolation", "02 03 05 06"),
    "J": (
        "devices",
        ("01 02 04 05 07 08 10 11 13 14 16 17 19 20 22 23 25 26 28 29 31 32 34 35 37 38"),
    ),
    "K": (
        "ADD and DEL",
        "02 03 05 06 08 09 11 12 14 15 17 18 20 21 23 24 26 27 29 30 32 33 35",
    ),
    "L": ("CHECK, STATUS, GC, VERSION", "01 03 04 06 07 09 10 12 13 15 16"),
    "M": (
        "gateways",
        "01 02 04 05 07 08 10 11 13 14 16 17 19 20 22 23 25 26 28 29 31 32",
    ),
    "N": (
        "network-status",
        "02 03 05 06 08 09 11 12 14 15 17 18 20 21 23 24 26 27 29",
    ),
}
"""Numbers by section, as the vectors have them."""


LEFT_OUT: Mapping[str, str] = {
    "B39": "a type of the reference's client library, which its meta-plugin does not use",
    "D08": "there is one primary, not a list of delegates; defaultNetworks are the others",
    "D10": "a primary may be left out: then a pod has its secondary networks only",
    "K12": "DEL needs the journal alone; what it never knew it does not guess from annotations",
    "M25": "results are not read back from a cache file while an ADD is under way",
}
"""Rows without a test, and why."""


def ids() -> list[str]:
    """Return every row's id."""
    return [f"{section}{n}" for section, (_, text) in SECTIONS.items() for n in text.split()]
