"""Load, draw and save pictures, and read the attributes of faces and the class of digits."""
