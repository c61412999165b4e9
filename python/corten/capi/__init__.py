"""Modules that scripts for onnxruntime import by their path."""
