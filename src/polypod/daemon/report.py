"""What is said of a finished call: its log lines, and the counters.

Called once the answer is on its way, so that nobody waits for it.
"""

from __future__ import annotations

import logging

import msgspec

from polypod.daemon import verbs
from polypod.daemon.lines import fields
from polypod.daemon.metrics import Metrics
from polypod.daemon.verbs import Answer
from polypod.daemon.watch import WatchedJournal, plugin_of
from polypod.daemon.wire import WireRequest
from polypod.plan.record import Record

log = logging.getLogger("polypod.report")


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A call that came to its end."""

    asked: WireRequest
    answer: Answer
    journal: WatchedJournal
    seconds: float


def report(done: Done, metrics: Metrics) -> None:
    """Log a call and each attachment it made or took back, and count them."""
    verb, answer = done.asked.command, done.answer
    by_name = verbs.is_by_name(done.asked)
    plugin = done.asked.argv0 if by_name else "polypod"
    metrics.observe(verb, plugin, done.seconds)
    if answer.slug:
        metrics.count_error(answer.slug)
    if by_name and not answer.slug:
        metrics.observe_network(verb, plugin, answer.network, done.seconds)
    for record in done.journal.made:
        metrics.observe_network("ADD", plugin_of(record), record.network, record.duration_s)
    for record in done.journal.removed:
        metrics.observe_network(verb, plugin_of(record), record.network, done.seconds)
    if log.isEnabledFor(logging.INFO):
        _log(done, plugin)


def _log(done: Done, plugin: str) -> None:
    for record in done.journal.made:
        log.info("attachment.made %s", _attachment(record, record.duration_s))
    for record in done.journal.removed:
        log.info("attachment.removed %s", _attachment(record, done.seconds))
    log.info(
        "request.done %s",
        fields(
            verb=done.asked.command,
            plugin=plugin,
            network=done.answer.network,
            slug=done.answer.slug,
            ms=done.seconds * 1000,
        ),
    )


def _attachment(record: Record, seconds: float) -> str:
    return fields(
        network=record.network,
        display=record.display_name,
        ifname=record.ifname,
        plugin=plugin_of(record),
        ms=seconds * 1000,
    )
