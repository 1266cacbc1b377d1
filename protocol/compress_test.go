package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestEveryCodecComesBack(t *testing.T) {
	rnd := testRand(t)
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		for _, size := range []int{0, 1, 100, 32 << 10, 1<<20 + 1} {
			src := make([]byte, size)
			for i := range src {
				src[i] = byte(rnd.IntN(4))
			}
			packed, err := Compress([]byte("before"), codec, src)
			if err != nil || !bytes.HasPrefix(packed, []byte("before")) {
				t.Fatal(err)
			}
			packed = packed[6:]
			got, err := Decompress(nil, codec, packed, size)
			if err != nil || !bytes.Equal(got, src) {
				t.Fatalf("%v of %d bytes: %d bytes, %v", codec, size, len(got), err)
			}
			if size > 0 {
				if _, err := Decompress(nil, codec, packed, size-1); !errors.Is(err, ErrDecompressedTooLarge) {
					t.Fatalf("%v of %d bytes with a limit of one less: %v", codec, size, err)
				}
			}
			fromClient, err := kgo.DefaultDecompressor().Decompress(packed, kgo.CompressionCodecType(codec))
			if size > 0 && (err != nil || !bytes.Equal(fromClient, src)) {
				t.Fatalf("franz-go cannot read %v: %v", codec, err)
			}
		}
	}
}

func TestSnappyIsReadRawAndFramed(t *testing.T) {
	want := bytes.Repeat([]byte("snappy"), 10_000)
	raw := snappy.Encode(nil, want)
	framed, _ := Compress(nil, CodecSnappy, want)
	for name, src := range map[string][]byte{"raw": raw, "framed": framed} {
		if got, err := Decompress(nil, CodecSnappy, src, 1<<20); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Decompress(nil, CodecSnappy, src[:len(src)-1], 1<<20); err == nil {
			t.Errorf("%s, truncated: no error", name)
		}
	}
}

func TestSnappyDoesNotBelieveAFalseLength(t *testing.T) {
	claims := []byte{0xff, 0xff, 0xff, 0x7f, 0, 1} // 256 MiB from two bytes
	if got, err := Decompress(nil, CodecSnappy, claims, 1<<30); err == nil || cap(got) > 1<<10 {
		t.Fatalf("%d bytes allocated, %v", cap(got), err)
	}
}

func TestZstdDoesNotBelieveAFalseLength(t *testing.T) {
	claims := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x10, 1, 0, 0} // says 256 MiB, holds none
	if got, err := Decompress(nil, CodecZstd, claims, 300<<20); err == nil || cap(got) > 1<<20 {
		t.Fatalf("%d bytes allocated, %v", cap(got), err)
	}
}

func TestLZ4WithDependentBlocksIsRefused(t *testing.T) {
	b, _ := Compress(nil, CodecLZ4, []byte("text"))
	b[4] &^= 0x20
	if _, err := Decompress(nil, CodecLZ4, b, 100); err == nil {
		t.Fatal("no error")
	}
}

func TestLZ4OfOtherWritersIsRead(t *testing.T) {
	want := bytes.Repeat([]byte("lz4"), 100_000)
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(lz4.ChecksumOption(true), lz4.BlockChecksumOption(true), lz4.BlockSizeOption(lz4.Block4Mb), lz4.SizeOption(uint64(len(want)))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(want); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if got, err := Decompress(nil, CodecLZ4, out.Bytes(), 1<<20); err != nil || !bytes.Equal(got, want) {
		t.Fatal(err)
	}
	mended := mendLZ4Header(out.Bytes())
	if &mended[0] != &out.Bytes()[0] {
		t.Fatal("a right header checksum was thought wrong")
	}
}

func TestCodecNamesAreKafkas(t *testing.T) {
	for c := CodecProducer; c <= CodecZstd; c++ {
		if got, ok := ParseCodec(c.String()); !ok || got != c {
			t.Errorf("%v is read as %v", c, got)
		}
	}
	if _, ok := ParseCodec("brotli"); ok {
		t.Error("brotli")
	}
}

// A frame without a content size (every streaming writer's, librdkafka's among them) meets destinations that end in the middle of
// a block, for every ratio of compression.
func TestZstdFramesWithoutAContentSizeAreReadWhateverTheirRatio(t *testing.T) {
	for _, lines := range []int{1, 10, 100, 1000, 4706, 5000, 20000, 100000} {
		var plain, packed bytes.Buffer
		for i := range lines {
			fmt.Fprintf(&plain, "\x1e\x00\x00zstd-%d\x00", i)
		}
		w, err := zstd.NewWriter(&packed)
		if err != nil {
			t.Fatal(err)
		}
		for rest := plain.Bytes(); len(rest) > 0; {
			n := min(len(rest), 40_000)
			w.Write(rest[:n])
			w.Flush()
			rest = rest[n:]
		}
		w.Close()
		got, err := Decompress(nil, CodecZstd, packed.Bytes(), 1<<24)
		if err != nil || !bytes.Equal(got, plain.Bytes()) {
			t.Errorf("%d lines, %d bytes in %d: %v", lines, plain.Len(), packed.Len(), err)
		}
		if _, err := Decompress(nil, CodecZstd, packed.Bytes(), plain.Len()-1); !errors.Is(err, ErrDecompressedTooLarge) {
			t.Errorf("%d lines beyond the limit: %v", lines, err)
		}
	}
}
