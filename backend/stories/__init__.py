"""The story told once: in the person's own words, in parts, with consent per unit and part, and a page that shows who read it."""
