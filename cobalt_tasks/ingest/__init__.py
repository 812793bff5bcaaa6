"""The producer: takes what captures and scanners print, and loses nothing."""
