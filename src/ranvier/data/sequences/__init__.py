"""Long sequences: images by pixels, expressions, recordings of speech, documents, and running text.

Time comes first, as everywhere: a sample is `(x, label)` with x float32 `[T, C]` or, for tokens, int64 `[T]`; a pair of
documents is `(first, second, label)`; running text is `(x [T], y [T])`. Samples are made when they are asked for, and
depend on nothing but the files or the seed. `ranvier.data.datasets.build` finds each set by its name.
"""
