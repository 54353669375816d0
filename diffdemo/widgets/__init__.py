"""The parts of the page: Gradio components, controls, and what all tabs share."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
