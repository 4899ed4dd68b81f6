"""The municipality's own people: accounts, sessions and the pages they work in."""
