"""What Python reads at its start where the clock is stepped."""
