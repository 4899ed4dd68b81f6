"""Messages that were not understood: masked, kept for a short time, labelled by staff, given back as training lines."""
