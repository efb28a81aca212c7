"""A search whose particles are evaluated elsewhere.

A job says all that its answer depends on, and noise is addressed by id. So jobs may be done early,
twice, in any order and anywhere, and the result of the search is the same.
"""
