"""The custom actions: what the assistant does that is more than saying a fixed text.

Thin on purpose. An action reads the turn, makes at most one call to the backend through
`backend_client`, and answers by the name of a response. Every word that a person reads is in
`domain/`; every word that a person writes, and every button's title, is in `data/words/`.
"""
