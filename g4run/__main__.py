"""The program's entry point."""

import gc
import sys

from g4run import __version__


def main() -> int:
    """Run the program with the process's arguments and return its exit code."""
    gc.set_threshold(50_000, 20, 50)  # imports leave no garbage, and looking for it takes 14 ms of 200
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"g4run {__version__}")
        return 0
    try:
        from g4run.cli.app import run_command_line

        return run_command_line(sys.argv[1:])
    except KeyboardInterrupt:
        return 130
    finally:
        gc.freeze()  # the interpreter looks for garbage once more as it ends, which takes 25 ms


if __name__ == "__main__":
    sys.exit(main())
