"""The recommender's laws by stage, and how a log is driven through the stages to test them."""
