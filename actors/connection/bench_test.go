package connection_test

import (
	"io"
	"strings"
	"testing"

	"github.com/troupe-io/troupe/actors/connection"
)

func BenchmarkEchoOfApiVersions(b *testing.B) {
	d := openDoor(b, connection.Limits{}, 8<<20)
	c := d.dial()
	one := frameOf(versionsRequest(), 3, 1)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		c.write(one)
		if _, err := c.frame(); err != nil {
			b.Fatal(err)
		}
	}
}

// produceBench pipelines depth produces of one batch on one connection; the partition only answers.
func produceBench(b *testing.B, depth, valueBytes int) {
	d := openDoor(b, connection.Limits{}, 64<<20)
	f := d.stage("t")["t"]
	f.echo.Store(true)
	c := d.dial()
	one := frameOf(produceRequest(-1, "t", batch(b, strings.Repeat("x", valueBytes))), 9, 1)
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	b.ResetTimer()
	credit := make(chan struct{}, depth)
	go func() {
		for range b.N {
			credit <- struct{}{}
			if _, err := c.conn.Write(one); err != nil {
				return
			}
		}
	}()
	answer := make([]byte, 4+4+1+1+2+1+4+2+8+8+8+1+1+1+1+4+1)
	for range b.N {
		if _, err := io.ReadFull(c.r, answer); err != nil {
			b.Fatal(err)
		}
		<-credit
	}
}

func BenchmarkProduce256BOneInFlight(b *testing.B) { produceBench(b, 1, 256) }
func BenchmarkProduce256BPipelined(b *testing.B)   { produceBench(b, 32, 256) }
func BenchmarkProduce64KiBPipelined5(b *testing.B) { produceBench(b, 5, 64<<10) }
