"""Commands as people send them: what they are aimed at, the verdict for each target, and into the queue."""
