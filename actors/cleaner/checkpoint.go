package cleaner

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/storage/vfs"
)

// This file owns what survives a restart of the cleaner: up to which offset each log is clean. It is text, one line a log, by topic id, so
// that a topic that is made again under its old name begins anew:
//
//	troupe-cleaner 1
//	<topic id, 32 hex digits> <partition> <offset>
//	…
//	crc32c <8 hex digits, of all lines above>
//
// Losing the file costs a longer next round, never a record: what is remembered only says where to begin.

// checkpoints is the first offset of each log that is not clean.
type checkpoints map[partition.Key]int64

func (c checkpoints) set(key partition.Key, offset int64) { c[key] = offset }

const (
	checkpointTitle = "troupe-cleaner 1\n"
	checkpointTail  = "crc32c "
	// checkpointBytesMax bounds the file: a million logs.
	checkpointBytesMax = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c checkpoints) encode() []byte {
	lines := make([]string, 0, len(c))
	for key, offset := range c {
		lines = append(lines, fmt.Sprintf("%s %d %d\n", hex.EncodeToString(key.TopicID[:]), key.Partition, offset))
	}
	slices.Sort(lines)
	b := []byte(checkpointTitle + strings.Join(lines, ""))
	return fmt.Appendf(b, "%s%08x\n", checkpointTail, crc32.Checksum(b, castagnoli))
}

var errCheckpoint = errors.New("the file is damaged")

func decodeCheckpoints(b []byte) (checkpoints, error) {
	at := bytes.LastIndex(b, []byte(checkpointTail))
	if !bytes.HasPrefix(b, []byte(checkpointTitle)) || at < 0 {
		return nil, fmt.Errorf("want a first line %q and a last one with a checksum: %w", strings.TrimSpace(checkpointTitle), errCheckpoint)
	}
	if want := fmt.Sprintf("%s%08x\n", checkpointTail, crc32.Checksum(b[:at], castagnoli)); string(b[at:]) != want {
		return nil, fmt.Errorf("want %q, found %.20q: %w", want, b[at:], errCheckpoint)
	}
	out := checkpoints{}
	for line := range strings.Lines(string(b[len(checkpointTitle):max(at, len(checkpointTitle))])) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %.80q: want three fields: %w", line, errCheckpoint)
		}
		id, err := hex.DecodeString(fields[0])
		number, err2 := strconv.ParseInt(fields[1], 10, 32)
		offset, err3 := strconv.ParseInt(fields[2], 10, 64)
		if err := errors.Join(err, err2, err3); err != nil || len(id) != 16 || number < 0 || offset < 0 {
			return nil, fmt.Errorf("line %.80q: want topic id, partition and offset (%v): %w", line, err, errCheckpoint)
		}
		out[partition.Key{TopicID: [16]byte(id), Partition: int32(number)}] = offset
	}
	return out, nil
}

// readCheckpoints reads the file. What it returns is never nil; a file that is not there is no error.
func readCheckpoints(fsys vfs.FS, name string) (checkpoints, error) {
	size, err := fsys.Stat(name)
	if errors.Is(err, vfs.ErrNotExist) {
		return checkpoints{}, nil
	}
	if err != nil {
		return checkpoints{}, err
	}
	if size > checkpointBytesMax {
		return checkpoints{}, fmt.Errorf("%s has %d bytes: %w", name, size, errCheckpoint)
	}
	f, err := fsys.Open(name, vfs.OpenOptions{ReadOnly: true})
	if err != nil {
		return checkpoints{}, err
	}
	defer f.Close()
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); int64(n) < size {
		return checkpoints{}, fmt.Errorf("read %s: %w", name, errors.Join(err, io.ErrUnexpectedEOF))
	}
	c, err := decodeCheckpoints(b)
	if err != nil {
		return checkpoints{}, fmt.Errorf("read %s: %w", name, err)
	}
	return c, nil
}

// write replaces the file: a crash leaves the old one or the new.
func (c checkpoints) write(fsys vfs.FS, name string) error {
	aside := name + ".new"
	f, err := fsys.Open(aside, vfs.OpenOptions{Create: true})
	if err != nil {
		return fmt.Errorf("create %s: %w", aside, err)
	}
	b := c.encode()
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.DataSync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", aside, err)
	}
	if err := fsys.Rename(aside, name); err != nil {
		return fmt.Errorf("rename %s: %w", aside, err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("sync the directory of %s: %w", name, err)
	}
	return nil
}
