package group

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// This file owns offsets in files. CSV has a line TOPIC,PARTITION,OFFSET a partition, as Kafka's kafka-consumer-groups writes and
// reads; for several groups GROUP,TOPIC,PARTITION,OFFSET. JSON has a list of objects. Reading takes either, and tells them apart
// by the first character.

// fileMax bounds a file of offsets, bytes: some million partitions.
const fileMax = 256 << 20

// savedOffset is one offset in a JSON file.
type savedOffset struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Metadata  string `json:"metadata"`
}

// readOffsets reads the offsets of a group; those of other groups are passed over.
func readOffsets(r io.Reader, group string) (map[cli.Partition]int64, error) {
	limited := &io.LimitedReader{R: r, N: fileMax + 1}
	in := bufio.NewReader(limited)
	first, err := in.Peek(1)
	if errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty")
	} else if err != nil {
		return nil, err
	}
	out := map[cli.Partition]int64{}
	if first[0] == '[' || first[0] == '{' {
		err = readJSON(in, group, out)
	} else {
		err = readCSV(in, group, out)
	}
	switch {
	case limited.N == 0:
		return nil, fmt.Errorf("it is larger than %d bytes", fileMax)
	case err != nil:
		return nil, err
	case len(out) == 0:
		return nil, fmt.Errorf("it has no offsets of group %s", group)
	}
	return out, nil
}

func readJSON(in io.Reader, group string, out map[cli.Partition]int64) error {
	dec := json.NewDecoder(in)
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("it is not JSON: %w", err)
		}
		var list []savedOffset
		if raw[0] != '[' {
			list = make([]savedOffset, 1)
			if err := json.Unmarshal(raw, &list[0]); err != nil {
				return err
			}
		} else if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		for i, s := range list {
			if s.Group != "" && s.Group != group {
				continue
			}
			if s.Topic == "" {
				return fmt.Errorf("entry %d has no \"topic\"", i+1)
			}
			if err := put(out, s.Topic, s.Partition, s.Offset); err != nil {
				return fmt.Errorf("entry %d: %w", i+1, err)
			}
		}
	}
}

func readCSV(in io.Reader, group string, out map[cli.Partition]int64) error {
	r := csv.NewReader(in)
	r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord, r.Comment = -1, true, true, '#'
	for first := true; ; first = false {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		line, _ := r.FieldPos(0)
		if len(fields) == 4 {
			if fields[0] != group && !(first && fields[0] == "group") {
				continue
			}
			fields = fields[1:]
		}
		if len(fields) != 3 {
			return fmt.Errorf("line %d has %d fields; allowed: TOPIC,PARTITION,OFFSET or GROUP,TOPIC,PARTITION,OFFSET", line, len(fields))
		}
		partition, errP := strconv.ParseInt(fields[1], 10, 32)
		offset, errO := strconv.ParseInt(fields[2], 10, 64)
		if first && errP != nil && errO != nil {
			continue // a header
		}
		if err := errors.Join(errP, errO); err != nil {
			return fmt.Errorf("line %d: %q is not TOPIC,PARTITION,OFFSET", line, fields)
		}
		if err := put(out, fields[0], int32(partition), offset); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func put(out map[cli.Partition]int64, topic string, partition int32, offset int64) error {
	p := cli.Partition{Topic: topic, Partition: partition}
	switch _, twice := out[p]; {
	case topic == "":
		return errors.New("the topic is empty")
	case partition < 0 || offset < 0:
		return fmt.Errorf("%s-%d: neither a partition nor an offset can be negative", topic, partition)
	case twice:
		return fmt.Errorf("%s-%d stands there twice", topic, partition)
	}
	out[p] = offset
	return nil
}

// writeCSV writes offsets as readOffsets reads them; with the group in front where there are several.
func writeCSV(w io.Writer, list []savedOffset, several bool) error {
	out := csv.NewWriter(w)
	for _, s := range list {
		fields := []string{s.Group, s.Topic, strconv.Itoa(int(s.Partition)), strconv.FormatInt(s.Offset, 10)}
		if !several {
			fields = fields[1:]
		}
		if err := out.Write(fields); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
