"""Pictures of diagrams: SVG, Mermaid text and a page for a browser."""
