"""What makes a spec render worse than it could: one function and one row of the table each."""
