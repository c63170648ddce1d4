"""Agents, windows, features and decisions, without the world."""
