"""Words for people, edited by staff: versions, preview, publishing without a restart."""
