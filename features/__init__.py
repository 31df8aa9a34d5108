"""What is known about a case: the dictionary, the outcomes, and the two clinical feature builders."""
