"""Values that no experiment can have, by kind of experiment and field."""

import json


def odd(text: str, *more: object) -> list:
    """Return values written as JSON, and more that would be too long to write."""
    return [*json.loads(f"[{text}]"), *more]


def shown(value: object) -> str:
    """Write a value as the name of a request shows it."""
    if isinstance(value, int) and value >= 10**40:
        return "a long number"
    text = ascii(value) if isinstance(value, str) else repr(value)
    return text if len(text) < 24 else f"{text[:20]}…"


DEEP = json.loads("[" * 900 + "]" * 900)
HASH = "sha256:" + "0" * 64
PUBLIC = "http://diffdemo-canary.invalid/x.png"  # a name that no name server knows
MANY = [0] * 65
LONG = "a" * 10**6
NUMBERS = odd('NaN, Infinity, -1, "abc", null, 1001, 5.7, true, [], {}, "٣", "1e2", "-0"')
SEEDS = odd('"0-999999999", "0-64", "", "1,1", "3-1", NaN, -1, null, [], {"0": 1}, 1000000000')
PICTURES = odd(
    r'"../x.png", "/etc/passwd", "png:AAAA", "png:\u0000", "digit:10000", "face:-1", null, '
    '"data:image/png;base64,AAAA", "file:///etc/passwd"'
)
MODELS = odd(
    r'"/etc", "../weights", "cats", null, "google/ddpm-cat-256", "faces\u0000", "faces\ud800", '
    '["faces"]'
)
ODD_VALUES = {
    "round-trip": {
        "n": [*NUMBERS, 10**30, 10**4000],
        "seeds": [*SEEDS, MANY, list(range(10**5)), "9" * 5000],
        "steps": odd('0, 1000000000, NaN, "1;2"'),
        "eta": odd('NaN, -Infinity, "1e999", 1.01, "0.5.5"'),
        "start": ["nothing"],
        "solver": odd('"euler", null, 5, ["ddim"]'),
        "picture": [*PICTURES, PUBLIC, "png:" + "A" * 5000, HASH, DEEP],
        "model": [*MODELS, LONG],
        "prompt": odd(r'"a\nb", "a\u0000b", "\ud800", "a dog"', LONG),
        "guidance": odd('0, NaN, "20e1", null'),
    },
    "curve": {"levels": odd('"9,3", "0:1000:1", "0:1000:0", "-1", NaN, [0.5], "0,1001"')},
    "embed": {
        "methods": odd('"magic", [[1]], [], "", {"ddim": 1}, 5'),
        "warm": odd("2, NaN"),
        "n": [0],
        "other": odd('"../x", null', HASH),
    },
    "collide": {
        "other": odd('"", null, "png:AAAA"'),
        "seed": odd('-1, 0.5, "1e309"', 2**31 - 1),
    },
    "belief": {"line_up": odd('"../x", "face:1,", 5', ",".join(["face:1"] * 17), LONG)},
    "branch": {
        "points": [0, 33],
        "futures": [1, 10**9],
        "jump": [21, None],
        "seed": [2**31 - 1],
    },
}
