"""LoRAs that other programs made, beside or without the adaptor."""
