"""What every built-in plugin looks like: pure functions from configuration and facts to ops.

One call is one delegate's turn: `reads` validates the configuration and names the facts wanted,
`plan_add` returns ops, `result` reports after they were applied. `plan_del` serves callers that
keep no journal (a plugin run as an ordinary executable); with a journal, DEL replays inverses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from polypod.cni.result import Result
from polypod.plan.facts import Facts, Query
from polypod.plan.ops import Op


class Call(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One plugin invocation, free of where it came from."""

    container_id: str
    ifname: str
    netns: str
    """The caller's text for the sandbox, reported back in the result; may be empty on DEL."""
    network: str
    """The network's name."""
    cni_version: str
    config: Mapping[str, object]
    """The plugin's own configuration object, keys as the user wrote them."""
    arguments: str = ""
    """CNI_ARGS, unparsed."""
    prev_result: Result | None = None
    allowed_sysctls: tuple[str, ...] | None = None
    """The lines of the node's allowlist: patterns that names of sysctls must match; None: any."""
    seed: str = "00000000"
    """Eight random hex digits for the names of host links."""
    notes: dict[str, object] = msgspec.field(default_factory=dict[str, object])
    """What was read out of the configuration, since each of a plugin's methods reads it.

    It may be the notes of an earlier call of the same network: keep only what configuration and
    CNI_ARGS decide, under the plugin's type.
    """


class Plugin(Protocol):
    """A built-in network plugin: pure methods that raise PluginError or InvalidConfigError."""

    @property
    def versions(self) -> tuple[str, ...]:
        """CNI versions spoken, oldest first."""
        ...

    def reads(self, call: Call) -> tuple[Query, ...]:
        """Validate the configuration and name the facts that plan_add wants."""
        ...

    def plan_add(self, call: Call, facts: Facts, lease: Result | None) -> tuple[Op, ...]:
        """Return the ops of ADD; lease is the IPAM's result, None without IPAM."""
        ...

    def reads_after(self, call: Call, ops: tuple[Op, ...]) -> tuple[Query, ...]:
        """Name the facts that result wants, asked after the ops were applied."""
        ...

    def result(self, call: Call, ops: tuple[Op, ...], facts: Facts, lease: Result | None) -> Result:
        """Report what was made."""
        ...

    def plan_del(self, call: Call) -> tuple[Op, ...]:
        """Return the ops that remove what ADD made, without a journal."""
        ...

    def check_reads(self, call: Call) -> tuple[Query, ...]:
        """Name the facts that check wants."""
        ...

    def check(self, call: Call, facts: Facts) -> None:
        """Compare prev_result and configuration with the facts; PluginError on a difference."""
        ...
