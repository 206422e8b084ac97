"""Learning diagrams as data: IR, builder, checker, canonical form, paths. Imports neither torch nor Julia."""
