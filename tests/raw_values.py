"""Raw values of the page's controls, by name, as a browser sends them."""

from typing import Any

SHARED: dict[str, Any] = {
    "model": "faces",
    "picture": {"picture": "face:17"},
    "n": 250,
    "first": 0,
    "count": 3,
    "steps": 4,
    "eta": 0,
    "solver": "ddim",
    "spacing": "trailing",
    "start": "picture",
    "per_level": 2,
    "listed": "",
    "prompt": "",
    "guidance": 1,
}
OWN: dict[str, dict[str, Any]] = {
    "embed": {
        "at": "after all noise steps (x_T)",
        "steps": 20,
        "warm": 0.1,
        "methods": ["ddim", "random"],
        "other": {"picture": "face:4"},
    },
    "collide": {"other": {"picture": "face:4"}, "steps": 30, "eta": 0.5},
    "branch": {"points": 5, "futures": 3, "steps": 40, "jump": 2},
    "curve": {"levels": ""},
    "belief": {"line_up": []},
    "round-trip": {},
}
