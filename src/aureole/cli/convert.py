"""stub."""
def add_parser(verbs): verbs.add_parser("convert")
