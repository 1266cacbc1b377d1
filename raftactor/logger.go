package raftactor

import (
	"fmt"

	"github.com/rs/zerolog"
	"go.etcd.io/raft/v3"

	"github.com/troupe-io/troupe/storage/wal"
)

// raftLogger writes what etcd raft has to say about one group to our log, all of it at debug: what matters to people is logged
// by the raft actor itself. Raft's panics stay panics, and restart the raft actor.
type raftLogger struct {
	log   *zerolog.Logger
	group wal.GroupID
}

var _ raft.Logger = (*raftLogger)(nil)

func (l *raftLogger) print(level string, v []any) {
	if e := l.log.Debug(); e.Enabled() {
		e.Uint64("group", uint64(l.group)).Str("raft", level).Msg(fmt.Sprint(v...))
	}
}

func (l *raftLogger) printf(level, format string, v []any) {
	if e := l.log.Debug(); e.Enabled() {
		e.Uint64("group", uint64(l.group)).Str("raft", level).Msg(fmt.Sprintf(format, v...))
	}
}

func (l *raftLogger) Debug(v ...any)                   { l.print("debug", v) }
func (l *raftLogger) Debugf(format string, v ...any)   { l.printf("debug", format, v) }
func (l *raftLogger) Info(v ...any)                    { l.print("info", v) }
func (l *raftLogger) Infof(format string, v ...any)    { l.printf("info", format, v) }
func (l *raftLogger) Warning(v ...any)                 { l.print("warning", v) }
func (l *raftLogger) Warningf(format string, v ...any) { l.printf("warning", format, v) }
func (l *raftLogger) Error(v ...any)                   { l.print("error", v) }
func (l *raftLogger) Errorf(format string, v ...any)   { l.printf("error", format, v) }
func (l *raftLogger) Fatal(v ...any)                   { l.Panic(v...) }
func (l *raftLogger) Fatalf(format string, v ...any)   { l.Panicf(format, v...) }

func (l *raftLogger) Panic(v ...any) {
	panic(fmt.Sprintf("raft group %d: %s", l.group, fmt.Sprint(v...)))
}

func (l *raftLogger) Panicf(format string, v ...any) {
	panic(fmt.Sprintf("raft group %d: %s", l.group, fmt.Sprintf(format, v...)))
}
