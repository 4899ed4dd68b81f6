"""How readable every text is: a table for people, and what stands in the way of a release.

The map is measured plainly: a word that the word list explains counts as long there, since a child
reads it before tapping it. And its longest words must each be in the list.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from backend.core.readability import Limits, Measured, NeverSay, limits_for, measure, passed
from backend.core.reader import BANDS, EASY, Band
from backend.core.wording import Text

STAFF_ONLY = ("staff.", "style.", "concern_level.", "concern_category.", "concern_mail.", "booking_mail.", "mail.")
"""How the keys of phrases begin that only staff meet."""
READ_BY_ADULTS = ("accessibility.", "demo.", "report_page.")
"""The statement that the law asks for, the page that shows a municipality what the service looks like, and the form
for who is worried about a child; a child who writes about itself writes on another page."""
LONGEST: Mapping[Band, int] = {"6-9": 9, "10-12": 11, "13-17": 12, "adult": 14, "parent": 12}
"""Letters. A longer word must be in the word list, where a tap explains it."""
_LONGEST_EASY = 12
_UNKNOWN_READS: Band = "10-12"
_STANDS_ALONE = 12
"""Words. A shorter phrase is a button, a heading or a label, not running text."""
_PHRASE_SENTENCES = 8
"""A greeting and a sentence on secrecy are said once, and are longer than a bubble of the map."""
_PLACE = re.compile(r"{\w+}")
_NAME = "Anna"


@dataclass(frozen=True, slots=True)
class Row:
    """One text of one reader in figures. ``problems`` says what must be changed; empty for a text that may stand."""

    key: str
    lang: str
    variant: str
    band: Band
    text: str
    figures: Measured
    unexplained: tuple[str, ...]
    problems: tuple[str, ...]


def rows(texts: Iterable[Text], explained: Mapping[str, Collection[str]], never: NeverSay) -> list[Row]:
    """Every text that visitors meet in a language with limits; ``explained`` has each language's words on tap."""
    return [
        row
        for text in texts
        if text.kind in ("station", "phrase", "word") and not text.key.startswith(STAFF_ONLY)
        for variant, words in text.variants.items()
        if (row := _row(text, variant, words, explained.get(text.lang, ()), never)) is not None
    ]


def _row(text: Text, variant: str, words: str, explained: Collection[str], never: NeverSay) -> Row | None:
    band: Band = variant if variant in BANDS else "adult" if text.key.startswith(READ_BY_ADULTS) else _UNKNOWN_READS
    limits = limits_for(text.lang, band)
    if limits is None or not words.strip():
        return None
    words = _PLACE.sub(_NAME, words.strip())
    figures = measure(words)
    longest = _LONGEST_EASY if text.lang == EASY else LONGEST[band]
    unexplained = tuple(word for word in figures.long_words if len(word) > longest and word.lower() not in explained)
    problems = [f"says {name}" for name in never.said_in(words)]
    running: Measured | None = figures
    if text.kind == "station":
        problems += [f"{word} is long and not in the word list" for word in unexplained]
    else:
        # Buttons name what has to be named, and an explanation leans on other words of the list.
        limits = limits._replace(sentences=_PHRASE_SENTENCES)
        if text.kind == "word":
            limits = limits._replace(mean_words=limits.words)  # an explanation is one sentence
        running = measure(words, explained) if text.kind == "word" or len(words.split()) > _STANDS_ALONE else None
    if running is not None:
        problems += [_too(name, running, limits) for name in passed(running, limits)]
    return Row(text.key, text.lang, variant, band, words, figures, unexplained, tuple(problems))


def _too(name: str, figures: Measured, limits: Limits) -> str:
    found = {
        "lix": f"LIX {figures.lix:.0f} > {limits.lix:.0f} ({', '.join(figures.long_words)})",
        "sentences": f"{figures.sentences} sentences > {limits.sentences}",
        "words": f"{figures.longest} words in a sentence > {limits.words}",
        "mean_words": f"{figures.mean_words:.1f} words a sentence > {limits.mean_words:.0f}",
    }
    return found[name]


def markdown(measured: Sequence[Row]) -> str:
    """The table: by language and band, then station by station, then the hardest texts and the longest words."""
    parts = ["# Readability", "", _summary(measured), "", "## LIX by station: the highest of its fields", ""]
    parts += [_by_station(measured), "", "## The hardest texts", "", _hardest(measured), "", "## Long words", ""]
    parts += [_long_words(measured), ""]
    if broken := [row for row in measured if row.problems]:
        parts += ["## Must be changed", "", *(f"- {complaint(row)}" for row in broken), ""]
    return "\n".join(parts)


def complaint(row: Row) -> str:
    """One line for whoever has to change a text."""
    return f"{row.lang} {row.key} [{row.variant}]: {'; '.join(row.problems)}: {row.text}"


def page(measured: Sequence[Row]) -> str:
    """The same table as a page that needs nothing else."""
    lines, table = [], False
    for line in markdown(measured).splitlines():
        cells = [html.escape(cell.strip()) for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            lines += ["</table>"] if table else []
            table = False
            lines.append(_block(line))
        elif not set(line) <= set("|-: "):
            tag = "td" if table else "th"
            lines += [] if table else ["<table>"]
            table = True
            lines.append("<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>")
    return _PAGE.format(body="\n".join([*lines, "</table>" if table else ""]))


def _block(line: str) -> str:
    level = len(line) - len(line.lstrip("#"))
    text = html.escape(line.lstrip("#- ").strip())
    return f"<h{level}>{text}</h{level}>" if level else f"<p>{text}</p>" if text else ""


def _summary(measured: Sequence[Row]) -> str:
    groups: defaultdict[tuple[str, str, Band], list[Row]] = defaultdict(list)
    for row in measured:
        groups[row.lang, _kind(row), row.band].append(row)
    lines = [
        "| language | what | for | texts | LIX mean | LIX highest | limit | words a sentence, most | limit | to change |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (lang, kind, band), found in sorted(
        groups.items(), key=lambda pair: (pair[0][0], pair[0][1], BANDS.index(pair[0][2]))
    ):
        limits = limits_for(lang, band)
        assert limits is not None
        lix = [row.figures.lix for row in found]
        lines.append(
            f"| {lang} | {kind} | {band} | {len(found)} | {sum(lix) / len(lix):.0f} | {max(lix):.0f} | {limits.lix:.0f} "
            f"| {max(row.figures.longest for row in found)} | {limits.words} | {sum(bool(row.problems) for row in found)} |"
        )
    return "\n".join(lines)


def _kind(row: Row) -> str:
    return {"stations": "the map", "word": "word list"}.get(row.key.partition(".")[0], "phrases")


def _by_station(measured: Sequence[Row]) -> str:
    highest: defaultdict[str, dict[tuple[str, Band], float]] = defaultdict(dict)
    for row in measured:
        station = row.key.split(".")[1] if row.key.startswith("stations.") else ""
        if station:
            place = (row.lang, row.band)
            highest[station][place] = max(row.figures.lix, highest[station].get(place, 0))
    columns = sorted(
        {place for found in highest.values() for place in found}, key=lambda place: (place[0], BANDS.index(place[1]))
    )
    lines = ["| | " + " | ".join(f"{lang} {band}" for lang, band in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for station, found in sorted(highest.items()):
        cells = (f"{found[place]:.0f}" if place in found else "" for place in columns)
        lines.append(f"| {station} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _hardest(measured: Sequence[Row], most: int = 3) -> str:
    """Of each language and band, the map texts that come closest to their limit."""
    lines = ["| language | for | text | LIX | long words | |", "|---|---|---|---|---|---|"]
    groups: defaultdict[tuple[str, Band], list[Row]] = defaultdict(list)
    for row in measured:
        if _kind(row) == "the map":
            groups[row.lang, row.band].append(row)
    for (lang, band), found in sorted(groups.items(), key=lambda pair: (pair[0][0], BANDS.index(pair[0][1]))):
        for row in sorted(found, key=lambda one: -one.figures.lix)[:most]:
            long_words = ", ".join(row.figures.long_words)
            lines.append(f"| {lang} | {band} | {row.key} | {row.figures.lix:.0f} | {long_words} | {row.text} |")
    return "\n".join(lines)


def _long_words(measured: Sequence[Row]) -> str:
    lines = ["| language | for | words longer than the limit that no word list explains |", "|---|---|---|"]
    groups: defaultdict[tuple[str, Band], set[str]] = defaultdict(set)
    for row in measured:
        groups[row.lang, row.band] |= {word.lower() for word in row.unexplained}
    for (lang, band), words in sorted(groups.items(), key=lambda pair: (pair[0][0], BANDS.index(pair[0][1]))):
        lines.append(f"| {lang} | {band} | {', '.join(sorted(words)) or 'none'} |")
    return "\n".join(lines)


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Readability</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem; max-width: 80rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ border: 1px solid #8888; padding: 0.2rem 0.6rem; text-align: left; vertical-align: top; }}
</style>
{body}
</html>
"""
