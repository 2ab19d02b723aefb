"""Plans for other tools: GGUF control vectors, lm-evaluation-harness, plain checkpoints, folders, the Hub."""
