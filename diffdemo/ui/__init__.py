"""The page: one Gradio Blocks over the core; the only room that imports gradio."""

from diffdemo.ui.page import ahead, build_demo, launch_options, warm

__all__ = ["ahead", "build_demo", "launch_options", "warm"]
