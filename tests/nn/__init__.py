"""Random models of the operators that the native engine speaks: `draw` makes one, for parity with TensorFlow Lite."""
