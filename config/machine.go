package config

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// This file owns what is found out about the machine: how much memory there is for us.

const (
	memoryShare     = 4       // the default memory-limit is 1/memoryShare of the machine's
	memoryFallback  = 1 << 30 // bytes, where the machine does not tell
	memoryLimitMin  = 64 << 20
	tailCacheMax    = 64 << 20
	cacheShare      = 4 // tail-cache and in-flight-bytes default to 1/cacheShare of memory-limit
	tailCacheMin    = 8 << 20
	inFlightDefault = 512 << 20 // at most
	cleanerMapMax   = 128 << 20 // Kafka's default
	cleanerMapMin   = 1 << 20
	cleanerMapShare = 8
)

func defaultMemoryLimit() string {
	return FormatBytes(max(memoryLimitMin, MachineMemory(os.DirFS("/"))/memoryShare&^(1<<20-1)))
}

// defaultTailCache and defaultInFlight stand in the table as what they are without a memory-limit of the user's own; Load
// works them out again from the memory-limit in force.
func defaultTailCache() string { return "" }
func defaultInFlight() string  { return "" }

// defaultCleanerMap is like these.
func defaultCleanerMap() string { return "" }

func tailCacheFor(memoryLimit int64) int64 {
	return max(tailCacheMin, min(tailCacheMax, memoryLimit/cacheShare))
}

func cleanerMapFor(memoryLimit int64) int64 {
	return max(cleanerMapMin, min(cleanerMapMax, memoryLimit/cleanerMapShare))
}

func inFlightFor(memoryLimit int64) int64 {
	return max(tailCacheMin, min(inFlightDefault, memoryLimit/cacheShare))
}

// MachineMemory is the memory this process may use, bytes: the machine's, or the smallest limit of the control groups
// (v2 or v1) it stands in. root is the file system's root.
func MachineMemory(root fs.FS) int64 {
	total := memTotal(root)
	if total <= 0 {
		total = memoryFallback
	}
	for _, limit := range cgroupLimits(root) {
		if limit > 0 && limit < total {
			total = limit
		}
	}
	return total
}

func memTotal(root fs.FS) int64 {
	f, err := root.Open("proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if fields := strings.Fields(sc.Text()); len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// cgroupLimits reads the limits of the groups named in /proc/self/cgroup and of all above them. In a container whose
// group is mounted as the root, the path named there is missing and the root's limit is found instead.
func cgroupLimits(root fs.FS) []int64 {
	var limits []int64
	read := func(name string) {
		if b, err := fs.ReadFile(root, name); err == nil {
			if v, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil {
				limits = append(limits, v)
			}
		}
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	lines := append(strings.Split(string(groups), "\n"), "0::/", "1:memory:/")
	for _, line := range lines {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		base, file := "", ""
		switch {
		case parts[1] == "":
			base, file = "sys/fs/cgroup", "memory.max"
		case strings.Contains(","+parts[1]+",", ",memory,"):
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			read(path.Join(base, dir, file))
			if dir == "/" {
				break
			}
		}
	}
	return limits
}
