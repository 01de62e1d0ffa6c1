"""Texts of callers in paths."""

from werkzeug.routing import PathConverter


class AnyText(PathConverter):
    """`<text:name>`: a text that may contain slashes, also at its beginning."""

    regex = ".+?"
    part_isolating = False  # it may cross a slash, though its pattern names none
