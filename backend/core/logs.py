"""Logs that cannot carry what a person wrote.

A library's log message can hold anything (a request's address, a database error with
its parameters), and a list of what to strike out is never complete. So a message is
written out only if it comes from this project's own loggers, where it can be reviewed;
of anybody else's record the place remains. Exceptions are written as their types and
the lines they came through, never their message.
"""

from __future__ import annotations

import logging
import sys
import traceback

OURS = "koll"


def describe(error: BaseException) -> str:
    """An exception without its words: each type in the chain, and the last lines it passed."""
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(parts) < 4:
        frames = traceback.extract_tb(link.__traceback__)[-4:]
        places = " > ".join(f"{'/'.join(f.filename.rsplit('/', 2)[-2:])}:{f.lineno} {f.name}" for f in frames)
        parts.append(f"{type(link).__name__} at {places or 'unknown place'}")
        link = link.__cause__ or link.__context__
    return "; from ".join(parts)


class SafeFormatter(logging.Formatter):
    """Writes a record's place, and its message only if it is ours."""

    def format(self, record: logging.LogRecord) -> str:
        """See the class. One line, whatever the record holds."""
        ours = record.name.partition(".")[0] == OURS
        told = record.getMessage() if ours else f"({record.name}.{record.funcName}:{record.lineno})"
        error = record.exc_info[1] if record.exc_info else None
        failure = f" [{describe(error)}]" if error else ""
        return f"{self.formatTime(record)} {record.levelname:<7} {told}{failure}".replace("\n", " ")


def install(level: int = logging.INFO) -> None:
    """Make this the process's only log, on stderr. Uncaught exceptions go through it too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SafeFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level)
    logging.lastResort = handler
    sys.excepthook = lambda kind, error, trace: logging.getLogger(OURS).critical(
        "stopped", exc_info=(kind, error, trace)
    )
