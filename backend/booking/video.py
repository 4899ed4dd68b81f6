"""The room of a video talk: the therapist's own link, or one of the municipality's video service made for this talk alone."""

from __future__ import annotations

import base64
import hmac

from backend.core.house import House

VIDEO = "video"


def room(house: House, booking_id: str, channel: str | None, own_link: str | None) -> str | None:
    """The address of a video talk's room; None for other talks, or where there is no room.

    The name is 80 bits that say nothing and cannot be guessed without the house's key, so that it
    needs no column, and stays the same when the talk is moved or given to a colleague.
    """
    if channel != VIDEO:
        return None
    base = house.municipality.talks.video_base
    if own_link or not base:
        return own_link
    digest = hmac.digest(house.settings.code_pepper, f"room:{booking_id}".encode(), "sha256")
    letters = base64.b32encode(digest[:10]).decode().lower()
    return base + "-".join(letters[at : at + 4] for at in range(0, 16, 4))
