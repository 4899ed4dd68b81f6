"""Pages from Jinja templates, with the words from ``content/``.

A phrase that the reader's language lacks comes in another, and says so: ``t('key', reader)`` writes it
with its own ``lang`` and direction, so that a screen reader speaks it right and it does not stand on its head.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markupsafe import Markup
from sanic import HTTPResponse, Request, Sanic
from sanic_ext import render as sanic_render

from backend.core.content import Phrases
from backend.core.house import House
from backend.core.reader import Lang, Reader

TEMPLATES = Path(__file__).resolve().parent / "templates"
STATIC = Path(__file__).resolve().parent / "static"


class Foreign(str):
    """A text in another language than the page's. Escaped, as in the body of a page, it says which."""

    lang: Lang = ""
    direction = "ltr"

    def __html__(self) -> str:
        return f'<span lang="{self.lang}" dir="{self.direction}">{html.escape(self)}</span>'


class PlainInTags(Extension):
    """Where no such element can stand, in a tag or in a title, an option, a text field or a picture, a `Foreign` text is text."""

    _OPEN = re.compile(r"<(/?)(title|option|textarea|script|style|svg)?\b|>", re.IGNORECASE)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        environment.filters["plain"] = _plain

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Put ``| plain`` after every expression that is printed where only text can stand."""
        in_tag = in_text = piped = False
        for token in stream:
            if token.type == "data":
                for found in self._OPEN.finditer(token.value):
                    if found[0] == ">":
                        in_tag = False
                        continue
                    in_tag = True
                    if found[2]:
                        in_text = not found[1]
            if token.type == "variable_begin":
                piped = in_tag or in_text
                yield token
                if piped:
                    yield Token(token.lineno, "lparen", "(")
                continue
            if token.type == "variable_end" and piped:
                piped = False
                yield Token(token.lineno, "rparen", ")")
                yield Token(token.lineno, "pipe", "|")
                yield Token(token.lineno, "name", "plain")
            yield token


def _plain(value: object) -> object:
    if isinstance(value, Foreign):
        return str.__str__(value)
    return value.striptags() if isinstance(value, Markup) and "<span lang=" in value else value


class Words:
    """``t``: phrases for templates, each marked where it is not in the page's language."""

    def __init__(self, phrases: Phrases, direction: Any) -> None:
        self._phrases = phrases
        self._direction = direction

    def __call__(self, key: str, reader: Reader | None = None, /, **values: object) -> str:
        """As `Phrases.say`; a `Foreign` text where the phrase is in another language than the reader asked for."""
        text = self._phrases.say(key, reader, **values)
        lang = reader.lang if reader is not None else "sv"
        if lang == "sv":
            return text
        written = self._phrases.lang_of(key, reader or Reader())
        if written.partition("-")[0] == lang.partition("-")[0]:
            return text
        foreign = Foreign(text)
        foreign.lang, foreign.direction = written, self._direction(written)
        return foreign


def setup(app: Sanic, house: House) -> None:
    """Make ``t('phrase.key')``, ``municipality`` and ``exit_url`` known to every template."""
    environment = app.ext.environment
    environment.autoescape = True
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.add_extension(PlainInTags)
    # Templates do not change under a running server, and looking whether each part of a page has, was a third of its time.
    environment.auto_reload = False
    environment.globals.update(
        t=Words(house.phrases, house.translations.direction),
        translations=house.translations,
        in_lang=in_lang,
        foreign=lambda lang, reader: foreign(lang, reader, house.translations.direction),
        once=once,
        phrases=house.phrases,
        municipality=house.municipality,
        exit_url=house.municipality.exit_url,
        Reader=Reader,
    )


def foreign(lang: Lang, reader: Reader, direction: Any) -> Markup:
    """Attributes for an element whose text is in ``lang``; nothing where that is the page's language."""
    if lang == reader.lang:
        return Markup("")
    return Markup(' lang="{}" dir="{}"').format(lang, direction(lang))


def in_lang(reader: Reader, first: str = "?") -> str:
    """The query that keeps the language on a page that has it; empty for Swedish."""
    return f"{first}lang={reader.lang}" if reader.lang != "sv" else ""


def once() -> str:
    """A key for one form on one page: sent twice, it is one request (`backend.core.idempotency`)."""
    return secrets.token_hex(12)


async def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTTPResponse:
    """Render ``template`` with ``context``; every page is UTF-8 HTML and never cached."""
    context.setdefault("reader", Reader())
    context["path"] = request.path
    response = await sanic_render(template, status=status, context=context, app=request.app)
    return response


async def fragment(request: Request, template: str, **context: Any) -> str:
    """A piece of a page, rendered with the same words as the whole."""
    context.setdefault("reader", Reader())
    rendered: str = await request.app.ext.environment.get_template(template).render_async(**context)
    return rendered
