package protocol

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// legacy makes one message of format v0 or v1.
func legacy(magic int8, codec Codec, offset, timestamp int64, key, value []byte) []byte {
	var b []byte
	if magic == 0 {
		m := kmsg.MessageV0{Offset: offset, Magic: magic, Attributes: int8(codec), Key: key, Value: value}
		b = m.AppendTo(nil)
	} else {
		m := kmsg.MessageV1{Offset: offset, Magic: magic, Attributes: int8(codec), Timestamp: timestamp, Key: key, Value: value}
		b = m.AppendTo(nil)
	}
	return sealLegacy(b)
}

func sealLegacy(b []byte) []byte {
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[12:], crc32.ChecksumIEEE(b[16:]))
	return b
}

// legacySet is three messages: with key and value, with a null key, with a null value.
func legacySet(magic int8) []byte {
	return bytes.Join([][]byte{
		legacy(magic, 0, 0, testNow, []byte("k"), []byte("v")),
		legacy(magic, 0, 1, testNow+7, nil, []byte("w")),
		legacy(magic, 0, 2, testNow+3, []byte("gone"), nil),
	}, nil)
}

func legacyWrapped(t testing.TB, magic int8, codec Codec, inner []byte) []byte {
	packed, err := Compress(nil, codec, inner)
	if err != nil {
		t.Fatal(err)
	}
	return legacy(magic, codec, 2, testNow+7, nil, packed)
}

const (
	legacyRecords0 = "0 -1 \"k\" \"v\" false false []\n1 -1 \"\" \"w\" true false []\n2 -1 \"gone\" \"\" false true []\n"
	legacyRecords1 = "0 1700000000000 \"k\" \"v\" false false []\n1 1700000000007 \"\" \"w\" true false []\n2 1700000000003 \"gone\" \"\" false true []\n"
)

func TestLegacyMessageSetsBecomeOneBatch(t *testing.T) {
	for magic, want := range []string{legacyRecords0, legacyRecords1} {
		for codec := CodecNone; codec <= CodecLZ4; codec++ {
			lim := testLimits()
			lim.Version = 2
			set := legacySet(int8(magic))
			if codec != CodecNone {
				set = legacyWrapped(t, int8(magic), codec, set)
			}
			v, refused := ValidateProduce(append(set, set[:20]...), &lim) // with a truncated tail
			if refused != nil {
				t.Fatalf("magic %d %v: %v", magic, codec, refused)
			}
			if !v.Rewritten || v.Header.Codec() != codec || v.Header.ProducerID != -1 || v.Header.BaseSequence != -1 {
				t.Fatalf("magic %d %v: %+v", magic, codec, v.Header)
			}
			checkValid(t, &v)
			if got := recordsOf(t, v.Batch); got != want {
				t.Fatalf("magic %d %v:\n%s\nwant\n%s", magic, codec, got, want)
			}
		}
	}
}

func TestLegacyLZ4WithTheOldHeaderChecksumIsRead(t *testing.T) {
	packed, err := Compress(nil, CodecLZ4, legacySet(0))
	if err != nil {
		t.Fatal(err)
	}
	packed[6] ^= 0x55 // the descriptor's checksum: magic 4, flags, block size, then it
	lim := testLimits()
	lim.Version = 0
	if _, refused := ValidateProduce(legacy(0, CodecLZ4, 0, 0, nil, packed), &lim); refused != nil {
		t.Fatal(refused)
	}
	if _, refused := ValidateProduce(legacy(1, CodecLZ4, 0, 0, nil, packed), &lim); refused == nil {
		t.Fatal("format v1 must have the right checksum")
	}
}

func TestLegacyTopicsMayStampAndCompressAsTheyLike(t *testing.T) {
	lim := testLimits()
	lim.Version, lim.Codec, lim.LogAppendTime = 1, CodecZstd, true
	v, refused := ValidateProduce(legacySet(0), &lim)
	if refused != nil || v.Header.Codec() != CodecZstd || !v.Header.LogAppendTime() || v.AppendTimeMs != testNow {
		t.Fatalf("%+v %v", v.Header, refused)
	}
}

func TestLegacyIsRefusedAsKafkaDoes(t *testing.T) {
	wrongCRC := legacySet(1)
	wrongCRC[len(wrongCRC)-1] ^= 1
	badLength := legacy(0, 0, 0, 0, []byte("k"), []byte("v"))
	binary.BigEndian.PutUint32(badLength[18:], 1000)
	wrapped := legacyWrapped(t, 1, CodecGzip, legacySet(1))
	for _, c := range []struct {
		name string
		set  []byte
		want ErrorCode
	}{
		{"wrong CRC", wrongCRC, ErrCorruptMessage},
		{"wrong CRC inside", legacyWrapped(t, 1, CodecGzip, wrongCRC), ErrCorruptMessage},
		{"key beyond the message", sealLegacy(badLength), ErrCorruptMessage},
		{"mixed magic", append(legacySet(0), legacySet(1)...), ErrInvalidRecord},
		{"mixed magic inside", legacyWrapped(t, 1, CodecGzip, legacySet(0)), ErrInvalidRecord},
		{"compressed twice", legacyWrapped(t, 1, CodecGzip, wrapped), ErrInvalidRecord},
		{"two wrappers", append(bytes.Clone(wrapped), wrapped...), ErrInvalidRecord},
		{"plain, then a wrapper", append(legacySet(1), wrapped...), ErrInvalidRecord},
		{"an empty wrapper", legacyWrapped(t, 1, CodecGzip, nil), ErrInvalidRecord},
		{"a null wrapper", legacy(1, CodecGzip, 0, 0, nil, nil), ErrInvalidRecord},
		{"zstd", legacyWrapped(t, 1, CodecZstd, legacySet(1)), ErrInvalidRecord},
		{"codec 6", legacy(1, 6, 0, 0, nil, []byte("x")), ErrUnknownServerError},
		{"not gzip", legacy(1, CodecGzip, 0, 0, nil, []byte("x")), ErrUnknownServerError},
		{"too new", legacy(1, 0, 0, testNow+1<<40, nil, []byte("x")), ErrInvalidTimestamp},
	} {
		lim := testLimits()
		lim.Version = 2
		if _, refused := ValidateProduce(c.set, &lim); refused == nil || refused.Code != c.want {
			t.Errorf("%s: %v, want %v", c.name, refused, c.want)
		}
	}
}

func FuzzLegacy(f *testing.F) {
	for magic := range int8(2) {
		f.Add(legacySet(magic), true)
		for codec := CodecGzip; codec <= CodecLZ4; codec++ {
			f.Add(legacyWrapped(f, magic, codec, legacySet(magic)), true)
		}
	}
	f.Fuzz(func(t *testing.T, set []byte, mend bool) {
		set = bytes.Clone(set)
		if length := 0; mend && len(set) >= 26 {
			// make the first message's CRC right, so that the fuzzer gets behind it
			if length = int(int32(binary.BigEndian.Uint32(set[8:]))); length >= 14 && length <= len(set)-12 {
				binary.BigEndian.PutUint32(set[12:], crc32.ChecksumIEEE(set[16:12+length]))
			}
		}
		lim := testLimits()
		lim.Version, lim.DecompressedBytesMax = 2, fuzzLimit
		if v, refused := ValidateProduce(set, &lim); refused == nil {
			checkValid(t, &v)
		}
	})
}
