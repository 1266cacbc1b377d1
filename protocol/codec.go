package protocol

// This file owns the names and numbers of Kafka's compression codecs.

// Codec is a compression codec by the number it has in a batch's attributes.
type Codec int8

// Kafka's codecs. CodecProducer is compression.type=producer: keep what the producer chose.
const (
	CodecProducer Codec = -1
	CodecNone     Codec = 0
	CodecGzip     Codec = 1
	CodecSnappy   Codec = 2
	CodecLZ4      Codec = 3
	CodecZstd     Codec = 4
)

// Valid tells whether c can stand in a batch.
func (c Codec) Valid() bool { return c >= CodecNone && c <= CodecZstd }

// String is the codec's name in compression.type ("uncompressed" for none).
func (c Codec) String() string {
	switch c {
	case CodecProducer:
		return "producer"
	case CodecNone:
		return "uncompressed"
	case CodecGzip:
		return "gzip"
	case CodecSnappy:
		return "snappy"
	case CodecLZ4:
		return "lz4"
	case CodecZstd:
		return "zstd"
	}
	return "unknown"
}

// ParseCodec reads a value of compression.type ("none" is taken as "uncompressed").
func ParseCodec(name string) (c Codec, ok bool) {
	if name == "none" {
		return CodecNone, true
	}
	for c = CodecProducer; c <= CodecZstd; c++ {
		if c.String() == name {
			return c, true
		}
	}
	return CodecNone, false
}
