"""A sweep's file, in W&B's schema: what it may say, and the points that it asks for."""
