"""`python -m sus2.cli`: the command line."""

from sus2.cli.main import main

if __name__ == "__main__":
    main()
