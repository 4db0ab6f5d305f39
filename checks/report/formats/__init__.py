"""A scan as formats for programs: JSON, CSV, JUnit. Pure."""
