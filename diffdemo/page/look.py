"""The look of the page: Gradio's theme with our sizes, and the style sheets of all tabs."""

import gradio as gr
from gradio.themes.utils.sizes import Size

from diffdemo.report import colours
from diffdemo.widgets.components import STATIC

SHEETS = ("look", "page")  # in static/; a component's own sheet only says what goes where
TYPE = Size(
    xxs="12px",
    xs="12px",
    sm="12px",
    md="14px",
    lg="16px",
    xl="20px",
    xxl="26px",
    name="diffdemo-type",
)
SPACE = Size(
    xxs="2px",
    xs="4px",
    sm="4px",
    md="8px",
    lg="8px",
    xl="12px",
    xxl="16px",
    name="diffdemo-space",
)
STEPS = ("xxs", "xs", "sm", "md", "lg", "xl", "xxl")
CORNER = Size(**dict.fromkeys(STEPS, "4px"), name="diffdemo-corner")
PAPER = "#fbfaf7"  # as --page in look.css
PAPER_DARK = "#12161f"
SMALL_PRINT = ("body_text_color_subdued", "input_placeholder_color")
LINKS = (
    "link_text_color",
    *(f"link_text_color_{state}" for state in ("active", "hover", "visited")),
)


def theme() -> gr.themes.Base:
    """Return Gradio's plainest theme in greys, with small print and links dark enough to read."""
    grey = gr.themes.colors.slate
    base = gr.themes.Base(
        primary_hue=grey,
        secondary_hue=grey,
        neutral_hue=grey,
        text_size=TYPE,
        spacing_size=SPACE,
        radius_size=CORNER,
        font=("system-ui", "sans-serif"),
    )
    light = dict.fromkeys(SMALL_PRINT, "*neutral_600") | dict.fromkeys(LINKS, "*neutral_800")
    dark = dict.fromkeys(SMALL_PRINT, "*neutral_300") | dict.fromkeys(LINKS, "*neutral_100")
    paper = {"body_background_fill": PAPER, "body_background_fill_dark": PAPER_DARK}
    darker = {f"{name}_dark": value for name, value in dark.items()}
    return base.set(**light, **darker, **paper)


def css() -> str:
    """Return the style sheets of the whole page, with the colours of both outcomes."""
    light = f"--back: {colours.CAME_BACK}; --changed: {colours.CHANGED};"
    dark = f"--back: {colours.CAME_BACK_DARK}; --changed: {colours.CHANGED_DARK};"
    outcomes = (
        f":root, .gradio-container {{ {light} }}\n.dark, .dark .gradio-container {{ {dark} }}\n"
    )
    return outcomes + "".join((STATIC / f"{sheet}.css").read_text() for sheet in SHEETS)
