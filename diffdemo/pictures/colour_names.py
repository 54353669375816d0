"""Names of the colours of pixel faces, palette by palette, in the order of the atlas.

Skin has numbers instead of names, from the lightest to the darkest.
"""

COLOURS = {
    "background": ("light blue", "lilac", "lavender", "pink", "peach"),
    "skin": tuple(f"skin tone {number} of 8" for number in range(1, 9)),
    "hair": (
        "blond",
        "brown",
        "light brown",
        "dark blond",
        "mahogany",
        "chestnut",
        "auburn",
        "near black",
        "blue",
        "red",
        "green",
    ),
    "clothing": (
        "light blue",
        "blue",
        "navy",
        "mint",
        "light green",
        "green",
        "coral",
        "crimson",
        "dark red",
        "cream",
        "yellow",
        "golden yellow",
    ),
    "eyes": ("grey", "blue-grey 1", "blue-grey 2", "blue-grey 3", "teal", "brown"),
    "mouth": ("beige", "dusty pink", "pink", "red"),
}
