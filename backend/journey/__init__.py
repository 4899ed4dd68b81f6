"""The map: stations on the way through the social services, and what may come next."""
