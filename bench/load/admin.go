package load

// This file owns what happens outside of the measured time through a real client: making and deleting the topic, asking for offsets.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const adminTimeout = 30 * time.Second

type admin struct {
	o  *Options
	cl *kgo.Client
}

func (a *admin) client() (*kadm.Client, error) {
	if a.cl == nil {
		cl, err := kgo.NewClient(kgo.SeedBrokers(a.o.Seeds...), kgo.ClientID("troupe-bench"), kgo.RetryTimeout(adminTimeout), kgo.MetadataMinAge(100*time.Millisecond))
		if err != nil {
			return nil, err
		}
		a.cl = cl
	}
	return kadm.NewClient(a.cl), nil
}

func (a *admin) close() {
	if a.cl != nil {
		a.cl.Close()
	}
}

// makeTopic deletes and makes the topic as the options say.
func (a *admin) makeTopic(ctx context.Context, note func(string, ...any)) error {
	if !a.o.CreateTopic {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	if a.o.DeleteTopic {
		if err := a.deleteTopic(ctx); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return err
		}
	}
	adm, err := a.client()
	if err != nil {
		return err
	}
	configs := map[string]*string{}
	for k, v := range a.o.Configs {
		configs[k] = kadm.StringPtr(v)
	}
	for {
		resp, err := adm.CreateTopic(ctx, a.o.Partitions, a.o.Replication, configs, a.o.Topic)
		if err == nil {
			err = resp.Err
		}
		if err == nil {
			note("created topic %s with %d partitions", a.o.Topic, a.o.Partitions)
			return nil
		}
		// A topic that was just deleted may be there for a moment.
		if !(a.o.DeleteTopic && errors.Is(err, kerr.TopicAlreadyExists)) || ctx.Err() != nil {
			if errors.Is(err, kerr.TopicAlreadyExists) {
				return fmt.Errorf("create topic %s: it exists; use it without --create-topic, or replace it with --create-topic --delete-topic", a.o.Topic)
			}
			return fmt.Errorf("create topic %s: %w", a.o.Topic, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (a *admin) deleteTopic(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	adm, err := a.client()
	if err != nil {
		return err
	}
	resp, err := adm.DeleteTopic(ctx, a.o.Topic)
	if err == nil {
		err = resp.Err
	}
	if err != nil {
		return fmt.Errorf("delete topic %s: %w", a.o.Topic, err)
	}
	return nil
}

// offsets asks for the end of each partition, again while a broker is away if patient.
func (a *admin) offsets(ctx context.Context, partitions int, patient bool) ([]int64, error) {
	return a.list(ctx, partitions, patient, func(ctx context.Context, adm *kadm.Client) (kadm.ListedOffsets, error) {
		return adm.ListEndOffsets(ctx, a.o.Topic)
	})
}

// beginnings asks for the start of each partition.
func (a *admin) beginnings(ctx context.Context, partitions int) ([]int64, error) {
	return a.list(ctx, partitions, false, func(ctx context.Context, adm *kadm.Client) (kadm.ListedOffsets, error) {
		return adm.ListStartOffsets(ctx, a.o.Topic)
	})
}

func (a *admin) list(ctx context.Context, partitions int, patient bool, ask func(context.Context, *kadm.Client) (kadm.ListedOffsets, error)) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	adm, err := a.client()
	if err != nil {
		return nil, err
	}
	for {
		listed, err := ask(ctx, adm)
		if err == nil {
			err = listed.Error()
		}
		offsets := make([]int64, partitions)
		for p := range offsets {
			o, ok := listed.Lookup(a.o.Topic, int32(p))
			if !ok && err == nil {
				err = fmt.Errorf("the broker did not answer for partition %d", p)
			}
			offsets[p] = o.Offset
		}
		if err == nil {
			return offsets, nil
		}
		if !patient && !retriable(err) || ctx.Err() != nil {
			return nil, fmt.Errorf("ask for the offsets of topic %s: %w", a.o.Topic, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// retriable says whether a broker's error may go away by itself.
func retriable(err error) bool {
	var ke *kerr.Error
	return errors.As(err, &ke) && ke.Retriable && !errors.Is(err, kerr.UnknownTopicOrPartition)
}
