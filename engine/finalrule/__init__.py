"""A declarative rules engine for Medicare's Quality Payment Program."""

__version__ = "0.1.0"
