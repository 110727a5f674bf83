"""Where results leave: Redis for front-ends. Kafka outputs leave with the task's transaction."""
