"""`python -m backstep` is `backstep`."""

from backstep.cli import main

if __name__ == "__main__":
    main()
