package bench

import (
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time this process has used. Beside wall time it says what a worker costs, and other load does not falsify it much.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU adds processor time per element to a benchmark; call it deferred at the beginning.
func reportCPU(b *testing.B) func() {
	start := cpu()
	return func() { b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/elem") }
}
