"""The one look of the page: Gradio's theme with our sizes, and the style sheets that all tabs share."""

import gradio as gr
from gradio.themes.utils.sizes import Size

from diffdemo.ui.widgets import STATIC

SHEETS = ("look", "page")  # of static/; a component's own sheet only says what goes where
TYPE = Size(xxs="12px", xs="12px", sm="12px", md="14px", lg="16px", xl="20px", xxl="26px", name="diffdemo-type")
SPACE = Size(xxs="2px", xs="4px", sm="4px", md="8px", lg="8px", xl="12px", xxl="16px", name="diffdemo-space")
CORNER = Size(xxs="4px", xs="4px", sm="4px", md="4px", lg="4px", xl="4px", xxl="4px", name="diffdemo-corner")


def theme() -> gr.themes.Base:
    """Gradio's plainest theme in greys, with the type, space and corners of static/look.css, and small print and links dark enough to read."""
    grey = gr.themes.colors.slate
    base = gr.themes.Base(
        primary_hue=grey, secondary_hue=grey, neutral_hue=grey, text_size=TYPE, spacing_size=SPACE, radius_size=CORNER,
        font=("system-ui", "sans-serif"),
    )  # fmt: skip
    soft, links = (
        ("body_text_color_subdued", "input_placeholder_color"),
        [f"link_text_color{state}" for state in ("", "_active", "_hover", "_visited")],
    )
    light = dict.fromkeys(soft, "*neutral_600") | dict.fromkeys(links, "*neutral_800")
    dark = dict.fromkeys(soft, "*neutral_300") | dict.fromkeys(links, "*neutral_100")
    return base.set(**light, **{f"{name}_dark": value for name, value in dark.items()})


def css() -> str:
    """The style sheets of the whole page."""
    return "".join((STATIC / f"{sheet}.css").read_text() for sheet in SHEETS)
