"""Whether the page can be read by all: contrast, headings, names of what scrolls."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import experiments.report
from experiments.report import write_report
from tests.experiments.samples import sample_run
from tests.experiments.test_report import Page
from tests.experiments.test_report_of_learning import learning_run, played

CSS = (Path(experiments.report.__file__).parent / "report.css").read_text()
LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", scheme)) for scheme in re.findall(r":root \{([^}]*)\}", CSS))
PAIRS = [
    *itertools.product(("ink", "muted", "run", "control"), ("paper", "card")),
    *itertools.product(("ink",), ("note", "added", "removed")),
]
"""Colours of text, and of what it stands on."""


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_report_text_stands_out_from_its_ground(colours: dict[str, str], text: str, ground: str) -> None:
    assert contrast(colours[text], colours[ground]) >= 4.5


class Scrolling(HTMLParser):
    """Attributes of each box that scrolls."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.boxes: list[dict[str, str | None]] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if ("class", "scroll") in attrs:
            self.boxes.append(dict(attrs))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run that has every section."""
    folder = tmp_path_factory.mktemp("access")
    return write_report(learning_run(folder / "mine"), sample_run(folder / "control", played()))


def test_report_tables_that_scroll_are_reached_by_keyboard_and_named(path: Path) -> None:
    boxes = Scrolling(path).boxes
    names = [box["aria-label"] for box in boxes]
    assert {"Uplift of each procedure", "Success and steps by lag", "What learning cost", "Episodes", "Configuration"} <= set(names)
    assert all((box["role"], box["tabindex"]) == ("region", "0") and box["aria-label"] for box in boxes)
    assert Page(path).tags.count("table") == len(boxes)
    assert len(names) == len(set(names))


def test_report_headings_are_in_order_below_one_title(path: Path) -> None:
    levels = [int(tag[1]) for tag in Page(path).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_report_says_its_language_and_what_each_chart_shows(path: Path) -> None:
    page = Page(path)
    assert page.values("lang") == ["en"]
    assert len(page.charts) >= 8
    assert all(page.charts)


def test_report_links_lead_to_what_stands_on_the_page(path: Path) -> None:
    page = Page(path)
    targets = {value.removeprefix("#") for value in page.values("href")}
    assert {"procedure-1", "episode-2"} <= targets <= set(page.values("id"))
