package partition

import (
	"encoding/binary"
	"fmt"

	"github.com/troupe-io/troupe/protocol"
)

// The first byte of an entry's data says what the entry is; it stays in WALs and on the wire between brokers, so these never change.
const (
	// kindBatch is followed by one v2 record batch, whose own CRC covers it.
	kindBatch byte = 1
	// kindSetStart is followed by the new log start offset (int64, big endian).
	kindSetStart byte = 2
	// kindExpire is followed by producer ids (int64 each) that are to be forgotten.
	kindExpire byte = 3
)

// SelfChecked says that an entry's payload carries its own checksum (see wal.Config).
func SelfChecked(data []byte) bool { return len(data) > 0 && data[0] == kindBatch }

func encodeSetStart(offset int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindSetStart}, uint64(offset))
}

func decodeSetStart(data []byte) (int64, error) {
	if len(data) != 9 {
		return 0, fmt.Errorf("log start command: %d bytes, want 9", len(data))
	}
	return int64(binary.BigEndian.Uint64(data[1:])), nil
}

func encodeExpire(ids []int64) []byte {
	b := make([]byte, 1, 1+8*len(ids))
	b[0] = kindExpire
	for _, id := range ids {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	return b
}

func decodeExpire(data []byte) ([]int64, error) {
	if len(data)%8 != 1 {
		return nil, fmt.Errorf("expire command: %d bytes, want 1 and 8 for each producer", len(data))
	}
	var ids []int64
	for b := data[1:]; len(b) > 0; b = b[8:] {
		ids = append(ids, int64(binary.BigEndian.Uint64(b)))
	}
	return ids, nil
}

// VerifySelfChecked verifies such a payload (see wal.Config).
func VerifySelfChecked(data []byte) error {
	if !SelfChecked(data) {
		return fmt.Errorf("entry of %d bytes is not a record batch", len(data))
	}
	h, err := protocol.ParseBatchHeader(data[1:])
	if err != nil {
		return err
	}
	if h.Size() != len(data)-1 {
		return fmt.Errorf("record batch of %d bytes in an entry of %d", h.Size(), len(data))
	}
	return protocol.CheckBatchCRC(data[1:])
}
