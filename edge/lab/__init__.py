"""The laboratory: demo data, and what shows the mesh at work. Never imported by a device."""
