package cleaner

import (
	"maps"
	"testing"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/storage/vfs"
)

func TestCheckpointsAreReadBackAsTheyWereWritten(t *testing.T) {
	fs := vfs.NewMem()
	name := "data/cleaner-checkpoint"
	fs.MkdirAll("data")
	if c, err := readCheckpoints(fs, name); err != nil || len(c) != 0 {
		t.Fatalf("without a file: %v %v", c, err)
	}
	c := checkpoints{}
	for i := range int32(100) {
		c.set(partition.Key{TopicID: [16]byte{byte(i % 7), 0xff}, Partition: i}, int64(i)<<40)
		if err := c.write(fs, name); err != nil {
			t.Fatal(err)
		}
		if again, err := readCheckpoints(fs, name); err != nil || !maps.Equal(again, c) {
			t.Fatalf("%v, %v; want %v", again, err, c)
		}
	}
	clear(c)
	if err := c.write(fs, name); err != nil {
		t.Fatal(err)
	}
	if again, err := readCheckpoints(fs, name); err != nil || len(again) != 0 {
		t.Fatalf("%v %v", again, err)
	}
}

func TestADamagedCheckpointIsNotBelieved(t *testing.T) {
	good := checkpoints{{TopicID: [16]byte{1}, Partition: 2}: 345}.encode()
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		if c, err := decodeCheckpoints(bad); err == nil {
			t.Errorf("byte %d changed: %v", i, c)
		}
	}
	for i := range good {
		if c, err := decodeCheckpoints(good[:i]); err == nil {
			t.Errorf("cut at %d: %v", i, c)
		}
	}
}

func FuzzCheckpoints(f *testing.F) {
	f.Add(checkpoints{}.encode())
	f.Add(checkpoints{{TopicID: [16]byte{1}, Partition: 2}: 345, {Partition: 1}: 0}.encode())
	f.Add([]byte("troupe-cleaner 1\nzz -1 x\ncrc32c 00000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCheckpoints(b)
		if err != nil {
			return
		}
		if again, err := decodeCheckpoints(c.encode()); err != nil || !maps.Equal(again, c) {
			t.Fatalf("%v, %v; want %v", again, err, c)
		}
	})
}
