"""The version of Pullwatch, which the package, ``pullwatch --version``, reports and its requests name."""

VERSION = "0.1.0"
