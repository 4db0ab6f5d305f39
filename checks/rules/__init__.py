"""Pure knowledge: no I/O, no clock, no SDK type. Each module is one subject that Azure, containerd or we decide by."""
