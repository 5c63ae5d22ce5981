"""The golden cases, one module an operation."""
