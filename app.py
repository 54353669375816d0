"""Run diffdemo: `python app.py`, then open the address it prints."""

import argparse
import logging
import signal
import sys

from diffdemo.errors import DiffdemoError
from diffdemo.serving.memory import garbage_collection_paused, share_heaps


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description="diffdemo: what noise does in a diffusion model.")
    parser.add_argument(
        "--model",
        default="faces",
        help="shown first: a bundled model (faces, digits), a diffusers folder or a Hub id",
    )
    parser.add_argument("--device", help="cpu, cuda, mps (default: the best there is)")
    parser.add_argument(
        "--server-name",
        help="address to listen on (default: GRADIO_SERVER_NAME, else 127.0.0.1)",
    )
    parser.add_argument(
        "--port",
        type=int,
        help="port (default: GRADIO_SERVER_PORT, else the first free one from 7860)",
    )
    parser.add_argument(
        "--limit",
        type=float,
        help="seconds, as estimated before, that one run may take "
        "(default: 120 on a Space, else no limit)",
    )
    parser.add_argument(
        "--lazy",
        action="store_true",
        help="compute what the other tabs open with only when they are opened, not before",
    )
    parser.add_argument("--share", action="store_true", help="also open a public gradio.live link")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Build the page and serve it until stopped.

    Returns:
        The exit code: 2, with one sentence on stderr, where a flag cannot be met.
    """
    args = parse(arguments)
    # As a Space is stopped; uploads are removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("diffdemo").setLevel(logging.INFO)  # one line a run
    share_heaps()
    try:
        serve(args)
    except DiffdemoError as error:
        print(f"diffdemo: {error}", file=sys.stderr)
        return 2
    return 0


def serve(args: argparse.Namespace) -> None:
    """Serve the page until the process is stopped.

    Raises:
        DiffdemoError: the model cannot be loaded, the self-check fails, or the port is taken.
    """
    with garbage_collection_paused():
        from diffdemo.page import build, launch_options  # takes seconds: after the flags are read

        exhibit = build(args.model, args.device, args.limit)
    demo = exhibit.demo
    address = {"server_name": args.server_name, "server_port": args.port, "share": args.share}
    try:
        demo.launch(prevent_thread_lock=True, **address, **launch_options(exhibit))
    except OSError as error:
        port = args.port or "7860 to 7959"
        refused = f"port {port} is taken or not allowed; choose another with --port"
        raise DiffdemoError(refused) from error
    try:
        exhibit.warm()
        if not args.lazy:
            exhibit.precompute()
        demo.block_thread()
    except DiffdemoError:
        demo.close(verbose=False)
        raise


if __name__ == "__main__":
    sys.exit(main())
