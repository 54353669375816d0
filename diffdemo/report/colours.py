"""The colours of pages, files and cards. Each of the two outcomes has one colour, everywhere."""

INK = "#1d2733"
SOFT = "#536070"
RULE = "#dde3e9"
LINE = "#8a96a3"
CAME_BACK = "#0b766f"
CHANGED = "#b04e00"
CAME_BACK_DARK = "#4fd1c1"  # on a dark ground
CHANGED_DARK = "#ffa65c"
