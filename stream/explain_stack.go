package stream

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
)

// stackMost limits the memory for the stacks of all goroutines.
const stackMost = 64 << 20

// stackOf returns the stack of a goroutine, down to the call by this package. It is empty if there
// is no such goroutine.
func stackOf(id int64) string {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for n == len(buf) && n < stackMost {
		buf = make([]byte, 4*n)
		n = runtime.Stack(buf, true)
	}
	head := fmt.Appendf(nil, "goroutine %d [", id)
	for one := range bytes.SplitSeq(buf[:n], []byte("\n\n")) {
		if bytes.HasPrefix(one, head) {
			return theirs(string(one))
		}
	}
	return ""
}

// theirs cuts a stack at the first frame of this package, unless that is the top one. A frame has
// two lines.
func theirs(stack string) string {
	lines := strings.Split(strings.TrimSpace(stack), "\n")
	for i := 1; i < len(lines); i += 2 {
		if strings.HasPrefix(lines[i], "github.com/laneway-go/laneway/stream.") && i > 1 {
			return strings.Join(lines[:i], "\n")
		}
	}
	return strings.Join(lines, "\n")
}
