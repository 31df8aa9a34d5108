"""What the report says: artefacts come in, plain rows and words for the page go out."""
