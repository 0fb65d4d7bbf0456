"""The plugins that this program can be, by name; free of imports, since VERSION must start lean."""

PLUGIN_NAMES = frozenset(
    {"bridge", "macvlan", "ipvlan", "loopback", "passthru", "tuning", "host-local", "static"}
)
