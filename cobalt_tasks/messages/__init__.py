"""What travels over Redis: the elements of its lists, the transport that reads them, hints."""
