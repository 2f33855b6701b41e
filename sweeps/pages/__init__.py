"""A comparison as pages that open from disk, and as a report of W&B's."""
