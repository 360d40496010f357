"""Chinese characters in a regular expression: between its brackets, and as a class of their own."""

RANGE = r"\u3400-\u9fff"
LETTER = f"[{RANGE}]"
