"""The public face of Koll på läget: pages, chat API, booking, concerns and the staff app."""

import os

# Set before numpy is imported. The matrices of one message are small; with more threads, those
# of BLAS and those of the sentence vectors wait for each other, and 15 ms a message become 85.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
