"""The levels of danger, the same for every language."""

from enum import IntEnum


class Level(IntEnum):
    """How near the danger is; a larger value is nearer.

    ``A0``: life in danger now.  ``A1``: danger today, or violence or abuse
    told without a clear time.  ``A2``: serious, but not now.
    """

    A2 = 1
    A1 = 2
    A0 = 3
