"""An upgrade while pods start: the new daemon takes the old one's place, and no pod notices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.e2e.node import Node
from tests.e2e.programs import Program

from polypod.errors import RpcError

PODS = 20


def test_no_pod_fails_while_daemons_change_places_and_back(node: Node) -> None:
    pods = [node.pod(f"mover-{number}", "left,right") for number in range(PODS)]
    successor = Program(
        "successor",
        [*node.daemon.command, "--stand-by", "30"],
        node.root / "logs" / "successor.log",
    )

    def start_and_stop(number: int) -> RpcError | None:
        try:
            sandbox = node.runtime.run_pod(pods[number])
            node.runtime.stop_pod(sandbox)
            node.runtime.remove_pod(sandbox)
        except RpcError as error:
            return error
        return None

    with ThreadPoolExecutor(4) as threads:
        errors = threads.map(start_and_stop, range(PODS))
        successor.start()
        successor.wait_until(lambda: "daemon.ready" in successor.tail(), "takes over")
        successor.stop()  # the first one stands by, and takes its place back
        failed = [error for error in errors if error is not None]

    assert failed == []
    assert "daemon.standing_by" in node.daemon.tail(400)
