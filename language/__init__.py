"""Reading what people write: one spelling, one sentence vector, one model of examples.

Plain Python and numpy (scipy to train), so that the assistant and the backend can
use the same: the assistant to tell what somebody wants, the backend to notice danger. It
imports nothing of either.
"""
