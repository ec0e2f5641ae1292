"""The command ``tocsin``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit status."""
    try:
        # Only now, so that a base install can say what is missing.
        from tocsin.commands.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tocsin"):
            raise
        sys.stderr.write(f'tocsin: {error.name} is missing; run: pip install "tocsin[server]"\n')
        return 2
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
