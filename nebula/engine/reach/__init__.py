"""Whether guests of a network on one host reach those on another: probes are asked (`asking.py`), what they heard is judged."""
