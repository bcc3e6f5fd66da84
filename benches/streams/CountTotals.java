import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The {@code count} work on Kafka Streams, by its fastest way: the Processor API over bytes, Avro read and
 * written by hand, one look-up and one write of the store a record.
 *
 * <p>Arguments: brokers, application, input topic, output topic, schema id of outputs, state folder.
 */
public final class CountTotals {
    private static final String STORE = "totals";

    public static void main(String[] arguments) {
        String input = arguments[2];
        String output = arguments[3];
        int schema = Integer.parseInt(arguments[4]);

        Properties config = new Properties();
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, arguments[5]);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        // As much as the others fetch at once, and hand on.
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), 8 << 20);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 1000);

        Topology topology = new Topology();
        var bytes = Serdes.ByteArray();
        topology.addSource("input", bytes.deserializer(), bytes.deserializer(), input);
        topology.addProcessor("count", () -> new Count(schema), "input");
        topology.addStateStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), bytes, bytes)
                .withCachingDisabled(),
            "count");
        topology.addSink("output", output, bytes.serializer(), bytes.serializer(), "count");
        KafkaStreams streams = new KafkaStreams(topology, config);
        streams.setUncaughtExceptionHandler(
            error -> {
                error.printStackTrace();
                return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse
                    .SHUTDOWN_APPLICATION;
            });
        streams.setStateListener(
            (now, before) -> {
                if (now == KafkaStreams.State.ERROR) {
                    System.exit(1);
                }
            });
        streams.start();
    }

    private static final class Count implements Processor<byte[], byte[], byte[], byte[]> {
        private final int schema;
        private final byte[] scratch = new byte[4096];
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> totals;

        Count(int schema) {
            this.schema = schema;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.totals = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            Payment payment = Payment.decode(record.value());
            double total = 0;
            long count = 0;
            byte[] known = totals.get(record.key());
            if (known != null) {
                ByteBuffer stored = ByteBuffer.wrap(known);
                total = stored.getDouble();
                count = stored.getLong();
            }
            total += payment.amount;
            count += 1;
            totals.put(record.key(), ByteBuffer.allocate(16).putDouble(total).putLong(count).array());
            context.forward(record.withValue(encode(payment.account, total, count)));
        }

        private byte[] encode(String account, double total, long count) {
            byte[] text = account.getBytes(StandardCharsets.UTF_8);
            ByteBuffer out = ByteBuffer.wrap(scratch).order(ByteOrder.LITTLE_ENDIAN);
            out.put((byte) 0);
            out.order(ByteOrder.BIG_ENDIAN).putInt(schema).order(ByteOrder.LITTLE_ENDIAN);
            putLong(out, text.length);
            out.put(text);
            out.putDouble(total);
            putLong(out, count);
            byte[] bytes = new byte[out.position()];
            System.arraycopy(scratch, 0, bytes, 0, bytes.length);
            return bytes;
        }

        private static void putLong(ByteBuffer out, long value) {
            long rest = (value << 1) ^ (value >> 63);
            while ((rest & ~0x7fL) != 0) {
                out.put((byte) (rest | 0x80));
                rest >>>= 7;
            }
            out.put((byte) rest);
        }
    }

    /** All fields of a payment: {id, account, amount, country, ts, card_present}. */
    private record Payment(
        long id, String account, double amount, String country, long ts, boolean cardPresent) {

        static Payment decode(byte[] value) {
            ByteBuffer in = ByteBuffer.wrap(value).order(ByteOrder.LITTLE_ENDIAN);
            if (in.get() != 0) {
                throw new IllegalArgumentException("a value without a schema id");
            }
            in.position(5);
            long id = getLong(in);
            String account = getText(in);
            double amount = in.getDouble();
            String country = getText(in);
            long ts = getLong(in);
            return new Payment(id, account, amount, country, ts, in.get() != 0);
        }

        private static String getText(ByteBuffer in) {
            int length = (int) getLong(in);
            String text = new String(in.array(), in.position(), length, StandardCharsets.UTF_8);
            in.position(in.position() + length);
            return text;
        }

        private static long getLong(ByteBuffer in) {
            long value = 0;
            int shift = 0;
            while (true) {
                byte next = in.get();
                value |= (long) (next & 0x7f) << shift;
                if (next >= 0) {
                    return (value >>> 1) ^ -(value & 1);
                }
                shift += 7;
            }
        }
    }
}
