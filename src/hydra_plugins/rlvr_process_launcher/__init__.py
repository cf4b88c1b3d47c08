"""Found by Hydra because of where it is: the launcher that gives every job of a sweep a process of its own."""
