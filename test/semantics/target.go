package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns the two brokers: how they are started, made ready and ended.

// startWithin bounds how long a broker may take until every case can begin.
const startWithin = 90 * time.Second

// target is a broker that is asked.
type target struct {
	name, addr string
	stop       func()
	log        string // file
}

// freeAddr is a loopback address whose port nobody uses.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// launch starts a process that ends with this one.
func launch(name, dir string, argv ...string) (*target, error) {
	t := &target{name: name, log: filepath.Join(dir, name+".log")}
	out, err := os.Create(t.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // main is locked to its thread, which starts both
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	t.stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	return t, nil
}

// startTroupe starts the binary under test with a directory of its own, and a setting (KEY=VALUE) if there is one.
func startTroupe(binary, dir, setting string) (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	argv := []string{binary, "serve", "--data-dir", filepath.Join(dir, "troupe"), "--kafka-addr", addr, "--admin-addr", "off", "--log-format", "console",
		"--group.initial.rebalance.delay.ms", "0"}
	if setting != "" {
		argv = append(argv, "--"+setting)
	}
	t, err := launch("troupe", dir, argv...)
	if err != nil {
		return nil, err
	}
	t.addr = addr
	return t, nil
}

// startKafka starts Apache Kafka in combined KRaft mode from a directory of jars, with a setting (KEY=VALUE) if there is one.
func startKafka(jars, dir, setting string) (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	controller, err := freeAddr()
	if err != nil {
		return nil, err
	}
	if jars, err = filepath.Abs(jars); err != nil {
		return nil, err
	}
	properties := filepath.Join(dir, "server.properties")
	settings := []string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@" + controller, "controller.listener.names=CONTROLLER",
		"listeners=PLAINTEXT://" + addr + ",CONTROLLER://" + controller, "advertised.listeners=PLAINTEXT://" + addr,
		"log.dirs=" + filepath.Join(dir, "kafka"), "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "transaction.state.log.num.partitions=2",
		"share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1", "group.initial.rebalance.delay.ms=0",
		setting,
	}
	if err := os.WriteFile(properties, []byte(strings.Join(settings, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	java := []string{"java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(jars, "*")}
	format := exec.Command(java[0], append(java[1:], "kafka.tools.StorageTool", "format", "-t", "c2VtYW50aWNzLXRyb3VwZQ", "-c", properties)...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format Kafka's directory: %w\n%s", err, out)
	}
	t, err := launch("kafka", dir, append(java, "kafka.Kafka", properties)...)
	if err != nil {
		return nil, err
	}
	t.addr = addr
	return t, nil
}

// ready waits until a broker serves everything that the cases take for granted: every group's coordinator and producer ids.
func (t *target) ready() error {
	deadline := time.Now().Add(startWithin)
	var last error
	for time.Now().Before(deadline) {
		if last = t.tryReady(); last == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(t.log)
	return fmt.Errorf("%s at %s was not ready within %s: %w\n%s", t.name, t.addr, startWithin, last, log[max(0, len(log)-4000):])
}

func (t *target) tryReady() (err error) {
	c := &C{addr: t.addr, shown: newShown(0)}
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%v", why)
		}
		c.hangUp()
	}()
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKeys = []string{"g"}
	if code := c.get(4, find).(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode; code != 0 {
		return fmt.Errorf("FindCoordinator: error %d", code)
	}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	for i := range 400 { // names enough for every partition of the groups' topic
		describe.Groups = append(describe.Groups, fmt.Sprintf("warm-%d", i))
	}
	for _, g := range c.get(5, describe).(*kmsg.DescribeGroupsResponse).Groups {
		if g.ErrorCode != 0 {
			return fmt.Errorf("DescribeGroups: error %d", g.ErrorCode)
		}
	}
	if code := c.get(4, newInitProducerID()).(*kmsg.InitProducerIDResponse).ErrorCode; code != 0 {
		return fmt.Errorf("InitProducerId: error %d", code)
	}
	if c.conn == nil {
		return errors.New("no connection")
	}
	return nil
}
