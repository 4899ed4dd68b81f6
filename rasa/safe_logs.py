"""Logs that cannot carry what a person wrote.

Rasa writes messages into its log in many places: the text it failed to parse, the slots,
the body of a failed call, an exception with the text in it. A list of bad fields would be
a promise about 300 call sites. So it is turned around: a record is written as *where it
came from* (level, module, function, line) and its message only if that place is known to
write nothing personal. Exceptions are written as their types and the lines they passed,
never their message or the values of variables.

Used by the two servers that see people's words, `launcher.py run` and
`serve_actions.py`. Training and tests write ordinary logs: there is nothing of anybody's
in them.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import traceback
import warnings
from types import TracebackType
from typing import Any

import structlog

# (logger, function) of messages that name files, addresses, actions or random ids only.
_KNOWN_SAFE = frozenset(
    {
        ("rasa.core.processor", "_load_model"),  # the model's path
        ("rasa.core.processor", "_run_action"),  # the action's name
        ("rasa.core.processor", "predict_next_with_tracker_if_should"),  # the action's name
        ("rasa.core.processor", "_run_prediction_loop"),  # the random conversation id
        ("root", "serve_application"),  # the address
        ("root", "load_agent_on_start"),
        ("rasa_sdk.endpoint", "run"),  # the address
        ("rasa_sdk.executor", "register_action"),  # the action's name
        ("rasa_sdk.executor", "register_function"),
    }
)
# Our own loggers: their messages are written in this project, and reviewed in it.
_OURS = ("koll",)
# Rasa's structured events are named like this: message.parsing.failed
_EVENT_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")

_log = logging.getLogger("koll.logs")


def describe(error: BaseException) -> str:
    """An exception without its message: types, and the last lines it came through."""
    parts = []
    link: BaseException | None = error
    while link is not None and len(parts) < 4:
        frames = traceback.extract_tb(link.__traceback__)[-4:]
        places = " > ".join(f"{_short(f.filename)}:{f.lineno} {f.name}" for f in frames)
        kind = type(link).__name__
        if isinstance(link, OSError) and link.errno:
            kind += f" {errno.errorcode.get(link.errno, link.errno)}"
        parts.append(f"{kind} at {places or 'unknown place'}")
        link = link.__cause__ or link.__context__
    return "; from ".join(parts)


def _short(filename: str) -> str:
    return "/".join(filename.rsplit("/", 3)[1:])


class SafeFormatter(logging.Formatter):
    """Writes a record's place, and its message only from a place known to be safe."""

    def format(self, record: logging.LogRecord) -> str:
        place = f"{record.name}.{record.funcName}:{record.lineno}"
        if (
            record.name.partition(".")[0] in _OURS
            or (record.name, record.funcName) in _KNOWN_SAFE
            or getattr(record, "is_event_name", False)
        ):
            told = record.getMessage()
        else:
            told = "(message withheld)"
        error = record.exc_info[1] if record.exc_info else None
        failure = f" [{describe(error)}]" if error else ""
        return f"{self.formatTime(record)} {record.levelname:<7} {place} {told}{failure}"


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    if issubclass(kind, SystemExit):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"Stopped: {describe(error)}", file=sys.stderr)


def _structlog_event(logger: Any, method: str, event: dict[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    """Reduce a structlog event to its name, if it is a name, and its exception."""
    name = str(event.get("event"))
    error = event.get("exc_info")
    return (name,), {
        "exc_info": error if isinstance(error, (bool, BaseException, tuple)) else None,
        "extra": {"is_event_name": _EVENT_NAME.fullmatch(name) is not None},
    }


def _showwarning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    *_: object,
) -> None:
    if not issubclass(category, DeprecationWarning):  # nothing to be done about libraries
        _log.warning("%s at %s:%d", category.__name__, _short(filename), lineno)


def _configure_structlog(log_level: int | None = None) -> None:
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _structlog_event],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def install() -> None:
    """Make this the only way to the log, for this process and from now on.

    Level: `LOG_LEVEL` from the environment, else INFO; also DEBUG is safe here.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SafeFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(os.environ.get("LOG_LEVEL", "INFO").upper())
    # Loggers cut off from the root fall back on this one.
    logging.lastResort = handler
    warnings.showwarning = _showwarning
    sys.excepthook = _last_words
    _configure_structlog()


def _only_ours(*_args: Any, **_kwargs: Any) -> None:
    """Stands where a library would put its own handlers and formats."""


def take_over_rasa() -> None:
    """Keep Rasa, once imported, from installing its own log formats or log files."""
    import rasa.__main__
    import rasa.core.run
    import rasa.utils.common
    import rasa.utils.io
    import rasa.utils.log_utils

    rasa.__main__.configure_structlog = _configure_structlog
    rasa.utils.log_utils.configure_structlog = _configure_structlog
    rasa.utils.io.configure_colored_logging = _only_ours
    rasa.utils.common.update_sanic_log_level = _only_ours
    rasa.core.utils.configure_file_logging = _only_ours
    quieten_sanic()


def take_over_sdk() -> None:
    """The same for the action server's library."""
    import rasa_sdk.utils

    rasa_sdk.utils.configure_colored_logging = _only_ours
    rasa_sdk.utils.configure_file_logging = _only_ours
    rasa_sdk.utils.update_sanic_log_level = _only_ours
    quieten_sanic()


def quieten_sanic() -> None:
    """Send Sanic's loggers through ours, without an access log: it would hold addresses."""
    for name in ("sanic.root", "sanic.error", "sanic.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    logging.getLogger("sanic.access").disabled = True
