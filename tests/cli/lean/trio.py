"""Stands before the real one on the path of the commands that tests start.

Hardly any user of the command line has it, and the HTTP engine imports it wherever it is.
"""

raise ImportError("this machine has no trio")
