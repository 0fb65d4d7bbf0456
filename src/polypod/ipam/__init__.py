"""Which address, and until when: choices, never storage or sockets."""
