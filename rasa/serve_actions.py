"""Start the action server: `rasa_sdk`, on 127.0.0.1, with logs that carry nobody's words.

    python serve_actions.py [--port 5055]     other options as for `python -m rasa_sdk`

The interface is the environment variable `SANIC_HOST` (the SDK's own name for it), here
127.0.0.1 unless set. Only Rasa may reach this server: a request body holds a conversation.
Its code is the package `actions` beside this file, and the plain package `language` above it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import safe_logs


def main() -> None:
    """Serve the actions until stopped."""
    os.environ.setdefault("SANIC_HOST", "127.0.0.1")
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here))
    sys.path.append(str(here.parent))  # for `language`; last, as `rasa` there is only a folder
    safe_logs.install()
    import rasa_sdk.__main__

    safe_logs.take_over_sdk()
    if "--actions" not in sys.argv:
        sys.argv += ["--actions", "actions"]
    rasa_sdk.__main__.main()


if __name__ == "__main__":
    main()
