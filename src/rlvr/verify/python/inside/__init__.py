"""What runs inside a sandbox. It needs only the standard library, since no other package can be seen there.

`rlvr.verify.python.sandbox` passes the text of these modules to the process. Each may import only from those before it.
"""
