"""The page of the command line has every verb that can be called."""

from __future__ import annotations

from docs.generate import cli


def test_a_verb_that_has_verbs_below_it_is_there_too_where_it_does_something_itself() -> None:
    page = cli.render()

    assert "## polypod migrate\n" in page
    assert "| `--out DIR` |" in page
    assert "## polypod uninstall\n" in page
    assert "| `--unless-used` |" in page
    assert "## polypod install\n" not in page
