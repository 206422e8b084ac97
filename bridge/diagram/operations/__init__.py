"""Operations on diagrams: pure functions that take checked diagrams to checked diagrams, one concept a module."""
