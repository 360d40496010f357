"""Bytes, operations and times on paper: from public shapes and from ceilings measured apart."""
