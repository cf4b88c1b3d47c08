"""What runs inside a sandbox: the standard library alone, since nothing else of ours is there.

`rlvr.verify.python.sandbox` hands over the text of these modules; each may import from those before it only.
"""
