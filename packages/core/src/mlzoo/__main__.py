"""``python -m mlzoo``."""

from mlzoo.cli.main import main

if __name__ == "__main__":
    main()
