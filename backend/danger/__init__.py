"""Notice danger in what somebody writes, before anything else reads it.

`load_lexicon` reads the words and rules of ``content/danger``; `assess` tells
which level of danger a message speaks of and which rule said so.  Plain
Python: no network, no clock, no randomness, nothing of the text kept.
"""

from backend.danger.lexicon import Lexicon, LexiconError, load_lexicon
from backend.danger.rules import NOTHING, Assessment, Level, assess

__all__ = ["NOTHING", "Assessment", "Level", "Lexicon", "LexiconError", "assess", "load_lexicon"]
