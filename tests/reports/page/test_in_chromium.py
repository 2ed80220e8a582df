"""Pages in a headless Chromium: offline, by keyboard, by link, dark and light, with many events."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from chromium import OpenedPage, launched, missing, opened
from page_stories import finding_named, page_of, written

from wavetank.reports.page.rendering import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three findings, the second with a fold."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    names = "first", "second", "third"
    findings = [finding_named(name) for name in names]
    findings[1] = finding_named("second", written(30))
    write_page(page_of(*findings), path)
    return path


def here(seen: OpenedPage) -> list[str]:
    found = seen.page.eval_on_selector_all("article.here", "all => all.map(each => each.id)")
    return [str(each) for each in found]


def row_now(seen: OpenedPage) -> str:
    return seen.page.inner_text("li.now")


def test_it_opens_offline_without_a_request_or_a_complaint(browser: "Browser", file: Path) -> None:
    with opened(browser, file) as seen:
        assert seen.requests == [file.as_uri()]
        assert seen.complaints == []
        assert seen.page.title() == "wavetank run: fail"


def test_a_link_leads_to_its_finding(browser: "Browser", file: Path) -> None:
    with opened(browser, file, fragment="second") as seen:
        assert here(seen) == ["second"]
        assert seen.page.evaluate("document.activeElement.id") == "second"
        box = seen.page.locator("#second").bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 200


def test_n_and_p_go_from_finding_to_finding_and_stop_at_the_ends(
    browser: "Browser", file: Path
) -> None:
    with opened(browser, file) as seen:
        visited = []
        for key in "npnnnp":
            seen.page.keyboard.press(key)
            seen.page.wait_for_timeout(50)
            visited += here(seen)
        assert visited == ["first", "first", "second", "third", "third", "second"]
        assert seen.page.evaluate("location.hash") == "#second"


def test_j_k_and_l_go_from_event_to_event(browser: "Browser", file: Path) -> None:
    with opened(browser, file, fragment="first") as seen:
        press = seen.page.keyboard.press
        press("j")
        assert row_now(seen) == "1 step 0: open the store"
        for _ in range(5):
            press("ArrowDown")
        assert row_now(seen) == "6 write bytes 0..31 of /store/vote.tmp durable since 7"
        # The sync that made it durable is shown with it.
        assert seen.page.inner_text("li.by") == (
            "7 fsync of /store/vote.tmp makes 1 change durable"
        )
        press("l")
        assert row_now(seen) == "8 rename /store/vote.tmp to /store/vote not synced: lost"
        press("k")
        assert row_now(seen).startswith("7 fsync")
        press("ArrowUp")
        assert row_now(seen).startswith("6 write")
        assert seen.page.inner_text("#spoken").startswith("6 write")


def test_an_event_in_a_fold_unfolds_it(browser: "Browser", file: Path) -> None:
    with opened(browser, file, fragment="second") as seen:
        assert seen.page.eval_on_selector("#second details", "each => each.open") is False
        seen.page.keyboard.press("j")
        assert seen.page.eval_on_selector("#second details", "each => each.open") is True
        assert row_now(seen) == "1 step 0: append"


def test_a_click_chooses_an_event(browser: "Browser", file: Path) -> None:
    with opened(browser, file) as seen:
        seen.page.click("#third .rows li:has-text('rename')")
        assert here(seen) == ["third"]
        assert row_now(seen).startswith("8 rename")


def test_the_keys_are_shown_and_hidden(browser: "Browser", file: Path) -> None:
    with opened(browser, file) as seen:
        seen.page.keyboard.press("?")
        assert seen.page.is_visible("#keys")
        seen.page.keyboard.press("j")
        assert seen.page.query_selector("li.now") is None
        seen.page.keyboard.press("Escape")
        assert not seen.page.is_visible("#keys")


def test_it_is_dark_or_light_as_the_user_prefers_and_can_be_turned(
    browser: "Browser", file: Path
) -> None:
    colours = {}
    for scheme in ("dark", "light"):
        with opened(browser, file, scheme=scheme) as seen:
            style = "getComputedStyle(document.body).backgroundColor"
            colours[scheme] = seen.page.evaluate(style)
            seen.page.keyboard.press("t")
            colours[f"{scheme}, turned"] = seen.page.evaluate(style)
            seen.page.reload()
            colours[f"{scheme}, kept"] = seen.page.evaluate(style)
    dark, light = "rgb(21, 24, 28)", "rgb(252, 252, 250)"
    assert colours == {
        "dark": dark,
        "dark, turned": light,
        "dark, kept": light,
        "light": light,
        "light, turned": dark,
        "light, kept": dark,
    }


_CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((each) => each / 255)
    .map((each) => each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4)
    .reduce((sum, each, at) => sum + each * [.2126, .7152, .0722][at], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > .5) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("main *:not(svg *)")) {
    const own = [...element.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    if (!own) continue;
    const pair = [parse(getComputedStyle(element).color), behind(element)].map(light);
    const ratio = (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
    if (ratio < 4.5) poor.push(`${element.className || element.tagName} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_all_text_stands_out(
    browser: "Browser", file: Path, scheme: Literal["dark", "light"]
) -> None:
    with opened(browser, file, scheme=scheme) as seen:
        assert seen.page.evaluate(_CONTRASTS) == []


def test_a_narrow_screen_needs_no_scrolling_to_the_side(browser: "Browser", file: Path) -> None:
    with opened(browser, file, width=360) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_tab_key_comes_to_the_content_first(browser: "Browser", file: Path) -> None:
    with opened(browser, file) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("document.activeElement.id") == "main"


def test_ten_thousand_events_are_there_and_the_rest_is_counted(
    browser: "Browser", tmp_path: Path
) -> None:
    file = tmp_path / "many.html"
    write_page(page_of(finding_named("many", written(3000), limit=10_000)), file)
    with opened(browser, file) as seen:
        assert seen.complaints == []
        assert seen.page.locator(".rows li").count() == 10_000
        assert seen.page.inner_text(".timeline-part .notice") == (
            "Only the last 10,000 events before the power cut are shown; 1,999 earlier ones are "
            "left out."
        )
        seen.page.keyboard.press("l")
        # What is far away is not painted yet, and has no text as a person sees it.
        seen.page.wait_for_function("document.querySelector('li.now').innerText")
        assert row_now(seen) == "11998 write bytes 5998..5999 of /store/log not synced: lost"
