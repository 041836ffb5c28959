"""An OpenAPI document: read, mended, checked, and said in one way."""
