package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine describes where and when a run was made.
func machine() string {
	return fmt.Sprintf("%s, %d processors%s%s, %s%s", time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(),
		after("/proc/cpuinfo", "model name", " (%s)"), memory(), runtime.Version(), load())
}

// after returns the value of a line "name : value" in a file, formatted, or nothing.
func after(file, name, format string) string {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return fmt.Sprintf(format, strings.TrimSpace(v))
		}
	}
	return ""
}

func memory() string {
	var kib float64
	if _, err := fmt.Sscan(after("/proc/meminfo", "MemTotal", "%s"), &kib); err != nil {
		return ""
	}
	return fmt.Sprintf(", %.0f GiB", kib/(1<<20))
}

// load returns the load average of the last minute, before this run. Other load distorts speeds,
// but ratios much less.
func load() string {
	data, _ := os.ReadFile("/proc/loadavg")
	if one, _, ok := strings.Cut(string(data), " "); ok {
		return ", load before it " + one
	}
	return ""
}
