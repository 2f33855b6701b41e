"""A job is a process: starting, waiting, claiming and telling, and files that are whole or not there."""
