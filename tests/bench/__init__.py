"""What Backcast costs and how good it is beside others: `make bench`. One module a question."""
