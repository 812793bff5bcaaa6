"""Recognition by the fingerprints of others, as data that users install: recog's XML, checked and compiled."""
