"""The command line as people meet it: help, exit statuses, one line and a hint."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from polypod.cli import main as entry
from polypod.cli import people
from polypod.cli.explain import by_slug

EXAMPLES = Path(__file__).parents[3] / "examples"
VERBS = sorted(people.polypod.commands)


def polypod(*words: str) -> int:
    return entry.main(["polypod", *words])


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "daemon"])
def test_every_verb_has_a_page_of_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = polypod(verb, "-h")

    assert code == 0
    assert capsys.readouterr().out.startswith(f"Usage: polypod {verb}")


@pytest.mark.parametrize("verb", ["add", "del", "check", "ps", "explain", "completion"])
def test_help_shows_how_it_is_typed(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    polypod(verb, "--help")

    assert f"  polypod {verb} " in capsys.readouterr().out.partition("Examples:")[2].replace(
        "source <(", "  "
    )


def test_every_example_in_help_is_a_command_line_that_exists() -> None:
    for name, command in people.polypod.commands.items():
        for line in (command.epilog or "").splitlines():
            if line.startswith("  polypod "):
                assert line.split()[1] == name


@pytest.mark.parametrize(
    "words",
    [
        ("fly",),
        ("add",),
        ("add", "blue"),
        ("add", "a", "b", "c"),
        ("add", "pod", "blue", "--network", "lan"),
        ("ps", "--wat"),
        ("explain", "no-slug"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_two(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLYPOD_MANIFESTS", raising=False)

    code = polypod(*words)

    assert code == 2
    assert "Error: " in capsys.readouterr().err


def test_an_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    polypod("exlpain", "hub")

    assert "did you mean `polypod explain`?" in capsys.readouterr().err


def test_a_verb_like_no_other_points_to_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    polypod("zzz")

    assert "`polypod -h` lists all" in capsys.readouterr().err


def test_a_refusal_is_a_line_and_a_hint_and_ends_with_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = polypod("explain", "hubb", "--manifests", str(EXAMPLES))

    assert code == 1
    assert capsys.readouterr().err == (
        "polypod: there is no pod default/hubb [invalid-config]\n  hint: did you mean hub?\n"
    )


def test_a_state_folder_that_is_a_file_is_refused_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").touch()

    code = polypod("status", "--state", str(tmp_path / "state"))

    assert code in {1, 2}
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("slug", sorted(by_slug()))
def test_every_slug_is_explained(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert polypod("explain", slug) == 0
    assert "hint: " in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert polypod("completion", shell) == 0
    assert "_POLYPOD_COMPLETE" in capsys.readouterr().out


def test_completion_completes_verbs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_POLYPOD_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "polypod ex")
    monkeypatch.setenv("COMP_CWORD", "1")

    with pytest.raises(SystemExit):
        polypod()

    assert "plain,explain" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("version",), ("--version",)], ids=" ".join)
def test_the_version_is_the_projects(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert polypod(*words) == 0
    assert re.search(r"polypod\D+\d+\.\d+\.\d+", capsys.readouterr().out)


def test_an_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise click.Abort

    monkeypatch.setattr(people.polypod, "main", interrupted)

    assert polypod("ps") == 130


def test_a_closed_pipe_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(**_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(people.polypod, "main", closed)
    monkeypatch.setattr("sys.stderr.close", lambda: None)

    assert polypod("ps") == 141
