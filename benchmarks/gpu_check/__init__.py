"""`make gpu-check`: what only a GPU can show, each check in a process of its own, in ten minutes at most."""
