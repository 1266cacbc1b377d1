import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;

/**
 * The Java clients against one broker: RoundTrip HOST:PORT. Each codec and each way to acknowledge goes there and back, read by
 * assignment from the beginning, an offset, a timestamp and the end; then the admin client's calls. Ends with "ok", or throws.
 */
public class RoundTrip {
    static final int RECORDS = 300;
    static String bootstrap;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
             KafkaConsumer<String, String> consumer = consumer()) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
                for (String acks : List.of("0", "1", "all", "idempotent"))
                    roundTrip(admin, consumer, codec, acks);
            large(admin, consumer);
            administer(admin);
        }
        System.out.println("ok");
    }

    static KafkaConsumer<String, String> consumer() {
        return new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", "false", "auto.offset.reset", "none",
                "fetch.max.wait.ms", "100"), new StringDeserializer(), new StringDeserializer());
    }

    static KafkaProducer<String, String> producer(String codec, String acks) {
        boolean idempotent = acks.equals("idempotent");
        return new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap, "compression.type", codec, "acks", idempotent ? "all" : acks,
                "enable.idempotence", String.valueOf(idempotent), "linger.ms", "2", "max.request.size", "20000000"),
                new StringSerializer(), new StringSerializer());
    }

    static TopicPartition create(Admin admin, String name, Map<String, String> configs) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, 1, (short) 1).configs(configs))).all().get();
        return new TopicPartition(name, 0);
    }

    static void roundTrip(Admin admin, KafkaConsumer<String, String> consumer, String codec, String acks) throws Exception {
        TopicPartition partition = create(admin, "java-" + codec + "-" + acks, Map.of());
        long base = System.currentTimeMillis() - 3_600_000;
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = producer(codec, acks)) {
            for (int i = 0; i < RECORDS; i++) {
                ProducerRecord<String, String> r = new ProducerRecord<>(partition.topic(), 0, base + i * 1000L, "key-" + i, value(i));
                r.headers().add("n", Integer.toString(i).getBytes());
                sent.add(producer.send(r));
            }
            producer.flush();
            for (int i = 0; i < RECORDS; i++) {
                long offset = sent.get(i).get().offset();
                check(acks.equals("0") || offset == i, "record %d was acknowledged at offset %d", i, offset);
            }
        }
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        read(consumer, 0, base);
        consumer.seek(partition, 123);
        read(consumer, 123, base);
        OffsetAndTimestamp at = consumer.offsetsForTimes(Map.of(partition, base + 149_500)).get(partition);
        check(at.offset() == 150 && at.timestamp() == base + 150_000, "a time between 149 and 150 is at %s", at);
        consumer.seekToEnd(List.of(partition));
        check(consumer.position(partition) == RECORDS, "the end is %d", consumer.position(partition));
        check(consumer.beginningOffsets(List.of(partition)).get(partition) == 0, "the beginning is not 0");
        try {
            consumer.seek(partition, RECORDS + 100);
            consumer.poll(Duration.ofSeconds(5));
            check(false, "an offset out of range was not refused");
        } catch (OffsetOutOfRangeException expected) {
            check(expected.offsetOutOfRangePartitions().get(partition) == RECORDS + 100, "%s", expected);
        }
    }

    static void read(KafkaConsumer<String, String> consumer, int from, long base) {
        int next = from;
        long deadline = System.currentTimeMillis() + 20_000;
        while (next < RECORDS) {
            check(System.currentTimeMillis() < deadline, "record %d did not come", next);
            for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(500))) {
                check(r.offset() == next && r.key().equals("key-" + next) && r.value().equals(value(next)) && r.timestamp() == base + next * 1000L
                        && new String(r.headers().lastHeader("n").value()).equals(Integer.toString(next)), "record %d came as %s", next, r);
                next++;
            }
        }
    }

    /** The largest record that fits, and one that does not. */
    static void large(Admin admin, KafkaConsumer<String, String> consumer) throws Exception {
        TopicPartition partition = create(admin, "java-large", Map.of("max.message.bytes", "8000000"));
        try (KafkaProducer<String, String> producer = producer("none", "all")) {
            producer.send(new ProducerRecord<>(partition.topic(), "x".repeat(7_900_000))).get();
            try {
                producer.send(new ProducerRecord<>(partition.topic(), "x".repeat(8_100_000))).get();
                check(false, "a record over max.message.bytes was taken");
            } catch (ExecutionException e) {
                check(e.getCause() instanceof org.apache.kafka.common.errors.RecordTooLargeException, "%s", e);
            }
        }
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        int got = 0;
        for (int i = 0; i < 40 && got == 0; i++)
            for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(500))) got = r.value().length();
        check(got == 7_900_000, "the large record came with %d bytes", got);
    }

    static void administer(Admin admin) throws Exception {
        TopicPartition partition = create(admin, "java-admin", Map.of("retention.ms", "123456"));
        String topic = partition.topic();
        check(admin.listTopics().names().get().contains(topic), "the topic is not listed");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
                new AlterConfigOp(new ConfigEntry("segment.bytes", "2000000"), AlterConfigOp.OpType.SET),
                new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE)))).all().get();
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        check(config.get("segment.bytes").value().equals("2000000") && config.get("retention.ms").isDefault(), "%s", config);
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
        TopicDescription described = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        check(described.partitions().size() == 3 && described.partitions().get(2).leader() != null, "%s", described);
        try (KafkaProducer<String, String> producer = producer("lz4", "idempotent")) {
            for (int i = 0; i < 100; i++) producer.send(new ProducerRecord<>(topic, 0, null, "v" + i));
            producer.flush();
            Collection<ProducerState> states = admin.describeProducers(List.of(partition)).all().get().get(partition).activeProducers();
            check(states.size() == 1 && states.iterator().next().lastSequence() == 99, "%s", states);
        }
        check(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40))).lowWatermarks().get(partition).get().lowWatermark() == 40, "low watermark");
        check(offset(admin, partition, OffsetSpec.earliest()) == 40 && offset(admin, partition, OffsetSpec.latest()) == 100, "offsets after DeleteRecords");
        long max = offset(admin, partition, OffsetSpec.maxTimestamp());
        check(max >= 0 && max < 100, "the offset of the max timestamp is %d", max);
        var cluster = admin.describeCluster();
        int node = cluster.controller().get().id();
        check(cluster.nodes().get().size() == 1, "%s", cluster.nodes().get());
        var directories = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).values();
        check(directories.stream().anyMatch(d -> d.replicaInfos().containsKey(partition)), "%s", directories);
        admin.deleteTopics(List.of(topic)).all().get();
        check(!admin.listTopics().names().get().contains(topic), "the topic is listed after its end");
    }

    static long offset(Admin admin, TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    static String value(int i) { return "value-" + i + "-" + "x".repeat(200); }

    static void check(boolean right, String format, Object... args) {
        if (!right) throw new AssertionError(String.format(format, args));
    }
}
