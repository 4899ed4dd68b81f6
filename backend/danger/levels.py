"""The levels of danger, the same for every language.

A child may not be beaten (6 kap. 1 § föräldrabalken), and violence a child
sees or hears at home is a crime against the child (barnfridsbrott, 4 kap.
3 § brottsbalken): told without a time, both are A1, never less.
"""

from enum import IntEnum


class Level(IntEnum):
    """How near the danger is; a larger value is nearer.

    ``A0``: life in danger now.  ``A1``: danger today, or violence or abuse
    told without a clear time.  ``A2``: serious, but not now.
    """

    A2 = 1
    A1 = 2
    A0 = 3
