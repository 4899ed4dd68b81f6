"""A container's health check: exit 0 if the address answers 200 within 3 seconds.

    python docker/health.py URL [NAME]    NAME: environment variable with a bearer token

The token is named, not given, so that it does not show in the list of processes.
"""

import os
import sys
import urllib.request

request = urllib.request.Request(sys.argv[1])
if len(sys.argv) > 2:
    request.add_header("Authorization", f"Bearer {os.environ[sys.argv[2]]}")
try:
    with urllib.request.urlopen(request, timeout=3) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except OSError as error:
    print(type(error).__name__)
    sys.exit(1)
