def values(): return {}
