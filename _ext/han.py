"""Chinese characters, as what stands between the brackets of a regular expression."""

RANGE = r"\u3400-\u9fff"
LETTER = f"[{RANGE}]"
