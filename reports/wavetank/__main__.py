"""`python -m wavetank`: the command line."""

from wavetank.reports.cli import main

if __name__ == "__main__":
    main()
