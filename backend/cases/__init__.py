"""A person's case: the family around it, the team, what is to be done by when."""
