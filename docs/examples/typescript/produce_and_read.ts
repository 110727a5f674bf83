// Send a play and read the lists that follow from it.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Kafka, Partitioners, logLevel } from "kafkajs";
import { createClient } from "redis";

const brokers = (process.env.SEGUE_KAFKA_BOOTSTRAP ?? "127.0.0.1:19092").split(",");
const kafka = new Kafka({ clientId: "my-app", brokers, logLevel: logLevel.ERROR });
// The default partitioner is Kafka's own (murmur2), as Segue expects.
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
const redis = createClient({ url: process.env.SEGUE_REDIS_URL ?? "redis://127.0.0.1:16379/0" });

await producer.connect();
await redis.connect();
const play = {
  event_id: randomUUID(), // sent twice, it counts once
  user_id: "grace",
  track_id: "track:first",
  started_at_ms: Date.now(),
  played_ms: 180_000,
  duration_ms: 200_000,
  end_reason: "finished",
  market: "SE",
};
const prefix = process.env.SEGUE_TOPIC_PREFIX ?? "segue.";
await producer.send({
  topic: `${prefix}plays.v1`,
  messages: [{ key: play.user_id, value: JSON.stringify(play) }],
});
let found: string | null = null;
while ((found = await redis.get(`segue:v1:next:${play.user_id}`)) === null) {
  await sleep(10); // milliseconds, once a worker runs
}
console.log("next for grace:", JSON.parse(found).track_ids);
await producer.disconnect();
redis.destroy();
