"""The paper's adaptor: LoRA and prompt tokens."""
