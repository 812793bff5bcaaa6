"""Where input bytes come from: files, pipes, the journal, the network."""
