"""The documents list what there is: links, scenarios, profiles, invariants."""

import re
from pathlib import Path
from typing import Final

import attrs
import pytest

from wavetank.scenarios import (
    CLUSTER_INVARIANTS,
    CLUSTER_SCENARIOS,
    FAMILIES,
    INVARIANTS,
    SCENARIOS,
)
from wavetank.sim import PROFILES, DirentCover, Profile

ROOT: Final = Path(__file__).parents[1]
PAPERS: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/*.md")])

FILES_OF_OTHERS: Final = {"upstream-reports.md": ["pysyncobj/journal.py"]}
"""Files of other packages that a page names."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(name: str) -> list[list[str]]:
    """Return the cells of every table row of a document, without code marks."""
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in text_of(name).splitlines()
        if line.startswith("|")
    ]


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", paper.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("https://")]
    assert [link for link in local if not (paper.parent / link).exists()] == []


def anchors_of(paper: Path) -> set[str]:
    """Return the anchors that hosting services, and Sphinx, give to the headings of a paper."""
    text = re.sub(
        r"^```.*?^```$", "", paper.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.relative_to(ROOT).as_posix())
def test_every_link_into_a_page_leads_to_a_heading(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", paper.read_text(encoding="utf-8"))
    local = [link for link in links if not link[0].startswith("https://")]
    missing = [
        f"{page}#{anchor}"
        for page, anchor in local
        if anchor not in anchors_of(paper.parent / page if page else paper)
    ]
    assert missing == []


def test_every_page_is_in_the_contents() -> None:
    contents = text_of("docs/index.md") + text_of("docs/scorecards/index.md")
    listed = set(re.findall(r"^([\w/-]+)$", contents, re.MULTILINE)) | {"index"}
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")}
    assert {page for page in pages if not page.startswith("scorecards/")} <= listed


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.relative_to(ROOT).as_posix())
def test_every_file_that_a_paper_names_is_there(paper: Path) -> None:
    words = re.findall(r"`((?:\w+/)+[\w.]+\.\w+)`", paper.read_text(encoding="utf-8"))
    places = [ROOT, ROOT / "tests"]
    missing = [word for word in words if not any((place / word).exists() for place in places)]
    assert missing == FILES_OF_OTHERS.get(paper.name, [])


def test_each_scenario_has_its_section() -> None:
    assert re.findall(r"^## (.+)$", text_of("docs/scenarios.md"), re.MULTILINE) == [
        *SCENARIOS,
        *FAMILIES,
    ]


def test_each_invariant_has_its_row_and_no_other() -> None:
    ids = [cells[0] for cells in rows("docs/oracle.md") if re.fullmatch(r"O\d+", cells[0])]
    assert ids == list(INVARIANTS)


def test_the_page_on_clusters_lists_their_scenarios_and_invariants() -> None:
    names = [cells[0] for cells in rows("docs/cluster.md")]
    assert [name for name in names if name.startswith("cluster-")] == list(CLUSTER_SCENARIOS)
    assert [name for name in names if re.fullmatch(r"C\d", name)] == list(CLUSTER_INVARIANTS)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_the_table_says_what_a_profile_promises(profile: Profile) -> None:
    table = rows("docs/disk-model.md")
    header = next(cells for cells in table if cells[0] == "rule")
    column = header.index(profile.name)
    told = {cells[0]: cells[column] for cells in table if len(cells) == len(header)}
    fields = [field.name for field in attrs.fields(Profile)]
    promised = {name: word(getattr(profile, name)) for name in fields[2:]}
    assert fields[:2] == ["name", "summary"]
    assert {name: told.get(name) for name in promised} == promised


def test_the_table_has_no_profile_and_no_rule_that_is_not_there() -> None:
    table = rows("docs/disk-model.md")
    header = next(cells for cells in table if cells[0] == "rule")
    assert header[1:] == [profile.name for profile in PROFILES]
    rules = {cells[0] for cells in table if len(cells) == len(header)} - {"rule"}
    assert {rule for rule in rules if set(rule) != {"-"}} == {
        field.name for field in attrs.fields(Profile)
    } - {"name", "summary"}


def word(value: object) -> str:
    if isinstance(value, DirentCover):
        return value.value
    return "yes" if value else "no"
