"""From a `.tflite` graph to the steps of a plan: one function an operator, by the operator's name."""
