package stream

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
)

// stackMost bounds the memory that the stacks of all goroutines may take.
const stackMost = 64 << 20

// stackOf is the stack of a goroutine, down to where this package has called; empty: there is none.
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

// theirs cuts a stack where it comes to this package, unless it begins there. A frame has two
// lines.
func theirs(stack string) string {
	lines := strings.Split(strings.TrimSpace(stack), "\n")
	for i := 1; i < len(lines); i += 2 {
		if strings.HasPrefix(lines[i], "github.com/laneway-go/laneway/stream.") && i > 1 {
			return strings.Join(lines[:i], "\n")
		}
	}
	return strings.Join(lines, "\n")
}
