"""What starts jobs: a sweep's points, Hydra's multirun, all of GLUE, the pre-training and the trials inside a run."""
