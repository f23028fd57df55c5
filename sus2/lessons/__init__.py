"""What the lessons measure: small public functions on top of the properties, each with a frozen result."""
