"""The rule of agreement as a model that spin searches, before and beside the code that follows it."""
