"""Reading what people write: one spelling, one sentence vector, one linear layer.

Plain Python and numpy (scikit-learn to train), so that the assistant and the backend can
use the same: the assistant to tell what somebody wants, the backend to notice danger. It
imports nothing of either.
"""
