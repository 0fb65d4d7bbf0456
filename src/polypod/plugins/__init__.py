"""One file per CNI type: which facts it needs, which ops it wants, which result it reports.

Nothing here touches a host; `PLUGINS` is the table by which the engine finds a built-in type.
"""

from __future__ import annotations

from collections.abc import Mapping

from polypod.plugins._shape import Plugin
from polypod.plugins.bridge import Bridge
from polypod.plugins.ipvlan import Ipvlan
from polypod.plugins.loopback import Loopback
from polypod.plugins.macvlan import Macvlan
from polypod.plugins.passthru import Passthru
from polypod.plugins.tuning import Tuning

PLUGINS: Mapping[str, Plugin] = {
    "bridge": Bridge(),
    "ipvlan": Ipvlan(),
    "loopback": Loopback(),
    "macvlan": Macvlan(),
    "passthru": Passthru(),
    "tuning": Tuning(),
}
"""The built-in types by name."""
