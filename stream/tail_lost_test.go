package stream_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

func TestLossBelowCommit(t *testing.T) {
	named := func(t *testing.T, err error, want ...string) {
		t.Helper()
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w+" (lost, since it was committed") {
				t.Errorf("%s is lost and not named: %v", w, err)
			}
		}
	}
	t.Run("is not said to be reprocessed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, "a0")
			err := start(t, l, input.CommitBefore(1, 0).Serial(w.do)).wait()
			if text := fmt.Sprint(err); !strings.Contains(text, "committed and is lost") || strings.Contains(text, "reprocessed") {
				t.Error(text)
			}
		})
	})
	t.Run("names records queued behind a failure", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			l, w := newLog(1), newWork().poison("a0", errBoom)
			put(l, 0, count("a", 3)...)
			release := w.hold("a0")
			j := start(t, l, input.CommitBefore(1, 0).Serial(w.do))
			j.committed(3)
			release()
			synctest.Wait()
			named(t, j.wait(), "t[0]@1", "t[0]@2")
			same(t, "started", w.tried(), []string{"a0"})
		})
	})
}
