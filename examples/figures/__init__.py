"""The book's figures: a module a chapter, a function a figure, each drawn once per language."""
