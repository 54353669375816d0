"""Run diffdemo: `python app.py`, then open the address it prints."""

import argparse
import logging
import signal
import sys

from diffdemo.errors import DiffdemoError
from diffdemo.guard import few_heaps, here_to_stay


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(description="diffdemo: what noise does in a diffusion model.")
    parser.add_argument("--model", default="faces", help="shown first: a bundled model (faces, digits), a diffusers folder or a Hub id")
    parser.add_argument("--device", help="cpu, cuda, mps (default: the best there is)")
    parser.add_argument("--server-name", help="address to listen on (default: GRADIO_SERVER_NAME, else 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default: GRADIO_SERVER_PORT, else the first free one from 7860)")
    parser.add_argument("--limit", type=float, help="seconds, as estimated before, that one run may take (default: 120 on a Space, else no limit)")
    parser.add_argument("--lazy", action="store_true", help="compute what the other tabs open with only when they are opened, not before")
    parser.add_argument("--share", action="store_true", help="also open a public gradio.live link")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Build the page and serve it until stopped; returns 2 with one sentence on stderr where a flag cannot be met."""
    args = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as a Space is stopped; uploads are removed on the way out
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("diffdemo").setLevel(logging.INFO)  # one line a run
    few_heaps()
    try:
        with here_to_stay():
            from diffdemo.ui import ahead, build_demo, launch_options, warm  # seconds to import: after the flags are known to be right

            demo, options = build_demo(args.model, args.device, args.limit), launch_options()
    except DiffdemoError as error:
        print(f"diffdemo: {error}", file=sys.stderr)
        return 2
    try:
        demo.launch(server_name=args.server_name, server_port=args.port, share=args.share, prevent_thread_lock=True, **options)
        warm(demo)
        if not args.lazy:
            ahead(demo)
        demo.block_thread()
    except DiffdemoError as error:
        print(f"diffdemo: {error}", file=sys.stderr)
        demo.close(verbose=False)
        return 2
    except OSError:
        print(f"diffdemo: port {args.port or '7860 to 7959'} is taken or not allowed; choose another with --port", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
