package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/troupe-io/troupe/storage/vfs"
)

// The data directory: who it belongs to, and that one process only works in it.
//
//	<data-dir>/lock        held by flock while a broker runs
//	<data-dir>/node.json   node id, cluster id, directory id: written once
//	<data-dir>/wal/        the write-ahead log
//	<data-dir>/cleaner-checkpoint  how far each compacted log was cleaned
//	<data-dir>/topics/     one directory a partition: Kafka-format segments

// identity is node.json.
type identity struct {
	Version     int    `json:"version"`
	NodeID      int32  `json:"node_id"`
	ClusterID   string `json:"cluster_id"`
	DirectoryID string `json:"directory_id"`
}

const identityVersion = 1

// dataDir is an open data directory; close gives up the lock.
type dataDir struct {
	identity
	lock io.Closer
}

func openDataDir(files vfs.FS, dir string, nodeID int32) (*dataDir, error) {
	if err := files.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("create the data directory %s: %w (choose another with --data-dir)", dir, err)
	}
	lock, err := files.Lock(path.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("data directory %s is in use by another process: %w (stop that broker, or choose another --data-dir)", dir, err)
	}
	id, err := readIdentity(files, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		id = identity{Version: identityVersion, NodeID: nodeID, ClusterID: newID(), DirectoryID: newID()}
		err = writeIdentity(files, dir, id)
	case err == nil && id.NodeID != nodeID:
		err = fmt.Errorf("data directory %s belongs to node %d, this is node %d (start with --node-id %d, or choose another --data-dir)",
			dir, id.NodeID, nodeID, id.NodeID)
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &dataDir{identity: id, lock: lock}, nil
}

func readIdentity(files vfs.FS, dir string) (id identity, err error) {
	name := path.Join(dir, "node.json")
	size, err := files.Stat(name)
	if err != nil {
		return id, err
	}
	if size > 1<<16 {
		return id, fmt.Errorf("%s has %d bytes: not a Troupe node file", name, size)
	}
	f, err := files.Open(name, vfs.OpenOptions{ReadOnly: true})
	if err != nil {
		return id, err
	}
	defer f.Close()
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return id, fmt.Errorf("read %s: %w", name, err)
	}
	if err := json.Unmarshal(b, &id); err != nil {
		return id, fmt.Errorf("%s is damaged: %w (restore it: node id, cluster id and directory id)", name, err)
	}
	if id.Version != identityVersion {
		return id, fmt.Errorf("%s has version %d, this Troupe reads %d", name, id.Version, identityVersion)
	}
	return id, nil
}

// writeIdentity is atomic: a crash leaves the old state or the new.
func writeIdentity(files vfs.FS, dir string, id identity) error {
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	name := path.Join(dir, "node.json")
	f, err := files.Open(name+".new", vfs.OpenOptions{Create: true})
	if err != nil {
		return err
	}
	_, err = f.WriteAt(append(b, '\n'), 0)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = errors.Join(files.Rename(name+".new", name), files.SyncDir(dir))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
