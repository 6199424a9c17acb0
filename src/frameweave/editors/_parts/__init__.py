"""What editors are made of, one file per device; `request` and `base` are what they are written on."""
