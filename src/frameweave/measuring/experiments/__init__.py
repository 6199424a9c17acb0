"""Measurements that put models, editors and data together."""
