"""Pre-training: predict held-out text byte by byte, in as few bits as possible."""
