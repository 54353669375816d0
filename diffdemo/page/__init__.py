"""The page: one Gradio Blocks over the experiments."""

from diffdemo.page.exhibit import Exhibit, build
from diffdemo.page.launch import launch_options

__all__ = ["Exhibit", "build", "launch_options"]
