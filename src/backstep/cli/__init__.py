"""The command line: parse, dispatch, exit codes. torch and textual are imported in the branch that needs them.

Results go to stdout. What is wrong with the command or with a file is one plain line on stderr and exit code 2.
"""

from backstep.cli.entry import main
from backstep.cli.group import cli

__all__ = ["cli", "main"]
