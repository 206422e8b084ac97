
diagram_bridgeempty