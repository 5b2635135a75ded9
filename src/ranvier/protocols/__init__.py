"""The six protocols by which backbones of a decoder are compared: a module each, named as in the recipes.

Each has three functions: `measure(protocol, bench)` trains and measures what is not there yet and returns plain values,
`tables(found)` and `draw(figure, found)` show them.
"""
