"""The command line `corral`: one file a command group, each imported when it is needed."""


def main() -> None:
    """Entry point of the `corral` script."""
    import sys

    from corral.cli.tree import run

    sys.exit(run(sys.argv[1:]))
