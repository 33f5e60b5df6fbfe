"""The researcher `grow`: a greedy search that grows a model in the most efficient direction, round by round."""
