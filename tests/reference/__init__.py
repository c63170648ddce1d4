"""The slow, obvious implementation of docs/WIRE.md: an oracle, and an auditor's tool. It uses no code of `edge`."""
