"""Tokens, stdin and configurations never show: not in a log, an event, an error or a file name.

Each case puts a word where secrets are, has something fail, and looks for it in all that was said.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.security.hostile import GOOD, made
from tests.unit.security.raw_server import RawServer, body

from polypod.daemon import verbs
from polypod.daemon.lines import LineFormatter
from polypod.daemon.wire import WireRequest
from polypod.engine.resolve import NETWORKS
from polypod.errors import PolypodError
from polypod.kube import kubeconfig
from polypod.kube.access import Access, in_cluster
from polypod.kube.cache import ApiSource
from polypod.kube.client import Client, Query
from polypod.kube.events import Events
from polypod.kube.status_patches import StatusPatches
from polypod.testing.api_http import EVENTS, PODS
from polypod.testing.api_server import FakeApiServer
from polypod.testing.node import Node, Sandbox

WORD = "hunter2-do-not-tell"
SOON_S = 10.0


class Said:
    """Everything that was said, as bytes and as they are shown."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, *texts: object) -> None:
        self.texts += [text if isinstance(text, str) else repr(text) for text in texts]

    def add_error(self, error: BaseException) -> None:
        """Take an error with all that hangs on it."""
        self.add(str(error), getattr(error, "hint", ""), getattr(error, "details", ""))
        self.add(*getattr(error, "__notes__", ()))

    def check(self) -> None:
        assert self.texts, "nothing was said: the case shows nothing"
        encoded = base64.b64encode(WORD.encode()).decode()
        for text in self.texts:
            assert WORD not in text and encoded not in text, text


class Listener(logging.Handler):
    """Keeps each line as the daemon would write it, tracebacks too."""

    def __init__(self, said: Said) -> None:
        super().__init__(logging.DEBUG)
        self._said = said
        self.setFormatter(LineFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._said.add(self.format(record))


@pytest.fixture
def said() -> Iterator[Said]:
    """Listen to all loggers at their most talkative, and look through it in the end."""
    found = Said()
    listener, root = Listener(found), logging.getLogger()
    before = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(listener)
    root.setLevel(before)
    found.check()


def call(node: Node, pod: Sandbox, stdin: bytes) -> str:
    """Have the daemon carry out an ADD; return the error object that the runtime gets."""
    request = pod.request("ADD")
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": request.container_id,
        "CNI_NETNS": request.netns,
        "CNI_IFNAME": request.ifname,
        "CNI_PATH": "/opt/cni/bin",
        "CNI_ARGS": request.arguments,
        "SOMEBODYS_TOKEN": WORD,
    }
    asked = WireRequest(argv0="polypod", environment=environment, stdin=stdin)
    answer = verbs.answer(asked, node.doors())
    assert answer.code == 1
    return answer.stdout.decode()


STDINS = {
    "no JSON": f"{WORD}",
    "half": f'{{"token":"{WORD}"',
    "a text": f'"{WORD}"',
    "a list": f'["{WORD}"]',
    "of a version that nobody knows": f'{{"cniVersion":"9","name":"x","password":"{WORD}"}}',
    "without a type": f'{{"cniVersion":"1.1.0","name":"x","secret":"{WORD}","runtimeConfig":5}}',
    "with a result that makes no sense": (
        f'{{"cniVersion":"1.1.0","name":"x","type":"polypod","prevResult":"{WORD}"}}'
    ),
    "no UTF-8": f'{{"x":"\udcff{WORD}"}}',
}


@pytest.mark.parametrize("text", STDINS.values(), ids=STDINS.keys())
def test_what_came_on_stdin_is_not_told(text: str, said: Said) -> None:
    node = made()
    pod = node.add_pod("test", "p", networks="none", uid="u1")

    said.add(call(node, pod, text.encode(errors="surrogateescape")))

    said.add(*node.events.told)


def of(**config: object) -> str:
    return json.dumps({**GOOD, "name": "bad", "password": WORD, **config})


DEFINITIONS = {
    "half": f'{{"type":"bridge","password":"{WORD}"',
    "a text": f'"{WORD}"',
    "unknown type": of(type="nobody"),
    "a bridge that is no name": of(bridge="b" * 64),
    "mtu is a text": of(mtu="large"),
    "no address left": of(ipam={"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/32"}]]}),
    "version of tomorrow": of(cniVersion="99"),
    "a list without plugins": f'{{"cniVersion":"1.0.0","name":"x","plugins":[],"a":"{WORD}"}}',
}


@pytest.mark.parametrize("config", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_what_stands_in_a_definition_is_not_told(config: str, said: Said) -> None:
    node = made()
    node.source.add_definition("test", "bad", config)
    pod = node.add_pod("test", "p", networks="bad", uid="u1")

    said.add(call(node, pod, b'{"cniVersion":"1.1.0","name":"polypod","type":"polypod"}'))

    assert node.events.told
    said.add(*node.events.told)


@pytest.mark.parametrize(
    "networks",
    [
        json.dumps([{"name": "none", "cni-args": {"token": WORD}}]),
        json.dumps([{"name": "good", "interface": "x" * 40, "cni-args": {"token": WORD}}]),
        f'[{{"name":"good","cni-args":{{"token":"{WORD}"}}',
        json.dumps([{"name": "good", "ips": "x", "cni-args": {"token": WORD}}]),
    ],
    ids=["missing", "interface", "half", "ips"],
)
def test_arguments_of_an_annotation_are_not_told(networks: str, said: Said) -> None:
    node = made()
    pod = node.add_pod(
        "test", "p", networks=networks, uid="u1", annotations={"somebody/token": WORD}
    )

    said.add(call(node, pod, b'{"cniVersion":"1.1.0","name":"polypod","type":"polypod"}'))

    said.add(*node.events.told)


def broken(client: Client, said: Said) -> None:
    """Ask and tell in every way that there is."""
    source = ApiSource(client, "node1", appear_s=0.0)
    status, events = StatusPatches(client), Events(client, "node1")
    asks: tuple[Callable[[], object], ...] = (
        lambda: source.pod("test", "p", "u1"),
        lambda: source.definition("test", "n"),
        lambda: client.get(Query(path="/api/v1/nodes"), timeout_s=2.0),
        lambda: status.write_now("test", "p", "[]", "u1", timeout_s=0.2),
    )
    status.start()
    events.start()
    events.tell_pod("test", "p", "u1", reason="R", message="m")
    for ask in asks:
        try:
            ask()
        except PolypodError as error:
            said.add_error(error)
    status.stop(0.05)
    events.stop(0.05)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_a_token_is_not_told_when_the_server_refuses(status: int, said: Said) -> None:
    with FakeApiServer(token=WORD) as api:
        api.fail_next = [status] * 1000
        client = Client(Access(host="127.0.0.1", port=api.port, tls=False, token=lambda: WORD))

        broken(client, said)

        client.close()
        assert all(WORD not in text for text in api.requests)


@pytest.mark.parametrize(
    "answer",
    [
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        [b"nonsense\r\n\r\n"],
        body(f'{{"metadata":{{"name":5,"password":"{WORD}"}}}}'.encode()),
        body(f'{{"data":{{"password":"{WORD}"}}'.encode()),
    ],
    ids=["no chunk", "nonsense", "an object of another kind", "half"],
)
def test_a_token_is_not_told_when_the_answer_makes_no_sense(
    answer: list[bytes], said: Said
) -> None:
    with RawServer(lambda _: answer) as server:
        client = Client(
            Access(host="127.0.0.1", port=server.access.port, tls=False, token=lambda: WORD)
        )

        broken(client, said)

        client.close()


@pytest.mark.parametrize("token", [WORD, f"{WORD}\r\n{WORD}", f"{WORD}\0", f"\u00e4{WORD}"])
def test_a_token_is_not_told_when_nobody_answers(token: str, said: Said) -> None:
    client = Client(Access(host="127.0.0.1", port=1, tls=False, token=lambda: token))

    broken(client, said)

    client.close()


KUBECONFIGS = {
    "half": f"users:\n- name: x\n  user: {{token: {WORD}",
    "no server": f"users: [{{name: a, user: {{token: {WORD}}}}}]",
    "a user of another type": f"users: [{{name: a, user: '{WORD}'}}]",
    "a token that is a list": f"users: [{{name: a, user: {{token: [{WORD}]}}}}]",
    "a key that is no base64": (
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        f"users: [{{name: u, user: {{client-key-data: '{WORD}', client-certificate-data: x}}}}]"
    ),
    "an exec that fails": (
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1,"
        f" command: sh, args: ['-c', 'echo {WORD}; echo {WORD} >&2; exit 3'],"
        f" env: [{{name: T, value: {WORD}}}], interactiveMode: Never}}}}}}]"
    ),
    "an exec that answers nonsense": (
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1,"
        f" command: sh, args: ['-c', 'echo {WORD}'], interactiveMode: Never}}}}}}]"
    ),
}


@pytest.mark.parametrize("text", KUBECONFIGS.values(), ids=KUBECONFIGS.keys())
def test_what_stands_in_a_kubeconfig_is_not_told(text: str, tmp_path: Path, said: Said) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")

    try:
        client = Client(kubeconfig.read(path))
        client.get(Query(path="/api"), timeout_s=1.0)
    except PolypodError as error:
        said.add_error(error)


@pytest.mark.parametrize("token", [f"{WORD}\r\nX-Other: {WORD}", f"{WORD}\0", f"\u00e4{WORD}"])
def test_a_token_that_no_header_can_hold_is_not_told(token: str, said: Said) -> None:
    with FakeApiServer() as api:
        client = Client(Access(host="127.0.0.1", port=api.port, tls=False, token=lambda: token))

        broken(client, said)

        assert api.requests == []
        client.close()


def test_a_rotated_token_is_not_told(tmp_path: Path, said: Said) -> None:
    (tmp_path / "token").write_text(WORD, encoding="ascii")
    (tmp_path / "ca.crt").write_text(f"no certificate: {WORD}", encoding="ascii")
    where = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    client = Client(in_cluster(where, folder=tmp_path))

    broken(client, said)

    client.close()


def test_events_of_the_api_server_hold_no_secret(said: Said) -> None:
    """The whole way: API server, engine, events; with a token, and a definition that is broken."""
    with FakeApiServer(token=WORD) as api:
        client = Client(Access(host="127.0.0.1", port=api.port, tls=False, token=lambda: WORD))
        events = Events(client, "node1")
        events.start()
        node = made()
        node.events = events  # type: ignore[assignment]
        node.source.add_definition("test", "bad", of(type="nobody"))
        api.put(
            PODS, {"metadata": {"namespace": "test", "name": "p", "annotations": {NETWORKS: "bad"}}}
        )

        pod = node.add_pod("test", "p", networks="bad", uid="u1")
        said.add(call(node, pod, b'{"cniVersion":"1.1.0","name":"polypod","type":"polypod"}'))
        events.stop(SOON_S)

        found = api.all(EVENTS)
        client.close()
    assert len(found) == 1
    said.add(json.dumps(found))
