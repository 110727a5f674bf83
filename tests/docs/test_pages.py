"""Generated pages are in step with the code; the index leads to every page, no link is dead."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from segue.cli.docs import docs, pages
from segue.errors import SegueError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]*)?\)")
TEXTS = [
    *PAGES,
    *(
        ROOT / name
        for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
        if (ROOT / name).exists()
    ),
]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", sorted(pages()))
def test_generated_page_is_in_step(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == pages()[name], "run `segue docs write`"


def test_pages_written_again_are_the_same() -> None:
    assert pages() == pages()


def test_check_passes_after_write_and_names_the_page_that_was_changed(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(docs, ["write", "--root", str(tmp_path)]).exit_code == 0
    assert runner.invoke(docs, ["check", "--root", str(tmp_path)]).exit_code == 0
    page = tmp_path / "docs" / "reference" / "metrics.md"
    page.write_text(page.read_text() + "edited by hand\n")
    with pytest.raises(SegueError) as caught:
        runner.invoke(docs, ["check", "--root", str(tmp_path)], catch_exceptions=False)
    assert str(caught.value) == "not in step with the code: docs/reference/metrics.md"
    assert caught.value.remedy == "run `segue docs write` and commit what it writes"


def test_write_touches_only_what_is_out_of_step(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "reference", tmp_path / "docs" / "reference")
    (tmp_path / "docs" / "reference" / "cli.md").unlink()
    written = CliRunner().invoke(docs, ["write", "--root", str(tmp_path)]).stdout
    assert written == "wrote docs/reference/cli.md\n"


@pytest.mark.parametrize("text", TEXTS, ids=named)
def test_relative_links_lead_somewhere(text: Path) -> None:
    links = LINK.findall(text.read_text(encoding="utf-8"))
    assert [link for link in links if not (text.parent / link).exists()] == []


def links_of(page: Path) -> set[Path]:
    text = page.read_text(encoding="utf-8")
    return {(page.parent / link).resolve() for link in LINK.findall(text)}


def test_index_leads_to_every_page() -> None:
    found: set[Path] = set()
    to_read = {DOCS / "README.md"}
    while to_read:
        page = to_read.pop()
        found.add(page)
        to_read |= (links_of(page) & set(PAGES)) - found
    assert {named(page) for page in set(PAGES) - found} == set()
