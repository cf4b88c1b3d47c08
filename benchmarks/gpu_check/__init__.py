"""`make gpu-check`: checks what only a GPU can show, each check in its own process, in ten minutes at most."""
